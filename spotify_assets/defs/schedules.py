"""Schedules: what happens at a time of day, whether there is news or not."""

import dagster as dg

from spotify_assets import timetable
from spotify_assets.defs.jobs import daily_refresh_job, models_job
from spotify_assets.defs.resources import SpotifyResource, WarehouseResource
from spotify_assets.settings import Settings
from spotify_assets.warehouse.pending import has_unmodelled_loads

TIMEZONE = Settings.load().timezone
RUNNING = dg.DefaultScheduleStatus.RUNNING


@dg.schedule(
    name="daily_refresh",
    job=daily_refresh_job,
    cron_schedule=timetable.DAILY_REFRESH,
    execution_timezone=TIMEZONE,
    default_status=RUNNING,
)
def daily_refresh(spotify: SpotifyResource) -> dg.RunRequest | dg.SkipReason:
    """Once a day everything, with all tests."""
    if not spotify.state.accounts():
        return dg.SkipReason("Nobody is logged in. Run: spotify-assets login")
    return dg.RunRequest(tags={"trigger": "daily_refresh"})


@dg.schedule(
    name="models_schedule",
    job=models_job,
    cron_schedule=timetable.MODELS,
    execution_timezone=TIMEZONE,
    default_status=RUNNING,
)
def models_schedule(warehouse: WarehouseResource) -> dg.RunRequest | dg.SkipReason:
    """Every hour the models, where a load is in none of them; the sensors' second net."""
    if not any(
        has_unmodelled_loads(warehouse.warehouse, from_spotify=source) for source in (True, False)
    ):
        return dg.SkipReason("Every load is in the models.")
    return dg.RunRequest(tags={"trigger": "models_schedule"})
