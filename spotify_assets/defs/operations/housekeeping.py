"""Housekeeping: what runs leave behind goes after a while. Plays and the warehouse are not touched.

What may go is read from the disk and the instance each time, so whatever a killed housekeeping
left is found by the next.
"""

import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import dagster as dg
from filelock import Timeout

from spotify_assets import times, timetable
from spotify_assets.covers.fetching import alone
from spotify_assets.covers.folder import CoverFolder
from spotify_assets.covers.wanted import albums
from spotify_assets.defs.operations.killed_runs import process_tags
from spotify_assets.defs.schedules import RUNNING, TIMEZONE
from spotify_assets.kernel_lock import kernel_lock
from spotify_assets.settings import Settings
from spotify_assets.spotify.state import State
from spotify_assets.warehouse.disk_use import sizes_in
from spotify_assets.warehouse.pending import undrained_pages
from spotify_assets.warehouse.warehouse import Warehouse

# 2.2 MB each, where the run itself is 0.2 MB: with the runs, a busy listener's would take
# gigabytes. Nothing reads them after the run, and no run lasts a day.
KEEP_DBT_TARGETS = timedelta(days=7)
FINISHED = [
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
]
OF_DAGSTER = {"history", "schedules", "storage"}  # the rest belongs to runs and ticks
TICK_LOGS = {".err", ".out", ".complete"}
# 0.1 s each, and other runs wait in the queue meanwhile; what is left goes on the next days.
MOST_RUNS = 1_000


@dg.op(out=dg.Out(dg.Nothing))
def prune(context: dg.OpExecutionContext) -> dg.Output[None]:
    """Remove old runs, dbt artifacts and landed pages."""
    context.instance.add_run_tags(context.run_id, process_tags())
    settings = Settings.load()
    if not _is_ours(context.instance, settings):
        raise dg.Failure(
            f"This Dagster instance does not keep its runs in {settings.dagster_storage}, so that "
            "all runs there would look deleted. Run it from: spotify-assets dev",
            allow_retries=False,
        )
    settings.locks.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with kernel_lock(settings.locks / "housekeeping.lock", timeout=0):
            removed = _prune(settings, context.instance)
    except Timeout:
        context.log.info("Another housekeeping is at work.")
        removed = Counter()
    names = ("landed_pages", "runs", "dbt_targets", "bytes")
    context.log.info("Removed: %s", ", ".join(f"{removed[name]:,} {name}" for name in names))
    return dg.Output(None, metadata={f"removed_{name}": removed[name] for name in names})


@dg.job
def housekeeping_job() -> None:
    """Removes old runs with their logs, dbt's artifacts, loaded pages and covers beyond the bound.

    Touches no play.
    """
    prune()


housekeeping = dg.ScheduleDefinition(
    name="housekeeping",
    job=housekeeping_job,
    cron_schedule=timetable.HOUSEKEEPING,
    execution_timezone=TIMEZONE,
    default_status=RUNNING,
    tags={"trigger": "housekeeping"},
    description="Every night after the backup: housekeeping_job.",
)


def _is_ours(instance: dg.DagsterInstance, settings: Settings) -> bool:
    storage = Path(instance.storage_directory())
    return storage.resolve() == (settings.dagster_storage / "storage").resolve()


def _prune(settings: Settings, instance: dg.DagsterInstance) -> Counter[str]:
    now = times.now()
    runs = _delete_runs(instance, now - timedelta(days=settings.keep_runs_days))
    targets = list(_older_than(now - KEEP_DBT_TARGETS, _of_runs(settings.dbt_target, "*")))
    ticks = _older_than(
        now - timedelta(days=settings.keep_runs_days), _logs_of_ticks(settings.dagster_storage)
    )
    left = _of_deleted_runs(settings.dagster_storage, instance)
    freed = sum(map(_remove, [*left, *targets, *ticks]))
    freed += _prune_covers(settings)
    pages = _prune_pages(settings, now - timedelta(days=settings.keep_pages_days))
    return Counter(landed_pages=pages, runs=runs, dbt_targets=len(targets), bytes=freed)


def _prune_pages(settings: Settings, before: datetime) -> int:
    state, warehouse = State(settings.state_path), Warehouse(settings.warehouse_path)
    # SQLite gives the room to the next pages. Nothing after a page that waits for its load goes.
    waiting = (page.landed_at for page in undrained_pages(state, warehouse))
    return state.prune_pages(min([times.to_text(before), *waiting]))


def _prune_covers(settings: Settings) -> int:
    """Remove covers of albums that are not wanted any more; the bytes that they held."""
    wanted = albums(Warehouse(settings.warehouse_path))
    if not wanted:  # before the first models, or while they are made anew
        return 0
    with suppress(Timeout), alone(settings):
        return CoverFolder(settings.covers).prune(wanted)
    return 0


def _delete_runs(instance: dg.DagsterInstance, before: datetime) -> int:
    old = dg.RunsFilter(statuses=FINISHED, created_before=before)
    runs = instance.get_runs(old, limit=MOST_RUNS, ascending=True)
    for run in runs:
        instance.delete_run(run.run_id)
    return len(runs)


def _of_deleted_runs(storage: Path, instance: dg.DagsterInstance) -> list[Path]:
    """What Dagster leaves on the disk of runs that it does not know any more.

    Read from the disk first: a run is in the instance before it has a file.
    """
    left = [
        path
        for pattern in ("*", "storage/*", "history/runs/*.db*")  # logs, values, events
        for path in _of_runs(storage, pattern)
    ]
    known = {run_id for run_id in map(_run_id, left) if instance.get_run_by_id(run_id)}
    return [path for path in left if _run_id(path) not in known]


def _logs_of_ticks(storage: Path) -> Iterator[Path]:
    """What sensors and schedules said: a file for each tick, in a folder of the sensor's name."""
    of_runs = set(_of_runs(storage, "*"))
    for folder in storage.glob("*/*/"):
        if folder.parent not in of_runs and folder.parent.name not in OF_DAGSTER:
            yield from (path for path in folder.glob("*") if path.suffix in TICK_LOGS)


def _of_runs(folder: Path, pattern: str) -> Iterator[Path]:
    """What is named after a run; nothing else is ever removed."""
    for path in folder.glob(pattern):
        with suppress(ValueError):
            if str(UUID(_run_id(path))) == _run_id(path) and not path.is_symlink():
                yield path


def _run_id(path: Path) -> str:
    return path.name.partition(".")[0]


def _older_than(moment: datetime, paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < moment.timestamp():
                yield path


def _remove(path: Path) -> int:
    """Remove a file or a folder; the bytes that it held. What cannot be removed stays."""
    with suppress(OSError):
        if path.is_dir():
            size = sizes_in(path).total()
            shutil.rmtree(path)
        else:
            size = path.stat().st_size
            path.unlink()
        return size
    return 0
