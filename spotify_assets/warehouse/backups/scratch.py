"""A folder to copy databases to and try them out in, for one process at a time."""

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import Timeout

from spotify_assets.kernel_lock import KernelLock
from spotify_assets.settings import Settings
from spotify_assets.warehouse.backups.folder import tidy
from spotify_assets.warehouse.lock import POLL_SECONDS, backups_lock, dbt_lock, handling_backups

log = logging.getLogger(__name__)


@contextmanager
def scratch(settings: Settings, who: str) -> Iterator[Path]:
    """An empty folder and the right to handle backups; what a killed process left is cleared first.

    Args:
        who: names this process to those who wait for it.
    """
    settings.make_data_folder()
    with handling_backups(settings.locks, who):
        _clear_after_a_kill(settings)
        settings.scratch.mkdir(mode=0o700)
        try:
            yield settings.scratch
        finally:
            shutil.rmtree(settings.scratch, ignore_errors=True)


def clear_after_a_kill(settings: Settings) -> None:
    """Remove what a killed process left, for those who need no scratch folder themselves.

    Nothing is waited for: where somebody is at work there, he or the next clears it.
    """
    if settings.scratch.exists():
        with suppress(Timeout), backups_lock(settings.locks).acquire(timeout=0):
            _clear_after_a_kill(settings, patient=False)


def _clear_after_a_kill(settings: Settings, *, patient: bool = True) -> None:
    for locks in settings.scratch.glob("*/locks"):
        _require_no_dbt(dbt_lock(locks), patient)
    for folder in (settings.backups, settings.aside):
        tidy(folder)
    shutil.rmtree(settings.scratch, ignore_errors=True)


def _require_no_dbt(lock: KernelLock, patient: bool) -> None:
    """Return once no dbt works in a scratch folder: it outlives a killed parent, and goes on."""
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if not patient:
            raise
        log.warning("Waiting for the dbt of a process that was killed.")
        lock.acquire(poll_interval=POLL_SECONDS)
    lock.release()
