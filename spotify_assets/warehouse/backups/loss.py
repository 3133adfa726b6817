"""Whether the warehouse still holds what its last backup holds.

The backups are the mark outside of the database: a database that was removed, or replaced by an
older copy of itself, looks well and knows of nothing.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, Table, select, text

from spotify_assets import times
from spotify_assets.settings import Settings
from spotify_assets.warehouse.backups.folder import Backup, backups_in
from spotify_assets.warehouse.tables import loads, removals, restores
from spotify_assets.warehouse.warehouse import Warehouse


def loss(settings: Settings, warehouse: Warehouse | None = None) -> str | None:
    """What the warehouse, or a copy of it, lacks of the last backup, in words; or None.

    Of the backups' archives only the sizes are read.
    """
    backups = [each for each in backups_in(settings.backups, whole=False) if not each.fault]
    if not backups:
        return None
    lacks = _lacking(warehouse or Warehouse(settings.warehouse_path), backups)
    return lacks and (
        f"{lacks}, and no restore or removal explains it. {backups[0].archive.name} brings it "
        "back: spotify-assets restore. If it is meant to be so, move the backups out of "
        f"{settings.backups}"
    )


def _lacking(warehouse: Warehouse, backups: Sequence[Backup]) -> str | None:
    """What a warehouse lacks of its backups and nothing on record explains.

    It holds at least what the last one holds. A restore since then explains what is not in the
    backup that was restored, and a removal since then the rows that it took.
    """
    last = backups[0].contents
    least_plays, least_load, since = last.plays, last.highest_load, last.made_at
    for restore in _rows(warehouse, restores):
        if restore.restored_at > last.made_at:
            kept = [each.contents for each in backups if each.archive.name == restore.archive]
            least_plays = kept[0].plays if kept else 0
            least_load, since = restore.highest_load, restore.made_at
    removed = [row.rows for row in _rows(warehouse, removals) if row.removed_at > since]
    plays, load = warehouse.count_plays(), highest_load(warehouse)
    if plays + sum(removed) < least_plays or load < least_load:
        return (
            f"The warehouse holds {plays:,} plays of {load:,} loads; at "
            f"{times.local(last.made_at, 'UTC')} it held {last.plays:,} of {last.highest_load:,}"
        )
    return None


def _rows(warehouse: Warehouse, table: Table) -> Sequence[Row[Any]]:
    """In the order of their making; none where the database was removed, or is of long ago."""
    if not warehouse.has_table(table.name):
        return []
    return warehouse.read(select(table).order_by(*table.primary_key))


def highest_load(warehouse: Warehouse) -> int:
    """The highest id that was ever given, by SQLite's count: all loads of it may have gone."""
    if not warehouse.has_table(loads.name):
        return 0
    found = warehouse.read(text("select seq from sqlite_sequence where name = 'loads'"))
    return int((found[0][0] if found else None) or 0)
