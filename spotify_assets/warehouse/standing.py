"""How things stand as a whole: the accounts, what waits, what comes next, how much room it takes.

What `spotify-assets status` shows. Reads only.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from spotify_assets import times, timetable
from spotify_assets.settings import Settings
from spotify_assets.spotify.state import State
from spotify_assets.warehouse.disk_use import disk_use
from spotify_assets.warehouse.health import Health, health
from spotify_assets.warehouse.pending import has_news, has_unmodelled_loads, undrained_pages
from spotify_assets.warehouse.warehouse import Warehouse


@dataclass(frozen=True)
class Standing:
    """Everything on one screen. Times are UTC text, None where there is none.

    Attributes:
        pages_waiting: answers of Spotify's that are landed and not loaded yet.
        has_news: one of these holds a play that is not known yet.
        models_are_behind: a load is in raw and not in every model.
        daemon_is_running: whether schedules and sensors tick; `next_ticks` holds only then.
        disk_use: bytes, by what takes them.
    """

    accounts: list[Health]
    pages_waiting: int
    has_news: bool
    models_are_behind: bool
    daemon_is_running: bool
    next_ticks: dict[str, str]
    last_backup_at: str | None
    disk_use: dict[str, int]


def standing(settings: Settings) -> Standing:
    """How things stand now."""
    state, warehouse = State(settings.state_path), Warehouse(settings.warehouse_path)
    accounts = health(settings)
    last_try = max(filter(None, (account.last_try_at for account in accounts)), default=None)
    return Standing(
        accounts=accounts,
        pages_waiting=sum(1 for _ in undrained_pages(state, warehouse)),
        has_news=has_news(state, warehouse),
        models_are_behind=has_unmodelled_loads(warehouse),
        daemon_is_running=timetable.daemon_is_running(settings),
        next_ticks=timetable.next_ticks(settings, last_try),
        last_backup_at=_last_backup_at(settings),
        disk_use=disk_use(settings),
    )


def _last_backup_at(settings: Settings) -> str | None:
    made = [entry.stat().st_mtime for entry in settings.backups.glob("*") if entry.is_file()]
    return times.to_text(datetime.fromtimestamp(max(made), UTC)) if made else None
