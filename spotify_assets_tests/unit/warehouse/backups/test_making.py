"""Making a backup: what is in it, what is not, and what a bad moment leaves."""

import json
import sqlite3
import tarfile
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import zstandard

from spotify_assets import database, times
from spotify_assets.settings import KeepBackups, Settings
from spotify_assets.spotify.landing import look_at_all
from spotify_assets.spotify.retrying import Retrying
from spotify_assets.spotify.state import State
from spotify_assets.warehouse.backups.errors import BackupError
from spotify_assets.warehouse.backups.folder import Backup, backups_in
from spotify_assets.warehouse.backups.making import back_up
from spotify_assets.warehouse.backups.manifest import manifest_path
from spotify_assets.warehouse.loading import Load, write_load
from spotify_assets.warehouse.schema import HEAD
from spotify_assets.warehouse.standing import standing
from spotify_assets.warehouse.tables import raw_recently_played
from spotify_assets.warehouse.warehouse import Warehouse
from spotify_assets_tests.e2e.secret_search import files_in, search
from spotify_assets_tests.models.building import ingest
from spotify_assets_tests.unit.warehouse.backups.trying import made


@pytest.fixture
def collected(settings: Settings, log_in: Callable[..., object]) -> Settings:
    """Settings of somebody with fifty plays."""
    log_in("mira")
    ingest(settings)
    return settings


def opened(backup: Backup, folder: Path) -> Path:
    """What anybody gets out of an archive with common tools."""
    with (
        backup.archive.open("rb") as file,
        zstandard.ZstdDecompressor().stream_reader(file) as stream,
        tarfile.open(fileobj=stream, mode="r|") as tar,
    ):
        tar.extractall(folder, filter="data")
    return folder


def count(path: Path, table: str) -> int:
    with closing(sqlite3.connect(path)) as connection:
        rows: int = connection.execute(f"select count(*) from {table}").fetchone()[0]
    return rows


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_backup_is_a_tar_of_both_databases_that_any_tool_opens(
    collected: Settings, tmp_path: Path
) -> None:
    folder = opened(made(collected), tmp_path / "opened")
    assert files(folder) == {"spotify.db", "state.db"}
    assert database.fault(folder / "spotify.db") is None
    assert count(folder / "spotify.db", "raw_recently_played") == 50
    assert count(folder / "state.db", "landed_pages") == 1


def test_the_manifest_says_what_is_in_the_archive(collected: Settings) -> None:
    contents = made(collected).contents
    rows = Warehouse(collected.warehouse_path).read(raw_recently_played.select())
    ends = [row.played_at for row in rows]
    assert (contents.plays, contents.oldest_play, contents.newest_play) == (
        50,
        min(ends),
        max(ends),
    )
    assert (contents.highest_load, contents.schema_revision) == (1, HEAD)
    tables = {name: file.tables for name, file in contents.files.items()}
    assert tables["spotify.db"]["raw_recently_played"].rows == 50
    assert tables["spotify.db"]["loads"].rows == 1
    assert tables["state.db"]["landed_pages"].rows == tables["state.db"]["accounts"].rows == 1


def test_no_token_and_no_setting_is_in_a_backup(collected: Settings, tmp_path: Path) -> None:
    tokens = {
        f"{path.name}: {name}": value
        for path in collected.tokens.glob("*.json")
        for name, value in _texts(path)
    }
    assert len(tokens) >= 2
    backup = made(collected)
    folder = opened(backup, tmp_path / "opened")
    (folder / "manifest.json").write_bytes(manifest_path(backup.archive).read_bytes())
    assert search(files_in(folder), tokens | {"client id": collected.client_id}) == []


def _texts(path: Path) -> list[tuple[str, str]]:
    stored: dict[str, Any] = json.loads(path.read_text())
    return [(name, text) for name, text in stored.items() if "token" in name and len(text) > 20]


def test_backups_are_their_owners_alone(collected: Settings) -> None:
    made(collected)
    assert collected.backups.stat().st_mode & 0o777 == 0o700
    kept = [path for path in collected.backups.rglob("*") if path.is_file()]
    assert {path.stat().st_mode & 0o777 for path in kept} == {0o600}
    assert len(kept) == 2


def test_two_backups_of_the_same_data_have_the_same_digests(collected: Settings) -> None:
    first, second = made(collected).contents, made(collected).contents
    assert first.files["spotify.db"].tables == second.files["spotify.db"].tables
    assert first.files["state.db"].tables == second.files["state.db"].tables


def test_where_there_is_nothing_yet_nothing_is_made(settings: Settings) -> None:
    assert back_up(settings) is None
    assert not settings.backups.exists()


def test_before_the_first_load_the_landed_pages_are_backed_up(
    settings: Settings, state: State, log_in: Callable[..., object]
) -> None:
    log_in("mira")
    look_at_all(settings, state, Retrying.never())
    contents = made(settings).contents
    assert list(contents.files) == ["state.db"]
    assert contents.files["state.db"].tables["landed_pages"].rows == 1
    assert (contents.plays, contents.highest_load, contents.schema_revision) == (0, 0, None)


def test_a_backup_does_not_wait_for_a_writer_and_holds_what_is_committed(
    collected: Settings, new_load: Callable[..., Load], items: list[Any]
) -> None:
    with closing(sqlite3.connect(collected.warehouse_path, isolation_level=None)) as writer:
        writer.execute("begin immediate")
        writer.execute("delete from raw_recently_played")
        assert made(collected).contents.plays == 50
        writer.execute("rollback")
    other = new_load(items[:3], "page-2", "jonas")
    write_load(Warehouse(collected.warehouse_path).writer(), raw_recently_played, other)
    assert made(collected).contents.plays == 53


def damage_by_noise(path: Path) -> None:
    path.write_bytes(b"no database at all " * 1000)


def damage_inside(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("pragma wal_checkpoint(truncate)")
    content = bytearray(path.read_bytes())
    half = len(content) // 2
    content[half : half + 20_000] = bytes(20_000)  # five pages
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [damage_by_noise, damage_inside])
@pytest.mark.parametrize("which", ["warehouse_path", "state_path"])
def test_a_damaged_database_is_not_backed_up_and_the_error_says_what_to_do(
    collected: Settings, damage: Callable[[Path], None], which: str
) -> None:
    before = made(collected)
    path: Path = getattr(collected, which)
    damage(path)
    with pytest.raises(BackupError, match=rf"{path.name} is damaged.*spotify-assets restore"):
        back_up(collected)
    assert [backup.archive for backup in backups_in(collected.backups)] == [before.archive]
    assert not collected.scratch.exists()
    assert len(files(collected.backups)) == 2


def test_the_newest_backup_is_the_last_made_whatever_the_clock_says(
    collected: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [datetime(2030, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)]
    monkeypatch.setattr(times, "now", lambda: clock[0])
    made(collected)
    clock.pop(0)
    last = made(collected)
    assert backups_in(collected.backups)[0].archive == last.archive


def test_old_backups_go_by_the_settings_and_damaged_ones_are_told_of(
    collected: Settings,
) -> None:
    keep = KeepBackups(last=2, daily=0, weekly=0, monthly=0)
    few = Settings(**{**vars(collected), "keep_backups": keep})
    first, second = made(few), made(few)
    with second.archive.open("ab") as file:
        file.write(b"more")
    (few.backups / "notes.txt").write_text("somebody's own")
    third = made(few)
    kept = back_up(few)
    assert kept is not None
    assert [backup.archive for backup in kept.removed] == [first.archive]
    assert [backup.archive for backup in kept.damaged] == [second.archive]
    assert {backup.archive for backup in backups_in(few.backups)} == {
        kept.made.archive,
        third.archive,
        second.archive,
    }
    assert (few.backups / "notes.txt").exists()


def test_where_the_disk_of_the_backups_is_not_mounted_the_error_says_so(
    collected: Settings, tmp_path: Path
) -> None:
    collected.backups.symlink_to(tmp_path / "usb" / "backups")
    with pytest.raises(BackupError, match="which is not there. Mount the disk"):
        back_up(collected)
    (tmp_path / "usb" / "backups").mkdir(parents=True)
    assert made(collected).archive.resolve().parent == tmp_path / "usb" / "backups"


def test_a_backup_that_was_cut_short_is_not_the_last_one_to_status(collected: Settings) -> None:
    backup = made(collected)
    assert standing(collected).last_backup_at == backup.contents.made_at
    assert standing(collected).plays_in_no_backup == 0
    backup.archive.write_bytes(backup.archive.read_bytes()[:-1])
    assert standing(collected).last_backup_at is None
    assert standing(collected).plays_in_no_backup == 50


@pytest.mark.parametrize(
    "statement",
    [
        "create trigger mine after insert on loads begin select 1; end",
        "create virtual table mine using fts5(words)",
    ],
)
def test_what_no_restore_would_take_is_told_of_when_the_backup_is_made(
    collected: Settings, statement: str
) -> None:
    with closing(sqlite3.connect(collected.warehouse_path)) as connection:
        connection.execute(statement)
        connection.commit()
    with pytest.raises(BackupError, match="'mine', which spotify-assets never makes"):
        back_up(collected)


def test_an_empty_warehouse_does_not_become_the_newest_backup(collected: Settings) -> None:
    before = made(collected)
    for path in collected.data.glob("spotify.db*"):
        path.unlink()
    collected.warehouse_path.touch()
    with pytest.raises(BackupError, match="holds 0 plays of 0 loads; at .* it held 50 of 1"):
        back_up(collected)
    assert [backup.archive for backup in backups_in(collected.backups)] == [before.archive]
