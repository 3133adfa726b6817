"""Making a backup of what is there now, while others go on reading and writing."""

import sqlite3
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from spotify_assets import database, times
from spotify_assets.settings import Settings
from spotify_assets.spotify.tables import metadata as state_metadata
from spotify_assets.warehouse.backups import folder as backup_folder
from spotify_assets.warehouse.backups.archive import check_archive, check_packed, pack
from spotify_assets.warehouse.backups.digests import digests
from spotify_assets.warehouse.backups.errors import BackupError
from spotify_assets.warehouse.backups.folder import Backup, backups_in
from spotify_assets.warehouse.backups.loss import doubt, highest_load, less_than_backed_up
from spotify_assets.warehouse.backups.manifest import FILES, Contents, Manifest, PackedFile
from spotify_assets.warehouse.backups.retention import to_remove
from spotify_assets.warehouse.backups.scratch import scratch
from spotify_assets.warehouse.tables import metadata, model_watermarks, write_gate
from spotify_assets.warehouse.warehouse import Warehouse

# Triggers and virtual tables: nothing here makes one, and each runs something of its own when a
# table is used, so that no backup with one is restored.
ACTING = (
    "select type, name from sqlite_master"
    " where type = 'trigger' or (type = 'table' and rootpage = 0)"
)
# The tables whose digests are taken. What dbt made is in the archive, too, and can be made again.
KEPT = dict(
    zip(
        FILES,
        (metadata.tables.keys() - {model_watermarks.name, write_gate.name}, state_metadata.tables),
        strict=True,
    )
)


@dataclass(frozen=True)
class Kept:
    """What became of the backups: the new one, those that went, and those that are damaged."""

    made: Backup
    removed: list[Backup]
    damaged: list[Backup]


def back_up(settings: Settings) -> Kept | None:
    """Make a backup and remove those that the settings keep no longer.

    Returns:
        None where there is nothing to back up yet.

    Raises:
        BackupError: a database is damaged.
        OSError, sqlite3.Error: no room, or no right; nothing was changed.
    """
    with scratch(settings, "a backup") as room:
        made = make(settings, room, settings.backups)
        if made is None:
            return None
        present = backups_in(settings.backups)
        removed = to_remove(present, settings.keep_backups)
        for old in removed:
            backup_folder.remove(old.archive)
    return Kept(made, removed, [backup for backup in present if backup.fault])


def make(settings: Settings, room: Path, into: Path) -> Backup | None:
    """Make a backup in a folder, for the holder of the scratch folder.

    It has its name only once it was read back from the disk and compared with the copies.

    Args:
        room: an empty folder.
        into: created where it is absent.
    """
    # The warehouse first: a page that lands meanwhile is then in the backup, and not yet loaded.
    sources = [settings.warehouse_path, settings.state_path]
    copies = [_copied(source, room) for source in sources if source.exists()]
    if not copies:
        return None
    if into.is_symlink() and not into.exists():
        raise BackupError(
            f"{into} is a link to {into.readlink()}, which is not there. Mount the disk of the "
            "backups, or remove the link."
        )
    into.mkdir(mode=0o700, parents=True, exist_ok=True)
    number = backup_folder.next_number(into)
    partial = backup_folder.partial_archive(into, number)
    try:
        # Not beside the digests: these would wait for Python at each row, and take twice as long.
        with ThreadPoolExecutor(1) as beside:
            packing = beside.submit(pack, copies, partial)
            for copy in copies:
                if fault := database.fault(copy):
                    raise _damaged(copy.name, fault)
                _require_nothing_acting(copy)
            packed = packing.result()
        tables = {copy.name: digests(copy, KEPT[copy.name]) for copy in copies}
        files = {
            name: PackedFile(*packed.members[name], tables=found) for name, found in tables.items()
        }
        _require_no_less(settings, room / FILES[0], into)
        contents = _contents(number, room, files)
        manifest = Manifest(packed.size, packed.sha256, contents)
        check_archive(partial, manifest)
        check_packed(partial, files)
        archive = backup_folder.add(partial, manifest)
    finally:
        partial.unlink(missing_ok=True)
        for copy in copies:
            copy.unlink()
    return Backup(archive, manifest, None)


def _copied(source: Path, room: Path) -> Path:
    copy = room / source.name
    try:
        database.copy(source, copy)
    except sqlite3.DatabaseError as error:
        if not database.is_damage(error):
            raise
        raise _damaged(source.name, str(error)) from error
    return copy


def _require_nothing_acting(copy: Path) -> None:
    with closing(sqlite3.connect(copy)) as connection:
        found = connection.execute(ACTING).fetchone()
    if found:
        raise BackupError(
            f"{copy.name} holds the {found[0]} {found[1]!r}, which spotify-assets never makes, and "
            "no restore would take it. Keep it in a database of your own, and attach this one."
        )


def _require_no_less(settings: Settings, copy: Path, folder: Path) -> None:
    """Databases that lost something must not take the place of whole ones among the backups."""
    if folder != settings.backups:  # what a restore sets aside
        return
    found = less_than_backed_up(settings, copy)
    if not copy.exists() and (unknown := doubt(settings)):
        found.append(f"There is no {copy.name}. {unknown}")
    if found:
        raise BackupError("; ".join(found))


def _damaged(name: str, fault: str) -> BackupError:
    return BackupError(
        f"{name} is damaged, so no backup was made of it. SQLite says: {fault}. "
        "The last good backup brings it back: spotify-assets restore"
    )


def _contents(number: int, room: Path, files: Mapping[str, PackedFile]) -> Contents:
    warehouse = Warehouse(room / FILES[0])
    return Contents(
        number=number,
        made_at=times.now_text(),
        version=version("spotify-assets"),
        schema_revision=warehouse.revision(),
        **asdict(warehouse.extent()),
        highest_load=highest_load(warehouse),
        files=dict(files),
    )
