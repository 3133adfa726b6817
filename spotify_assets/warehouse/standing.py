"""How things stand as a whole: the accounts, what waits, what comes next, how much room it takes.

What `spotify-assets status` shows. Reads only.
"""

from dataclasses import dataclass

from sqlalchemy import func, select

from spotify_assets import timetable
from spotify_assets.settings import Settings
from spotify_assets.spotify.state import State
from spotify_assets.warehouse.backups.drill import Drill, last_drill
from spotify_assets.warehouse.backups.folder import backups_in
from spotify_assets.warehouse.backups.manifest import Contents
from spotify_assets.warehouse.disk_use import disk_use
from spotify_assets.warehouse.health import Health, health
from spotify_assets.warehouse.pending import has_news, has_unmodelled_loads, undrained_pages
from spotify_assets.warehouse.tables import loads, restores
from spotify_assets.warehouse.warehouse import Warehouse


@dataclass(frozen=True)
class Standing:
    """Everything on one screen. Times are UTC text, None where there is none.

    Attributes:
        pages_waiting: answers of Spotify's that are landed and not loaded yet.
        has_news: one of these holds a play that is not known yet.
        models_are_behind: a load is in raw and not in every model.
        daemon_is_running: whether schedules and sensors tick; `next_ticks` holds only then.
            last_backup_at: when the newest backup was made; of its archive only the size is read.
        plays_in_no_backup: rows that were loaded after it.
        backups_are_elsewhere: the backups lie on another disk than the data.
        last_drill: the last time that a backup was tried out.
        last_backup_at: when the newest backup was made; of its archive only the size is read.
        plays_in_no_backup: rows that were loaded after it.
        backups_are_elsewhere: the backups lie on another disk than the data.
        last_drill: the last time that a backup was tried out.
        disk_use: bytes, by what takes them.
    """

    accounts: list[Health]
    pages_waiting: int
    has_news: bool
    models_are_behind: bool
    daemon_is_running: bool
    next_ticks: dict[str, str]
    last_backup_at: str | None
    plays_in_no_backup: int
    backups_are_elsewhere: bool
    last_drill: Drill | None
    disk_use: dict[str, int]


def standing(settings: Settings) -> Standing:
    """How things stand now."""
    state, warehouse = State(settings.state_path), Warehouse(settings.warehouse_path)
    accounts = health(settings)
    backups = backups_in(settings.backups, whole=False)
    newest = next((backup.contents for backup in backups if not backup.fault), None)
    last_try = max(filter(None, (account.last_try_at for account in accounts)), default=None)
    return Standing(
        accounts=accounts,
        pages_waiting=sum(1 for _ in undrained_pages(state, warehouse)),
        has_news=has_news(state, warehouse),
        models_are_behind=has_unmodelled_loads(warehouse),
        daemon_is_running=timetable.daemon_is_running(settings),
        next_ticks=timetable.next_ticks(settings, last_try),
        last_backup_at=newest.made_at if newest else None,
        plays_in_no_backup=_plays_after(newest, warehouse),
        backups_are_elsewhere=_is_elsewhere(settings),
        last_drill=last_drill(settings),
        disk_use=disk_use(settings),
    )


def _plays_after(newest: Contents | None, warehouse: Warehouse) -> int:
    """How many rows came with loads that are not in a backup."""
    kept_up_to = 0
    if newest is not None:
        # What came between an older backup and this one went when that one was restored since.
        tables = newest.files["spotify.db"].tables if "spotify.db" in newest.files else {}
        known = tables["restores"].rows if "restores" in tables else 0
        query = select(restores.c.highest_load).order_by(restores.c.restore_id)
        since = [load_id for (load_id,) in warehouse.read(query)][known:]
        kept_up_to = min([newest.highest_load, *since])
    query = select(func.sum(loads.c.rows_loaded)).where(loads.c.load_id > kept_up_to)
    rows = warehouse.read(query)
    return int(rows[0][0] or 0) if rows else 0


def _is_elsewhere(settings: Settings) -> bool:
    try:
        return settings.backups.stat().st_dev != settings.data.stat().st_dev
    except FileNotFoundError:
        return False
