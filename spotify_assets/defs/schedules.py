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
    description=(
        "Every night, news or not: daily_refresh_job, which builds all models and runs all tests."
    ),
)
def daily_refresh(spotify: SpotifyResource) -> dg.RunRequest | dg.SkipReason:
    if not spotify.state.accounts():
        return dg.SkipReason("Nobody is logged in. Run: spotify-assets login")
    return dg.RunRequest(tags={"trigger": "daily_refresh"})


@dg.schedule(
    name="models",
    job=models_job,
    cron_schedule=timetable.MODELS,
    execution_timezone=TIMEZONE,
    default_status=RUNNING,
    description=(
        "Every hour: models_job, if a load is not in all models that should have it. A second net "
        "for runs that the sensors asked for and that failed."
    ),
)
def models(warehouse: WarehouseResource) -> dg.RunRequest | dg.SkipReason:
    if not any(
        has_unmodelled_loads(warehouse.warehouse, from_spotify=source) for source in (True, False)
    ):
        return dg.SkipReason("Every load is in the models: there is nothing to build.")
    return dg.RunRequest(tags={"trigger": "models"})
