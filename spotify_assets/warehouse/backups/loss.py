"""Whether the warehouse still holds what its last backup holds.

The backups are the mark outside of the database: a database that was removed, or replaced by an
older copy of itself, looks well and knows of nothing.
"""

from sqlalchemy import Column, select, text

from spotify_assets import times
from spotify_assets.settings import Settings
from spotify_assets.warehouse.backups.folder import backups_in
from spotify_assets.warehouse.backups.manifest import FILES, Contents
from spotify_assets.warehouse.tables import loads, removals, restores
from spotify_assets.warehouse.warehouse import Warehouse


def loss(settings: Settings, warehouse: Warehouse | None = None) -> str | None:
    """What the warehouse, or a copy of it, lacks of the last backup, in words; or None.

    Of the backup's archive only the size is read.
    """
    backups = backups_in(settings.backups, whole=False)
    last = next((backup for backup in backups if not backup.fault), None)
    if last is None:
        return None
    lacks = lacking(warehouse or Warehouse(settings.warehouse_path), last.contents)
    return lacks and (
        f"{lacks}, and no restore or removal explains it. {last.archive.name} brings it back: "
        "spotify-assets restore. If it is meant to be so, move the backups out of "
        f"{settings.backups}"
    )


def lacking(warehouse: Warehouse, last: Contents) -> str | None:
    """What a warehouse lacks of a backup of it and nothing on record explains, in words."""
    known = last.files[FILES[0]].tables if FILES[0] in last.files else {}

    def in_backup(table: str) -> int:
        return known[table].rows if table in known else 0

    def here(column: Column[int], of: Column[int]) -> list[int]:
        # Neither a database that was removed nor one of long ago has the table.
        query = select(column).order_by(of)
        return [n for (n,) in warehouse.read(query)] if warehouse.has_table(of.table.name) else []

    if len(here(restores.c.restore_id, restores.c.restore_id)) > in_backup(restores.name):
        return None
    removed = sum(here(removals.c.rows, removals.c.removal_id)[in_backup(removals.name) :])
    plays = sum(here(loads.c.rows_loaded, loads.c.load_id))
    if plays + removed < last.plays or highest_load(warehouse) < last.highest_load:
        return (
            f"The warehouse holds {plays:,} plays of {highest_load(warehouse):,} loads; at "
            f"{times.local(last.made_at, 'UTC')} it held {last.plays:,} of {last.highest_load:,}"
        )
    return None


def highest_load(warehouse: Warehouse) -> int:
    """The highest id that was ever given, by SQLite's count: all loads of it may have gone."""
    if not warehouse.has_table(loads.name):
        return 0
    found = warehouse.read(text("select seq from sqlite_sequence where name = 'loads'"))
    return int((found[0][0] if found else None) or 0)
