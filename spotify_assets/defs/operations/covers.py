"""Covers: every hour, the pictures of albums that have none. A failed one fails no run."""

from dataclasses import asdict

import dagster as dg

from spotify_assets import timetable
from spotify_assets.covers.fetching import fetch_covers, has_work
from spotify_assets.defs.operations.killed_runs import process_tags
from spotify_assets.defs.schedules import RUNNING, TIMEZONE
from spotify_assets.settings import Settings


@dg.op(out=dg.Out(dg.Nothing))
def fetch(context: dg.OpExecutionContext) -> dg.Output[None]:
    """Fetch covers from Spotify's image host, and say what came of it."""
    context.instance.add_run_tags(context.run_id, process_tags())
    done = fetch_covers(Settings.load())
    if done.stopped:
        context.log.warning(done.stopped)
    return dg.Output(None, metadata={name: value or 0 for name, value in asdict(done).items()})


@dg.job
def covers_job() -> None:
    """Fetches covers of albums that have none, for the dashboard. Touches no play."""
    fetch()


@dg.schedule(
    name="covers",
    job=covers_job,
    cron_schedule=timetable.COVERS,
    execution_timezone=TIMEZONE,
    default_status=RUNNING,
    description="Every hour: covers_job, if an album lacks a cover that can be fetched.",
)
def covers() -> dg.RunRequest | dg.SkipReason:
    """Ask for a run where a cover can be fetched."""
    if not has_work(Settings.load()):
        return dg.SkipReason("No album lacks a cover that can be fetched now, or covers are off.")
    return dg.RunRequest(tags={"trigger": "covers"})
