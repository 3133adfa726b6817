"""A database that was removed or replaced by an older copy looks well: the backups know better."""

import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

from spotify_assets import times
from spotify_assets.cli import main
from spotify_assets.sandbox.browser import consent
from spotify_assets.sandbox.server import Sandbox
from spotify_assets.settings import KeepBackups, Settings
from spotify_assets.spotify.export.files import find_packages
from spotify_assets.spotify.login import login
from spotify_assets.spotify.state import State
from spotify_assets.spotify.token_store import TokenStore
from spotify_assets.warehouse.accounts import remove
from spotify_assets.warehouse.backups.errors import BackupError
from spotify_assets.warehouse.backups.folder import Backup, backups_in
from spotify_assets.warehouse.backups.loss import losses
from spotify_assets.warehouse.backups.making import back_up
from spotify_assets.warehouse.backups.restoring import find, restore, restore_beside
from spotify_assets.warehouse.health import health, verdicts_on_data
from spotify_assets.warehouse.importing import import_packages
from spotify_assets_tests.models.building import ingest
from spotify_assets_tests.support import User, sandbox, user_of
from spotify_assets_tests.unit.spotify.export.downloads import pack, rows_of

FILE = "Streaming_History_Audio_2024_0.json"


def missing(settings: Settings) -> list[str]:
    return verdicts_on_data(settings)["nothing_is_missing"].findings


def archives(settings: Settings) -> list[str]:
    return [backup.archive.name for backup in backups_in(settings.backups)]


def take_away(settings: Settings) -> None:
    for path in settings.data.glob("spotify.db*"):
        path.unlink()


def put_an_older_copy(settings: Settings) -> None:
    """That of the first backup, before jonas came."""
    older = backups_in(settings.backups)[-1]
    take_away(settings)
    copy = settings.data / "older"
    restore_beside(settings, older, copy)
    shutil.move(copy / "spotify.db", settings.warehouse_path)


def delete_plays(settings: Settings) -> None:
    with closing(sqlite3.connect(settings.warehouse_path)) as connection, connection:
        connection.execute("update loads set rows_loaded = 0, rows_read = rows_read - rows_loaded")
        connection.execute("delete from raw_recently_played")


@pytest.mark.parametrize("happens", [take_away, put_an_older_copy, delete_plays])
def test_a_warehouse_that_shrank_takes_the_place_of_no_backup(owner: User, happens: object) -> None:
    settings = owner.settings
    assert missing(settings) == []
    before = archives(settings)
    assert callable(happens)
    happens(settings)
    (found,) = missing(settings)
    assert "at " in found
    assert "it held 100 of 2" in found
    assert f"{before[0]} brings it back: spotify-assets restore" in found
    with pytest.raises(BackupError, match="no restore or removal explains it"):
        back_up(settings)
    assert archives(settings) == before
    restore(settings, find(settings, None))
    assert missing(settings) == []
    back_up(settings)
    assert len(archives(settings)) == len(before) + 1


def test_what_was_loaded_since_does_not_hide_what_was_lost(owner: User, tmp_path: Path) -> None:
    """Fewer plays, whatever the number of loads; and fewer loads, whatever the number of plays."""
    settings = owner.settings
    take_away(settings)
    archive = pack(tmp_path / "a.zip", {FILE: rows_of(*range(500))})
    list(import_packages(settings, "mira", find_packages([archive]), lambda *_: None))
    assert "500 plays of 1 loads" in str(losses(settings))


def test_a_restore_explains_what_is_not_there_any_more(owner: User) -> None:
    settings = owner.settings
    restore(settings, backups_in(settings.backups)[-1])
    State(settings.state_path).prune_pages("9999")
    assert losses(settings) == []
    assert back_up(settings)


def test_an_older_backup_can_be_restored_again_and_again(owner: User) -> None:
    settings = owner.settings
    first = backups_in(settings.backups)[-1]
    for _ in range(2):
        restore(settings, first)
        assert losses(settings) == []
        assert back_up(settings)


def test_an_older_backup_in_place_of_a_damaged_state_explains_who_is_not_there(
    owner: User,
) -> None:
    settings = owner.settings
    for path in settings.data.glob("state.db*"):
        path.unlink()
    settings.state_path.write_bytes(b"no database" * 1000)
    restore(settings, backups_in(settings.backups)[-1])  # from before jonas came
    assert [each.account_id for each in State(settings.state_path).accounts()] == ["mira"]
    assert back_up(settings)


def test_a_restore_explains_no_more_than_what_its_backup_lacks(owner: User) -> None:
    settings = owner.settings
    restore(settings, backups_in(settings.backups)[-1])
    assert losses(settings) == []
    delete_plays(settings)
    assert losses(settings)


def test_rows_that_were_deleted_from_a_table_alone_are_missed(owner: User) -> None:
    with closing(sqlite3.connect(owner.settings.warehouse_path)) as connection, connection:
        connection.execute("delete from raw_recently_played where account_id = 'mira'")
    assert "holds 50 plays of 2 loads" in str(losses(owner.settings))


def test_the_removal_of_an_account_explains_its_rows_and_no_others(
    owner: User, tmp_path: Path
) -> None:
    settings = owner.settings
    archive = pack(tmp_path / "a.zip", {FILE: rows_of(*range(20))})
    list(import_packages(settings, "kitchen", find_packages([archive]), lambda *_: None))
    remove(settings, "kitchen")  # after a backup
    assert losses(settings) == []
    delete_plays(settings)
    assert losses(settings)


@pytest.mark.parametrize("is_there", [True, False])
def test_the_removal_of_an_empty_account_explains_that_it_is_gone(
    is_there: bool, owner: User
) -> None:
    settings = owner.settings
    if not is_there:  # everybody has logged in, and nothing was loaded yet
        take_away(settings)
        shutil.rmtree(settings.backups)
        State(settings.state_path).prune_pages("9999")
    State(settings.state_path).add_account("kitchen")
    remove(settings, "kitchen")  # after a backup, which knows it
    assert losses(settings) == []
    assert back_up(settings)


def test_the_removal_of_an_account_of_which_no_row_was_loaded_is_no_loss(
    owner: User, tmp_path: Path
) -> None:
    settings = owner.settings
    archive = pack(tmp_path / "a.zip", {FILE: rows_of(1, ms_played=-1)})
    list(import_packages(settings, "kitchen", find_packages([archive]), lambda *_: None))
    remove(settings, "kitchen")
    assert losses(settings) == []
    assert back_up(settings)


def test_a_lost_state_is_not_called_well(owner: User) -> None:
    settings = owner.settings
    settings.state_path.unlink()
    found = missing(settings)
    assert [line.partition(":")[0] for line in found] == ["jonas", "mira"]
    assert all("does not know the account, so nothing is polled" in line for line in found)
    owner.log_in("mira", "jonas")
    assert missing(settings) == []


def test_a_login_of_an_account_that_the_state_does_not_know_is_named(owner: User) -> None:
    settings = owner.settings
    for path in (settings.state_path, settings.warehouse_path):
        path.unlink()
    shutil.rmtree(settings.backups)
    assert [line.partition(":")[0] for line in missing(settings)] == ["jonas.json", "mira.json"]


def backup_of_noor(folder: Path, account_id: str) -> Backup:
    """A backup of somebody else's, whose account has this name."""
    with sandbox(listeners=("noor",)) as theirs:
        settings = user_of(theirs.environment(), folder).settings
        login(
            settings,
            State(settings.state_path),
            TokenStore(settings.tokens),
            account_id=account_id,
            open_browser=partial(consent, listener="noor"),
            tell=lambda _: None,
        )
        ingest(settings)
        kept = back_up(settings)
    assert kept
    return kept.made


@pytest.mark.parametrize(
    ("account_id", "why"),
    [
        ("mira", "its account 'mira' is another Spotify user here"),
        ("noor", "it holds noor, and none of the accounts here"),
    ],
)
def test_a_backup_of_somebody_else_is_not_restored(
    owner: User, tmp_path: Path, account_id: str, why: str
) -> None:
    theirs = backup_of_noor(tmp_path / "other", account_id)
    before = owner.settings.warehouse_path.read_bytes()
    with pytest.raises(BackupError, match=f"is of somebody else: {why}"):
        restore(owner.settings, theirs)
    assert owner.settings.warehouse_path.read_bytes() == before


def test_without_the_state_a_backup_of_the_same_past_is_restored_and_no_other(
    owner: User, tmp_path: Path
) -> None:
    """Nobody can tell then who is behind a name."""
    theirs = backup_of_noor(tmp_path / "other", "mira")
    settings = owner.settings
    lose_the_state(settings)
    with pytest.raises(BackupError, match="its account 'mira' may be another Spotify user here"):
        restore(settings, theirs)
    restore(settings, find(settings, None))
    assert {each.account_id for each in State(settings.state_path).accounts()} == {"mira", "jonas"}
    lose_the_state(settings)
    take_away(settings)
    assert restore(settings, find(settings, None))  # there is nothing to mix it with


def test_a_backup_that_knows_a_user_under_another_name_is_not_restored(owner: User) -> None:
    kept = backups_in(owner.settings.backups)[0]
    with closing(sqlite3.connect(owner.settings.state_path)) as connection, connection:
        connection.execute("pragma foreign_keys = off")
        connection.execute("update accounts set account_id = 'kitchen' where account_id = 'mira'")
    with pytest.raises(BackupError, match="its account 'mira' is 'kitchen' here"):
        restore(owner.settings, kept)


def test_a_users_own_backup_is_known_by_the_stable_id_whatever_the_name_became(owner: User) -> None:
    kept = backups_in(owner.settings.backups)[0]
    with closing(sqlite3.connect(owner.settings.state_path)) as connection, connection:
        connection.execute("update accounts set spotify_id = spotify_id || '-renamed'")
    assert restore(owner.settings, kept)


def test_a_clock_that_ran_ahead_shows_no_lag_of_years(
    busy_spotify: Sandbox, listener: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy_spotify.clock.advance(timedelta(minutes=30))
    now = times.now
    monkeypatch.setattr(times, "now", lambda: now() + timedelta(days=3650))
    ingest(listener)
    monkeypatch.setattr(times, "now", now)
    (found,) = health(listener)
    assert found.lag_seconds is None


def bring(settings: Settings, account: str, archive: Path) -> None:
    list(import_packages(settings, account, find_packages([archive]), lambda *_: None))


def test_another_warehouse_with_more_in_it_is_no_less_a_loss(owner: User, tmp_path: Path) -> None:
    """More plays and more loads than the last backup has, but not its loads."""
    settings = owner.settings
    before = archives(settings)
    take_away(settings)
    for number in range(3):
        rows = rows_of(*range(100 * number, 100 * (number + 1)))
        bring(settings, "jonas", pack(tmp_path / f"{number}.zip", {FILE: rows}))
    (found,) = losses(settings)
    assert "is another one than at" in found
    assert "when it held 100 plays" in found
    with pytest.raises(BackupError, match="is another one than"):
        back_up(replace(settings, keep_backups=KeepBackups(1, 0, 0, 0)))
    assert archives(settings) == before
    done = CliRunner().invoke(
        main, ["import", str(tmp_path / "0.zip"), "--account", "jonas"], env=owner.environment
    )
    assert "is another one than" in done.stderr
    restore(settings, find(settings, None))
    assert losses(settings) == []


def test_what_is_loaded_later_and_what_is_dismissed_or_renamed_leaves_it_the_same_warehouse(
    owner: User, tmp_path: Path
) -> None:
    settings = owner.settings
    bring(settings, "mira", pack(tmp_path / "a.zip", {FILE: [*rows_of(1), {"ts": "no time"}]}))
    assert back_up(settings)
    bring(settings, "mira", pack(tmp_path / "b.zip", {FILE: rows_of(*range(50))}))
    for command in (["accounts", "rename", "mira", "Mira"], ["quarantine", "retry"]):
        done = CliRunner().invoke(main, command, env=owner.environment)
        assert done.exit_code == 0, done.output
    assert losses(settings) == []
    assert back_up(settings)


def lose_the_state(settings: Settings) -> None:
    settings.state_path.unlink()


def empty_the_state(settings: Settings) -> None:
    for path in settings.data.glob("state.db*"):
        path.unlink()
    settings.state_path.touch()


def forget_an_account(settings: Settings) -> None:
    """As an older copy of the state would."""
    with closing(sqlite3.connect(settings.state_path)) as connection, connection:
        connection.execute("pragma foreign_keys = off")
        for table in ("landed_pages", "accounts"):
            connection.execute(f"delete from {table} where account_id = 'jonas'")


@pytest.mark.parametrize("happens", [lose_the_state, empty_the_state, forget_an_account])
def test_a_state_that_lost_an_account_takes_the_place_of_no_backup(
    owner: User, happens: object
) -> None:
    settings = owner.settings
    before = archives(settings)
    assert callable(happens)
    happens(settings)
    with pytest.raises(BackupError, match=r"knows [01] accounts; in the last backup it knew 2"):
        back_up(replace(settings, keep_backups=KeepBackups(1, 0, 0, 0)))
    assert archives(settings) == before


def damage_the_archives(settings: Settings) -> None:
    for archive in settings.backups.glob("*.zst"):
        archive.write_bytes(archive.read_bytes()[:-1])


def unmount(settings: Settings) -> None:
    shutil.rmtree(settings.backups)
    settings.backups.symlink_to(settings.data / "no such disk")


def put_a_file_there(settings: Settings) -> None:
    shutil.rmtree(settings.backups)
    settings.backups.touch()


@pytest.mark.parametrize("happens", [damage_the_archives, unmount, put_a_file_there])
def test_where_no_backup_can_be_read_unknown_is_not_called_well(
    owner: User, happens: object
) -> None:
    settings = owner.settings
    assert callable(happens)
    happens(settings)
    (found,) = missing(settings)
    assert "nobody can tell whether something is missing" in found
    shown = CliRunner().invoke(main, ["status"], env=owner.environment)
    assert "nobody can tell" in " ".join(shown.output.split())
    take_away(settings)
    with pytest.raises((BackupError, OSError)):
        back_up(settings)


def test_before_the_first_backup_nothing_is_said_to_have_been_compared(owner: User) -> None:
    shutil.rmtree(owner.settings.backups)
    verdict = verdicts_on_data(owner.settings)["nothing_is_missing"]
    assert verdict.passed
    assert verdict.description.startswith("There is no backup yet to compare with")
