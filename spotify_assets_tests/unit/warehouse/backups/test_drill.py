"""The restore drill: passes for a backup that equals the warehouse, and says why it does not."""

import shutil
import sqlite3
import tempfile
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from spotify_assets.sandbox.server import Sandbox
from spotify_assets.settings import Settings
from spotify_assets.warehouse.backups import restoring
from spotify_assets.warehouse.backups.drill import drill, last_drill
from spotify_assets.warehouse.backups.errors import BackupError
from spotify_assets_tests.models.building import ingest
from spotify_assets_tests.support import contents
from spotify_assets_tests.unit.warehouse.backups.trying import made


def change(settings: Settings, statement: str) -> None:
    with closing(sqlite3.connect(settings.warehouse_path)) as connection:
        connection.execute(statement)
        connection.commit()


def test_a_good_backup_passes_also_when_more_was_loaded_since_and_nothing_is_changed(
    busy_spotify: Sandbox, listener: Settings
) -> None:
    busy_spotify.clock.advance(timedelta(hours=1))
    ingest(listener)
    before = contents(listener.warehouse_path)
    done = drill(listener)
    assert (done.fault, done.plays) == (None, 50)
    assert done.archive_bytes > 10_000
    assert last_drill(listener) == done
    assert contents(listener.warehouse_path) == before
    assert not listener.scratch.exists()


def test_a_row_that_the_warehouse_lacks_or_has_otherwise_fails_it_by_the_tables_name(
    listener: Settings,
) -> None:
    change(listener, "update raw_recently_played set track_name = 'x' where rowid = 7")
    fault = drill(listener).fault
    assert fault is not None
    assert fault.endswith("does not hold what the warehouse does: raw_recently_played")
    change(listener, "update loads set window_to = '2026'")
    assert str(drill(listener).fault).endswith(": loads, raw_recently_played")


def test_the_newest_backup_is_tried_and_a_damaged_one_is_not_passed_over(
    listener: Settings,
) -> None:
    newest = made(listener).archive
    newest.write_bytes(newest.read_bytes()[:-100])
    done = drill(listener)
    assert done.archive == newest.name
    assert "was cut short" in str(done.fault)
    recorded = last_drill(listener)
    assert recorded is not None
    assert recorded.fault == done.fault


def test_without_a_backup_there_is_nothing_to_try(settings: Settings) -> None:
    with pytest.raises(BackupError, match="Make one: spotify-assets backup"):
        drill(settings)
    assert last_drill(settings) is None


def test_a_backup_of_a_past_that_a_restore_ended_is_compared_as_far_as_both_go(
    busy_spotify: Sandbox, listener: Settings
) -> None:
    first = restoring.find(listener, None)
    busy_spotify.clock.advance(timedelta(hours=2))
    ingest(listener)
    abandoned = made(listener)
    with closing(sqlite3.connect(listener.state_path)) as connection:
        connection.execute("delete from landed_pages")
        connection.commit()
    restoring.restore(listener, first)
    busy_spotify.clock.advance(timedelta(hours=2))
    ingest(listener)
    assert drill(listener).archive == abandoned.archive.name
    recorded = last_drill(listener)
    assert recorded is not None
    assert recorded.fault is None


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"archive": 1', "\x00", '{"other": 1}'])
def test_a_record_that_cannot_be_read_is_none(listener: Settings, text: str) -> None:
    (listener.backups / "last-drill.json").write_text(text)
    assert last_drill(listener) is None


def test_the_record_is_kept_where_the_backups_are_on_another_disk(listener: Settings) -> None:
    newest = restoring.find(listener, None).archive
    newest.write_bytes(b"")  # so that no model is built
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as disk:
        shutil.copytree(listener.backups, Path(disk) / "backups")
        shutil.rmtree(listener.backups)
        listener.backups.symlink_to(Path(disk) / "backups")
        assert last_drill(listener) is None
        done = drill(listener)
        assert last_drill(listener) == done
        assert list(listener.backups.glob("*.partial")) == []
