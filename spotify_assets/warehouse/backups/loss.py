"""Whether the databases still hold what they held: one that was removed or replaced looks well.

The backups are the mark outside of the warehouse. It holds at least what the last one holds, and
the same loads. Of accounts the warehouse and the tokens know, too.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Row, Table, select, text

from spotify_assets import times
from spotify_assets.settings import Settings
from spotify_assets.spotify.state import State
from spotify_assets.spotify.token_store import TokenStore
from spotify_assets.warehouse.backups.digests import digest
from spotify_assets.warehouse.backups.folder import Backup, backups_in
from spotify_assets.warehouse.backups.manifest import FILES, Contents
from spotify_assets.warehouse.tables import loads, removals, restores
from spotify_assets.warehouse.warehouse import Warehouse

UNKNOWN = "nobody can tell whether something is missing"


def losses(settings: Settings) -> list[str]:
    """What the databases lack of what they held, in words.

    Of the backups' archives only the sizes are read.
    """
    return _lost_rows(settings, settings.warehouse_path, _good(settings)) + [
        f"{name}: its plays or its login are here, and {settings.state_path.name} does not know "
        "the account, so nothing is polled. That file was removed or replaced. "
        "Run: spotify-assets login"
        for name in _strangers(settings, Warehouse(settings.warehouse_path))
    ]


def less_than_backed_up(settings: Settings, copy: Path) -> list[str]:
    """What a copy of the warehouse, and the state, lack of the last backup, in words."""
    backups = _good(settings)
    if not backups:
        return []
    lost, mark = _lost_rows(settings, copy, backups), _mark(Warehouse(copy), backups)
    packed = mark.contents.files.get(FILES[1]) if mark.contents else None
    held = packed.tables["accounts"].rows if packed and "accounts" in packed.tables else 0
    known = len(State(settings.state_path).accounts())
    if known + len(mark.removed) < held:
        lost.append(
            f"{settings.state_path.name} knows {known:,} accounts; in the last backup it knew "
            f"{held:,}. spotify-assets restore brings them back"
        )
    return lost


def _good(settings: Settings) -> list[Backup]:
    return [each for each in backups_in(settings.backups, whole=False) if not each.fault]


def _lost_rows(settings: Settings, path: Path, backups: Sequence[Backup]) -> list[str]:
    if not backups:
        return []
    lacks = _lacking(path, backups)
    told = (
        f"{lacks}, and no restore or removal explains it. {backups[0].archive.name} brings it "
        "back: spotify-assets restore. If it is meant to be so, move the backups out of "
        f"{settings.backups}"
    )
    return [told] if lacks else []


def doubt(settings: Settings) -> str | None:
    """Why nobody can tell whether something is missing; None where it can be told."""
    folder = settings.backups
    if folder.is_symlink() and not folder.exists():
        return f"{folder} is a link to {folder.readlink()}, which is not there: {UNKNOWN}"
    if folder.exists() and not folder.is_dir():
        return f"{folder} is no folder: {UNKNOWN}"
    backups = backups_in(folder, whole=False)
    if backups and all(each.fault for each in backups):
        return f"No backup can be read, so {UNKNOWN}. {backups[0].fault}"
    return None


def has_backups(settings: Settings) -> bool:
    """Whether there is a backup that can be read."""
    return bool(_good(settings))


@dataclass(frozen=True)
class _Mark:
    """What a warehouse must hold.

    Attributes:
        contents: of the last backup, or of the one that was restored since; None where that one is
            not among the backups.
        highest_load: the load up to which it must go.
        removed: the rows that each removal of an account took since then.
    """

    contents: Contents | None
    highest_load: int
    removed: list[int]


def _mark(warehouse: Warehouse, backups: Sequence[Backup]) -> _Mark:
    """The mark for a warehouse: it holds what the last backup holds, unless it tells why not.

    A restore since then explains what is not in the backup that was restored, and a removal since
    then the rows that it took.
    """
    last = backups[0].contents
    contents: Contents | None = last
    load, since = last.highest_load, last.made_at
    for restore in _rows(warehouse, restores):
        if restore.restored_at > last.made_at:
            kept = (each.contents for each in backups if each.archive.name == restore.archive)
            contents = next(kept, None)
            load, since = restore.highest_load, restore.made_at
    removed = [row.rows for row in _rows(warehouse, removals) if row.removed_at > since]
    return _Mark(contents, load, removed)


def _lacking(path: Path, backups: Sequence[Backup]) -> str | None:
    """What a warehouse lacks of its backups and nothing on record explains."""
    warehouse, last = Warehouse(path), backups[0].contents
    mark = _mark(warehouse, backups)
    plays, load = warehouse.count_plays(), highest_load(warehouse)
    made_at = times.local(last.made_at, "UTC")
    least = mark.contents.plays if mark.contents else 0
    if plays + sum(mark.removed) < least or load < mark.highest_load:
        return (
            f"The warehouse holds {plays:,} plays of {load:,} loads; at {made_at} it held "
            f"{last.plays:,} of {last.highest_load:,}"
        )
    if mark.contents and not mark.removed and not _has_loads_of(path, mark.contents):
        return (
            f"The warehouse is another one than at {made_at}, when it held {last.plays:,} plays, "
            "or its loads were changed"
        )
    return None


def _has_loads_of(path: Path, backup: Contents) -> bool:
    """Whether a warehouse begins with the loads of a backup, which nothing ever changes."""
    packed = backup.files.get(FILES[0])
    known = packed and packed.tables.get(loads.name)
    if not known or Warehouse(path).revision() != backup.schema_revision:
        return True  # nothing to compare, or not in one form
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=60)) as connection:
        return digest(connection, loads.name, backup.highest_load) == known


def _strangers(settings: Settings, warehouse: Warehouse) -> list[str]:
    """Accounts with plays of Spotify's list or with a login, which the state does not know."""
    known = {account.account_id for account in State(settings.state_path).accounts()}
    of_api = select(loads.c.account_id).where(loads.c.page_id.is_not(None)).distinct()
    listed = {name for (name,) in warehouse.read(of_api)} if warehouse.has_table("loads") else set()
    return [
        *sorted(listed - known),
        *TokenStore(settings.tokens).of_nobody(known | listed),
    ]


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
