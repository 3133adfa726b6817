"""Sensors: what happens as soon as there is news. Each asks stored facts, never its own memory."""

import json
from collections.abc import Mapping, Sequence

import dagster as dg

from spotify_assets import times, timetable
from spotify_assets.defs.ingestion.assets import recently_played
from spotify_assets.defs.ingestion.checks import severity
from spotify_assets.defs.ingestion.inbox import InboxConfig, import_job
from spotify_assets.defs.jobs import daily_refresh_job, models_job, refresh_all_job, refresh_job
from spotify_assets.defs.operations.killed_runs import fail_killed_runs
from spotify_assets.defs.resources import SpotifyResource, WarehouseResource
from spotify_assets.settings import Settings
from spotify_assets.spotify.retrying import Retrying
from spotify_assets.warehouse.health import Verdict, all_verdicts
from spotify_assets.warehouse.inbox import UNDECIDED, at_rest, entries
from spotify_assets.warehouse.pending import (
    has_news,
    has_unmodelled_loads,
    needs_all_models,
    no_news,
)

settings = Settings.load()
REFRESHES = (refresh_job.name, refresh_all_job.name, daily_refresh_job.name)
RUNNING = dg.DefaultSensorStatus.RUNNING
UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dg.sensor(
    jobs=[refresh_job, refresh_all_job],
    minimum_interval_seconds=settings.look_every_seconds,
    default_status=RUNNING,
    description=(
        "Asks Spotify for the last 50 plays of each account and stores the answer. Where it holds "
        "new plays: refresh_job, or refresh_all_job where the marts of the day cannot wait."
    ),
)
def recently_played_sensor(
    context: dg.SensorEvaluationContext, spotify: SpotifyResource, warehouse: WarehouseResource
) -> dg.RunRequest | dg.SkipReason:
    looks = spotify.look(Retrying.never(), side_by_side=True)
    if not looks:
        return dg.SkipReason("Nobody is logged in. Run: spotify-assets login")
    for look in looks:
        if look.error:
            context.log.warning("%s: %s", look.account_id, look.error)
    pending = has_news(spotify.state, warehouse.warehouse) or has_unmodelled_loads(
        warehouse.warehouse, from_spotify=True
    )
    if not pending:
        errors = [f"{look.account_id}: {look.error}" for look in looks if look.error]
        return dg.SkipReason("; ".join(errors) or no_news(warehouse.warehouse, settings.timezone))
    if run := _unfinished(context.instance, *REFRESHES):
        return dg.SkipReason(f"There are new plays, and a run for them is queued or running: {run}")
    # Landed a moment ago, so the run need not ask again. No run key: a failed run's work is
    # asked for again by the next tick.
    run_config = {"ops": {"raw__recently_played": {"config": {"look": False}}}}
    job = refresh_all_job if needs_all_models(warehouse.warehouse) else refresh_job
    return dg.RunRequest(
        job_name=job.name, tags={"trigger": "recently_played_sensor"}, run_config=run_config
    )


@dg.sensor(
    job=models_job,
    minimum_interval_seconds=60,
    default_status=RUNNING,
    description="Where an import, by command or inbox, is not in the models yet: models_job.",
)
def models_sensor(
    context: dg.SensorEvaluationContext, warehouse: WarehouseResource
) -> dg.RunRequest | dg.SkipReason:
    if not has_unmodelled_loads(warehouse.warehouse, from_spotify=False):
        return dg.SkipReason("Every import is in the models.")
    if run := _unfinished(context.instance, *REFRESHES, models_job.name):
        return dg.SkipReason(f"An import waits for the run that is queued or running: {run}")
    return dg.RunRequest(tags={"trigger": "models_sensor"})


@dg.sensor(
    job=import_job,
    minimum_interval_seconds=30,
    default_status=RUNNING,
    description=(
        "Looks into data/inbox. Where a download of Spotify's has lain unchanged for half a "
        "minute: import_job."
    ),
)
def inbox_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    present_settings = Settings.load()
    try:
        cursor = json.loads(context.cursor or "{}")
        seen = {name: (str(signature), str(since)) for name, (signature, since) in cursor.items()}
    except (ValueError, TypeError, AttributeError):  # somebody else's cursor
        seen = {}
    present = entries(present_settings)
    rested, noted = at_rest(present, seen, times.now())
    cursor = json.dumps(noted)
    ready = {entry.name: entry.signature for entry in rested if entry.account_id}
    if not ready:
        undecided = [entry.name for entry in rested if entry.account_id is None]
        words = (
            f"{', '.join(undecided)}: {UNDECIDED}"
            if undecided
            else f"Waiting until {len(present)} in the inbox has come to rest for half a minute."
            if present
            else f"Nothing new in {present_settings.inbox}."
        )
        return dg.SensorResult(skip_reason=words, cursor=cursor)
    if run := _unfinished(context.instance, import_job.name):
        words = f"An import is queued or running: {run}"
        return dg.SensorResult(skip_reason=words, cursor=cursor)
    # No run key: what a killed run left is asked for again.
    run_config = dg.RunConfig(ops={"import_from_inbox": InboxConfig(at_rest=ready)})
    request = dg.RunRequest(tags={"trigger": "inbox_sensor"}, run_config=run_config)
    return dg.SensorResult(run_requests=[request], cursor=cursor)


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=RUNNING,
    description=(
        "Marks runs as failed whose process is gone, so that the queue behind them moves on. "
        "Dagster alone would show them as running for ever."
    ),
)
def killed_runs_sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    timetable.leave_sign(Settings.load())
    failed = fail_killed_runs(context.instance)
    return dg.SkipReason(
        f"Marked as failed: {', '.join(failed)}"
        if failed
        else "No run was killed: each one's process is alive."
    )


@dg.sensor(
    minimum_interval_seconds=300,
    default_status=RUNNING,
    description=(
        "Publishes the checks of raw/recently_played that tell how the accounts stand (gaps, last "
        "poll, silence, logins) whenever one changes, also where no run happens. Starts none."
    ),
)
def health_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    present = Settings.load()
    found = all_verdicts(present)
    told = {name: [verdict.passed, verdict.description] for name, verdict in found.items()}
    try:
        before = dict(json.loads(context.cursor or "{}"))
    except (ValueError, TypeError):  # somebody else's cursor
        before = {}
    news = [name for name in found if told[name] != before.get(name)]
    return dg.SensorResult(
        skip_reason=_health_in_words(found, news),
        asset_events=[
            dg.AssetCheckEvaluation(
                asset_key=recently_played.key,
                check_name=name,
                passed=found[name].passed,
                severity=severity(found[name]),
                description=found[name].description,
                metadata=found[name].metadata,
            )
            for name in news
        ],
        cursor=json.dumps(told),
    )


def _health_in_words(found: Mapping[str, Verdict], news: Sequence[str]) -> str:
    failed = [name for name, verdict in found.items() if not verdict.passed]
    now = f"failed: {', '.join(failed)}" if failed else f"all {len(found)} passed"
    return f"Published {', '.join(news)}; {now}." if news else f"Nothing changed; {now}."


def _unfinished(instance: dg.DagsterInstance, *jobs: str) -> str | None:
    """The queued or running runs of these jobs in words, or None."""
    runs = instance.get_runs(dg.RunsFilter(statuses=UNFINISHED))
    mine = [f"{run.run_id[:8]} of {run.job_name}" for run in runs if run.job_name in jobs]
    return f"{', '.join(mine)}." if mine else None
