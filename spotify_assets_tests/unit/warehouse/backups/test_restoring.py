"""Restoring: what comes back, what is loaded again, what is kept aside, what is told of as lost."""

import json
import shutil
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from spotify_assets import database
from spotify_assets.sandbox.server import Sandbox
from spotify_assets.settings import Settings
from spotify_assets.spotify.state import State
from spotify_assets.warehouse.backups import restoring
from spotify_assets.warehouse.backups.errors import BackupError
from spotify_assets.warehouse.backups.folder import Backup, look_at
from spotify_assets.warehouse.pending import has_unmodelled_loads, undrained_pages
from spotify_assets.warehouse.schema import HEAD
from spotify_assets.warehouse.tables import open_gaps, restores
from spotify_assets.warehouse.warehouse import Warehouse
from spotify_assets_tests.fixtures.old_warehouses import put_old_warehouse
from spotify_assets_tests.models.building import ingest
from spotify_assets_tests.support import contents
from spotify_assets_tests.unit.warehouse.backups.trying import made

# What differs between a load and the same load again, and what tells of the restore itself.
AGAIN = ("loaded_at", "dagster_run_id")


def listen_on(spotify: Sandbox, settings: Settings, hours: float) -> None:
    spotify.clock.advance(timedelta(hours=hours))
    ingest(settings)


def newest(settings: Settings) -> Backup:
    return restoring.find(settings, None)


def plays(settings: Settings) -> int:
    with closing(sqlite3.connect(settings.warehouse_path)) as connection:
        rows: int = connection.execute("select count(*) from raw_recently_played").fetchone()[0]
    return rows


def raw(settings: Settings) -> dict[str, Any]:
    """What came in: everything but dbt's tables."""
    found = contents(settings.warehouse_path, without=AGAIN)
    return {name: rows for name, rows in found.items() if not name.startswith(("fct_", "mart_"))}


def test_what_landed_since_is_loaded_again_and_the_models_are_of_all_of_it(
    busy_spotify: Sandbox, listener: Settings
) -> None:
    listen_on(busy_spotify, listener, 2)
    before = raw(listener)
    assert len(before["raw_recently_played"]) > 60

    done = restoring.restore(listener, newest(listener))

    assert raw(listener) == before
    assert (done.lost_plays, done.models_fault) == (0, None)
    assert done.receipts["mira"].rows_loaded == len(before["raw_recently_played"]) - 50
    assert done.receipts["mira"].rows_read == 50
    tables = contents(listener.warehouse_path)
    assert len(tables["fct_plays"]) == len(before["raw_recently_played"])
    warehouse = Warehouse(listener.warehouse_path)
    assert not has_unmodelled_loads(warehouse)
    assert list(undrained_pages(State(listener.state_path), warehouse)) == []
    (restore,) = warehouse.read(select(restores))
    assert (restore.archive, restore.highest_load) == (newest(listener).archive.name, 1)
    assert not listener.scratch.exists()

    # What was here before is a backup itself: restoring it brings the same back.
    assert done.aside is not None
    assert look_at(done.aside).contents.plays == len(before["raw_recently_played"])
    again = restoring.restore(listener, restoring.find(listener, str(done.aside)))
    assert raw(listener) == before
    assert sum((receipt.rows_read for receipt in again.receipts.values()), 0) == 0


def test_what_neither_the_backup_nor_a_page_holds_is_counted_and_a_gap(
    busy_spotify: Sandbox, listener: Settings
) -> None:
    listen_on(busy_spotify, listener, 2)
    lost = plays(listener) - 50
    page = State(listener.state_path).page_ids()[-1]
    listen_on(busy_spotify, listener, 3)
    overlap_is_kept = plays(listener)
    with closing(sqlite3.connect(listener.state_path)) as connection:
        connection.execute("delete from landed_pages where page_id = ?", (page,))
        connection.commit()
    backup = newest(listener)

    done = restoring.restore(listener, backup)

    assert done.lost_plays == overlap_is_kept - plays(listener)
    assert 0 < (done.lost_plays or 0) <= lost
    (gap,) = Warehouse(listener.warehouse_path).read(select(open_gaps))
    assert gap.open_from == backup.contents.newest_play
    assert gap.max_lost_plays >= (done.lost_plays or 0)
    assert gap.cause.startswith(f"a backup of {backup.contents.made_at} was restored")
    # Once more, as after a kill: what the first one found out is not forgotten.
    again = restoring.restore(listener, backup)
    assert again.lost_plays == 0
    (still,) = Warehouse(listener.warehouse_path).read(select(open_gaps))
    assert still[2:] == gap[2:]
    # And undone: the backup that was kept aside knows all of it, so no gap is left.
    assert done.aside is not None
    undone = restoring.restore(listener, restoring.find(listener, str(done.aside)))
    assert plays(listener) == overlap_is_kept
    assert undone.lost_plays == 0
    assert Warehouse(listener.warehouse_path).read(select(open_gaps)) == []
    restoring.restore(listener, backup)
    days = contents(listener.warehouse_path)["mart_coverage"]
    assert any("plays may be missing" in repr(day) for day in days)


def test_from_nothing_but_a_backup_everything_is_there_again(
    busy_spotify: Sandbox, listener: Settings, tmp_path: Path
) -> None:
    listen_on(busy_spotify, listener, 1)
    archive = made(listener).archive
    before, accounts = raw(listener), State(listener.state_path).accounts()
    pages = State(listener.state_path).page_ids()
    elsewhere = tmp_path / "usb"
    shutil.copytree(listener.backups, elsewhere)
    shutil.rmtree(listener.data)

    backup = restoring.find(listener, str(elsewhere / archive.name))
    plan = restoring.plan(listener, backup)
    assert (plan.plays, plan.loads_after, plan.pages_after) == (None, 0, 0)
    done = restoring.restore(listener, backup)

    assert raw(listener) == before
    assert State(listener.state_path).accounts() == accounts
    assert State(listener.state_path).page_ids() == pages
    assert (done.aside, done.lost_plays, done.models_fault) == (None, None, None)
    assert done.plays == len(before["raw_recently_played"])
    assert listener.data.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("also_state", [False, True])
def test_damaged_databases_are_kept_as_they_are_and_replaced(
    busy_spotify: Sandbox, listener: Settings, also_state: bool
) -> None:
    before = raw(listener)
    noise = b"no database at all " * 1000
    listener.warehouse_path.write_bytes(noise)
    if also_state:
        listener.state_path.write_bytes(noise)

    done = restoring.restore(listener, newest(listener))

    assert raw(listener) == before
    assert State(listener.state_path).page_ids() != []
    assert database.fault(listener.warehouse_path) is None
    assert done.aside is not None
    assert (done.aside / "spotify.db").read_bytes() == noise
    assert (done.aside / "state.db").exists()


@pytest.mark.parametrize("body", ["not json", "[]", "null", '{"items": 5}', "[" * 100_000])
def test_a_landed_page_that_is_none_is_refused_before_anything_is_changed(
    listener: Settings, body: str
) -> None:
    with closing(sqlite3.connect(listener.state_path)) as connection:
        connection.execute("update landed_pages set body = ?, page_id = 'x'", (body,))
        connection.commit()
    backup = made(listener)
    with closing(sqlite3.connect(listener.state_path)) as connection:
        connection.execute("delete from landed_pages")
        connection.commit()
    with pytest.raises(BackupError, match="holds a page that is none"):
        restoring.restore(listener, backup)
    assert State(listener.state_path).page_ids() == []
    assert not listener.aside.exists()


def test_a_warehouse_whose_owner_chose_another_page_size_is_restored_and_keeps_it(
    listener: Settings,
) -> None:
    before = raw(listener)
    with closing(sqlite3.connect(listener.warehouse_path)) as connection:
        for statement in ("journal_mode = delete", "page_size = 8192"):
            connection.execute(f"pragma {statement}")
        connection.execute("vacuum")
    restoring.restore(listener, newest(listener))
    with closing(sqlite3.connect(listener.warehouse_path)) as connection:
        assert connection.execute("pragma page_size").fetchone() == (8192,)
    assert raw(listener) == before


@pytest.mark.parametrize("revision", ["0001", "0002", "0002_over_0001"])
def test_a_backup_of_an_older_schema_is_migrated_as_it_is_restored_beside(
    settings: Settings, tmp_path: Path, revision: str
) -> None:
    settings.make_data_folder()
    put_old_warehouse(revision, settings.warehouse_path)
    backup = made(settings)
    assert backup.contents.schema_revision == revision[:4]
    folder = tmp_path / "beside"
    restoring.restore_beside(settings, backup, folder)
    assert Warehouse(folder / "spotify.db").revision() == HEAD
    kept = contents(folder / "spotify.db")["raw_recently_played"]
    assert kept == contents(settings.warehouse_path)["raw_recently_played"]


def test_restoring_beside_changes_nothing_here_and_wants_a_folder_of_its_own(
    listener: Settings, tmp_path: Path
) -> None:
    before = raw(listener)
    folder = tmp_path / "beside"
    restoring.restore_beside(listener, newest(listener), folder)
    assert {path.name for path in folder.iterdir()} == {"spotify.db", "state.db"}
    assert contents(folder / "spotify.db") == contents(listener.warehouse_path)
    assert raw(listener) == before
    with pytest.raises(BackupError, match="not empty"):
        restoring.restore_beside(listener, newest(listener), folder)
    with pytest.raises(BackupError, match="not empty"):
        restoring.restore_beside(listener, newest(listener), folder / "spotify.db")


def test_by_default_the_newest_good_backup_is_chosen_and_names_need_no_ending(
    listener: Settings,
) -> None:
    good = newest(listener)
    bad = made(listener)
    with bad.archive.open("r+b") as file:
        file.write(b"xx")
    assert newest(listener).archive == good.archive
    name = good.archive.name.removesuffix(".tar.zst")
    assert restoring.find(listener, name).archive == good.archive
    with pytest.raises(BackupError, match="was changed"):
        restoring.find(listener, bad.archive.name)
    with pytest.raises(BackupError, match="There is no backup nonsense.tar.zst"):
        restoring.find(listener, "nonsense")
    good.archive.unlink()
    with pytest.raises(BackupError, match=r"No backup in .* is good.*was changed"):
        newest(listener)


def test_before_the_first_backup_it_says_how_to_make_one(settings: Settings) -> None:
    with pytest.raises(BackupError, match="Make one: spotify-assets backup"):
        restoring.find(settings, None)


def test_pages_of_a_backup_come_before_those_that_landed_in_a_new_state(
    busy_spotify: Sandbox, listener: Settings, tmp_path: Path
) -> None:
    old = State(listener.state_path).page_ids()
    copy = tmp_path / "copy.db"
    database.copy(listener.state_path, copy)
    with closing(sqlite3.connect(listener.state_path)) as connection:
        connection.execute("delete from landed_pages")
        connection.commit()
    listen_on(busy_spotify, listener, 1)
    new = State(listener.state_path).page_ids()
    State(listener.state_path).add_from(copy)
    assert State(listener.state_path).page_ids() == old + new
    State(listener.state_path).add_from(copy)
    assert State(listener.state_path).page_ids() == old + new
    listen_on(busy_spotify, listener, 1)
    assert State(listener.state_path).page_ids()[: len(old + new)] == old + new


def test_the_command_asks_shows_what_would_change_and_does_nothing_without_a_yes(
    busy_spotify: Sandbox, listener: Settings, tmp_path: Path
) -> None:
    from spotify_assets_tests.support import User

    user = User(listener)
    listen_on(busy_spotify, listener, 2)
    before = raw(listener)
    asked = user.run("restore")
    assert asked.returncode == 1
    assert "in the backup:  50 rows of plays" in asked.stdout
    assert f"now here:       {plays(listener)} rows of plays" in asked.stdout
    assert "Restore it?" in asked.stdout
    assert raw(listener) == before
    unasked = user.run("restore", "--json")
    assert (unasked.returncode, unasked.stdout) == (2, "")
    answer = json.loads(user.run("restore", "--json", "--yes").stdout)
    assert answer["rows_loaded"] == plays(listener) - 50
    assert (answer["lost_plays"], answer["models_rebuilt"]) == (0, True)
    assert answer["accounts"][0]["account_id"] == "mira"
    assert raw(listener) == before
