"""A database that was removed or replaced by an older copy looks well: the backups know better."""

import shutil
import sqlite3
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from spotify_assets import times
from spotify_assets.sandbox.browser import consent
from spotify_assets.sandbox.server import Sandbox
from spotify_assets.settings import Settings
from spotify_assets.spotify.export.files import find_packages
from spotify_assets.spotify.login import login
from spotify_assets.spotify.state import State
from spotify_assets.spotify.token_store import TokenStore
from spotify_assets.warehouse.accounts import remove
from spotify_assets.warehouse.backups.errors import BackupError
from spotify_assets.warehouse.backups.folder import Backup, backups_in
from spotify_assets.warehouse.backups.loss import loss
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
    assert "500 plays of 1 loads" in str(loss(settings))


def test_a_restore_explains_what_is_not_there_any_more(owner: User) -> None:
    settings = owner.settings
    restore(settings, backups_in(settings.backups)[-1])
    State(settings.state_path).prune_pages("9999")
    assert loss(settings) is None
    assert back_up(settings)


def test_an_older_backup_can_be_restored_again_and_again(owner: User) -> None:
    settings = owner.settings
    first = backups_in(settings.backups)[-1]
    for _ in range(2):
        restore(settings, first)
        assert loss(settings) is None
        assert back_up(settings)


def test_a_restore_explains_no_more_than_what_its_backup_lacks(owner: User) -> None:
    settings = owner.settings
    restore(settings, backups_in(settings.backups)[-1])
    assert loss(settings) is None
    delete_plays(settings)
    assert loss(settings)


def test_rows_that_were_deleted_from_a_table_alone_are_missed(owner: User) -> None:
    with closing(sqlite3.connect(owner.settings.warehouse_path)) as connection, connection:
        connection.execute("delete from raw_recently_played where account_id = 'mira'")
    assert "holds 50 plays of 2 loads" in str(loss(owner.settings))


def test_the_removal_of_an_account_explains_its_rows_and_no_others(
    owner: User, tmp_path: Path
) -> None:
    settings = owner.settings
    archive = pack(tmp_path / "a.zip", {FILE: rows_of(*range(20))})
    list(import_packages(settings, "kitchen", find_packages([archive]), lambda *_: None))
    remove(settings, "kitchen")  # after a backup
    assert loss(settings) is None
    delete_plays(settings)
    assert loss(settings)


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
