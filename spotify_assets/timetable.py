"""When things happen by themselves, in one place for Dagster's schedules and for `status`."""

import os
import platform
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from cronsim import CronSim

from spotify_assets import times
from spotify_assets.settings import Settings

DAILY_REFRESH = "30 4 * * *"
MODELS = "0 * * * *"
COVERS = "20 * * * *"
DAILY_BACKUP = "45 4 * * *"
HOUSEKEEPING = "15 5 * * *"
WEEKLY_RESTORE_DRILL = "30 5 * * 0"

# A sensor of the daemon's leaves a sign as often as it ticks: every half a minute.
SIGN_OF_LIFE = timedelta(minutes=2)


def leave_sign(settings: Settings) -> None:
    """Say that Dagster's daemon is at work: in which process, on which machine."""
    settings.make_data_folder()
    settings.locks.mkdir(mode=0o700, exist_ok=True)
    sign = _sign(settings)
    partial = sign.with_suffix(".partial")  # whoever reads finds the old or the new one, whole
    partial.write_text(f"{os.getpid()} {platform.node()}", "utf-8")
    partial.replace(sign)


def daemon_is_running(settings: Settings) -> bool:
    """Whether schedules and sensors run, as far as the last two minutes tell.

    A daemon that has ended is known at once on its own machine, and after two minutes on another.
    """
    try:
        left_at = datetime.fromtimestamp(_sign(settings).stat().st_mtime, times.now().tzinfo)
        process, _, machine = _sign(settings).read_text("utf-8").partition(" ")
    except (FileNotFoundError, UnicodeDecodeError):
        return False
    if abs(times.now() - left_at) >= SIGN_OF_LIFE:
        return False
    return machine != platform.node() or not process.isdecimal() or _is_alive(int(process))


def _is_alive(process: int) -> bool:
    import psutil

    return bool(psutil.pid_exists(process))


def next_ticks(settings: Settings, last_look_at: str | None) -> dict[str, str]:
    """When what comes next, as UTC text, while the daemon runs."""
    now = times.now()
    # A look in the future was made by a clock that was set back since.
    due = (
        [times.from_text(last_look_at)]
        if last_look_at and last_look_at <= times.to_text(now)
        else []
    )
    look = [moment + timedelta(seconds=settings.look_every_seconds) for moment in due]
    local = now.astimezone(ZoneInfo(settings.timezone))
    crons = {
        "models": MODELS,
        "daily refresh": DAILY_REFRESH,
        "backup": DAILY_BACKUP,
        "housekeeping": HOUSEKEEPING,
        "restore drill": WEEKLY_RESTORE_DRILL,
    }
    if settings.covers_on:
        crons["covers"] = COVERS
    return {
        "look": times.to_text(max([now, *look])),
        **{name: times.to_text(next(CronSim(cron, local))) for name, cron in crons.items()},
    }


def daily_refresh_was_due(settings: Settings) -> str:
    """When the marts of the day were last to be brought up to date, as UTC text."""
    local = times.now().astimezone(ZoneInfo(settings.timezone))
    return times.to_text(next(CronSim(DAILY_REFRESH, local, reverse=True)))


def daily_refresh_was_due_before(settings: Settings) -> str:
    """When they were due the time before that, as UTC text."""
    last = times.from_text(daily_refresh_was_due(settings))
    local = last.astimezone(ZoneInfo(settings.timezone))
    return times.to_text(next(CronSim(DAILY_REFRESH, local, reverse=True)))


def _sign(settings: Settings) -> Path:
    return settings.locks / "daemon.sign"
