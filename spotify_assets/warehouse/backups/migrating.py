"""Bringing the warehouse's schema up to date: on a checked copy, after a backup."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from spotify_assets import database
from spotify_assets.settings import Settings
from spotify_assets.warehouse import schema
from spotify_assets.warehouse.backups.digests import Digest, digests
from spotify_assets.warehouse.backups.errors import BackupError
from spotify_assets.warehouse.backups.making import KEPT, make
from spotify_assets.warehouse.backups.scratch import clear_after_a_kill, scratch
from spotify_assets.warehouse.warehouse import Warehouse


def bring_up_to_date(settings: Settings) -> None:
    """Migrate the warehouse where it is older than this version; for the holder of the writer lock.

    A kill leaves the old or the new warehouse, whole; readers move over with their next read.

    Raises:
        BackupError: the warehouse is damaged, or would have lost rows. Nothing was changed.
    """
    live = settings.warehouse_path
    present = Warehouse(live).revision()
    if present not in schema.REVISIONS or present == schema.HEAD:  # a newer one is refused later
        clear_after_a_kill(settings)  # of a migration, for one, that was killed when all was done
        return
    with scratch(settings, "a migration") as room:
        make(settings, room, settings.backups)
        copy = room / live.name
        database.copy(live, copy)
        before = _tables(copy)
        schema.upgrade(copy)
        after = _tables(copy)
        changed = [name for name, table in before.items() if not _is_kept(table, after.get(name))]
        if changed:
            raise BackupError(
                f"After the migration from schema revision {present} to {schema.HEAD} these tables "
                f"did not hold what they held before: {', '.join(changed)}. Nothing was changed."
            )
        database.publish(copy, live)


@dataclass(frozen=True)
class _Table:
    columns: tuple[str, ...]
    digest: Digest


def _tables(path: Path) -> dict[str, _Table]:
    """What the tables of a database hold that are not dbt's."""
    found = digests(path, KEPT[path.name])
    with closing(sqlite3.connect(path)) as connection:
        return {
            name: _Table(
                tuple(row[1] for row in connection.execute(f'pragma table_info("{name}")')), digest
            )
            for name, digest in found.items()
        }


def _is_kept(before: _Table, after: _Table | None) -> bool:
    if after is None or after.columns == before.columns:
        return after == before
    return after.digest.rows == before.digest.rows  # a migration may give rows another form
