"""One writer at a time: a kernel lock on the warehouse, freed by the death of its holder.

Held for a whole run, an import, a migration or a restore; not for readers, looks and backups,
which have a lock of their own among themselves. Who needs both takes the writer's first.
Waiting is asleep and ends at Ctrl-C. A database lock is no substitute: a run is many
transactions, most of them dbt's.
"""

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import Timeout

from spotify_assets.kernel_lock import KernelLock, kernel_lock

POLL_SECONDS = 0.2

log = logging.getLogger(__name__)


@contextmanager
def writing(locks: Path, who: str) -> Iterator[None]:
    """Be the one writer; whoever has to wait says so in the log, once.

    dbt runs in a child that outlives a killed parent, so it holds a lock of its own, and whoever
    becomes the writer first waits for that one.

    Args:
        locks: the folder of the lock files.
        who: names this writer to those who wait for it.
    """
    locks.mkdir(mode=0o700, parents=True, exist_ok=True)
    holder = locks / "writer.holder"
    with _held(kernel_lock(locks / "writer.lock"), holder):
        holder.write_text("a run that was killed, whose dbt goes on", "utf-8")
        with _held(dbt_lock(locks), holder):
            holder.write_text(f"{who} (process {os.getpid()})", "utf-8")
        yield


@contextmanager
def handling_backups(locks: Path, who: str) -> Iterator[None]:
    """Be the one who makes, removes or unpacks backups.

    Args:
        locks: the folder of the lock files.
        who: names this process to those who wait for it.
    """
    locks.mkdir(mode=0o700, parents=True, exist_ok=True)
    holder = locks / "backups.holder"
    with _held(backups_lock(locks), holder):
        holder.write_text(f"{who} (process {os.getpid()})", "utf-8")
        yield


def let_others() -> None:
    """Leave a moment in which whoever waits for a lock takes it: he looks every so often."""
    time.sleep(1.5 * POLL_SECONDS)


def backups_lock(locks: Path) -> KernelLock:
    """The lock behind `handling_backups`, for those who would not wait for it."""
    return kernel_lock(locks / "backups.lock")


def dbt_lock(locks: Path) -> KernelLock:
    """The lock that a dbt process holds while it lives."""
    locks.mkdir(mode=0o700, parents=True, exist_ok=True)
    return kernel_lock(locks / "dbt.lock")


@contextmanager
def _held(lock: KernelLock, holder: Path) -> Iterator[None]:
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log.warning("Waiting for %s.", _name(holder))
        lock.acquire(poll_interval=POLL_SECONDS)
    try:
        yield
    finally:
        lock.release()


def _name(holder: Path) -> str:
    try:
        return holder.read_text("utf-8") or "another writer"
    except OSError:
        return "another writer"
