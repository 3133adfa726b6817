"""Runs whose process is gone: Dagster would show them as running for ever.

A run carries its process in its tags. A process id alone is not enough, since the kernel gives it
out again, so the moment at which the process started belongs to it. Of a process on another
machine, or in another container, nobody here can tell whether it lives: its run is left alone.
"""

import contextlib
import os
import platform
from datetime import timedelta
from pathlib import Path

import dagster as dg
import psutil

from spotify_assets import times

# The UI hides tags that begin like this.
PROCESS_TAG = ".dagster/spotify_assets_process"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
PROCESS_IDS = Path("/proc/self/ns/pid")  # the namespace in which a process id means something
BEGINS_WITHIN = timedelta(minutes=5)
TAGGED = {
    *("refresh_job", "refresh_all_job", "daily_refresh_job", "models_job", "import_job"),
    *("daily_backup_job", "weekly_restore_drill_job", "housekeeping_job", "covers_job"),
}
ALIVE = (
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)


def process_tags() -> dict[str, str]:
    """The tags of a run that lives in this process."""
    return {PROCESS_TAG: _process(os.getpid())}


def fail_killed_runs(instance: dg.DagsterInstance) -> list[str]:
    """Mark every run as failed whose process is gone; their ids."""
    failed = []
    for record in instance.get_run_records(dg.RunsFilter(statuses=list(ALIVE))):
        run = record.dagster_run
        process = run.tags.get(PROCESS_TAG)
        if _may_begin(record) if process is None else _is_running(process):
            continue
        # Read again: it may have ended well between the query and the look at its process.
        current = instance.get_run_by_id(run.run_id)
        if current is not None and current.status in ALIVE:
            instance.report_run_failed(
                current, "Its process is gone: killed, or the machine was restarted."
            )
            failed.append(run.run_id)
    return failed


def _may_begin(record: dg.RunRecord) -> bool:
    """Whether a run without a process may still get one: in its first moments, or in the queue.

    Every job of ours gives its run the tag before it does anything; of others nobody knows.
    """
    run = record.dagster_run
    if run.status != dg.DagsterRunStatus.STARTED or run.job_name not in TAGGED:
        return True  # Dagster itself ends what does not start
    begun_at = record.start_time or record.create_timestamp.timestamp()
    return times.now().timestamp() - begun_at < BEGINS_WITHIN.total_seconds()


def _process(pid: int) -> str:
    """The process by id, start and machine.

    Raises:
        psutil.NoSuchProcess: there is none.
    """
    started = f"{psutil.Process(pid).create_time():.2f}"
    with contextlib.suppress(OSError):
        # On Linux psutil's time moves when the machine's clock is set; ticks since boot do not.
        ticks = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[19]
        started = f"{ticks}@{BOOT_ID.read_text('utf-8').strip()}"
    return f"{pid}@{started}@{_here()}"


def _here() -> str:
    """This machine, and the container where there is one."""
    with contextlib.suppress(OSError):
        return f"{PROCESS_IDS.stat().st_ino}@{platform.node()}"
    return platform.node()


def _is_running(process: str) -> bool:
    """Whether a process lives, or may live where we cannot look."""
    if not process.endswith(f"@{_here()}"):
        return True
    pid = int(process.partition("@")[0])
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE and _process(pid) == process
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:  # nobody can tell
        return True
