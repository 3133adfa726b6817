"""One writer at a time: a kernel lock on the warehouse, freed by the death of its holder.

Held for a whole run, an import, a migration or a restore; not for readers, looks and backups.
Waiting is asleep and ends at Ctrl-C. A database lock is no substitute: a run is many
transactions, most of them dbt's.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

POLL_SECONDS = 0.2


@contextmanager
def writing(locks: Path, who: str, tell: Callable[[str], object]) -> Iterator[None]:
    """Be the one writer.

    dbt runs in a child that outlives a killed parent, so it holds a lock of its own, and whoever
    becomes the writer first waits for that one.

    Args:
        locks: the folder of the lock files.
        who: names this writer to those who wait for it.
        tell: says whom we wait for.
    """
    locks.mkdir(mode=0o700, parents=True, exist_ok=True)
    holder = locks / "writer.holder"
    with _held(FileLock(locks / "writer.lock"), lambda: tell(f"Waiting for {_name(holder)}.")):
        with _held(dbt_lock(locks), lambda: tell("Waiting for the dbt of a run that was killed.")):
            holder.write_text(f"{who} (process {os.getpid()})", "utf-8")
        yield


def dbt_lock(locks: Path) -> FileLock:
    """The lock that a dbt process holds while it lives."""
    locks.mkdir(mode=0o700, parents=True, exist_ok=True)
    return FileLock(locks / "dbt.lock")


@contextmanager
def _held(lock: FileLock, tell_that_we_wait: Callable[[], object]) -> Iterator[None]:
    try:
        lock.acquire(timeout=0)
    except Timeout:
        tell_that_we_wait()
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
