"""A folder to copy databases to and try them out in, for one process at a time."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from spotify_assets.settings import Settings
from spotify_assets.warehouse.backups.folder import tidy
from spotify_assets.warehouse.lock import dbt_lock, handling_backups


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
            _clear(settings.scratch)


def clear_after_a_kill(settings: Settings) -> None:
    """Remove what a killed process left, for those who need no scratch folder themselves.

    Nothing is waited for: whoever is at work there has cleared it, and will.
    """
    if settings.scratch.exists():
        # The same lock as of `handling_backups`, which would wait for it.
        with suppress(Timeout), FileLock(settings.locks / "backups.lock", timeout=0):
            _clear_after_a_kill(settings)


def _clear_after_a_kill(settings: Settings) -> None:
    for folder in (settings.backups, settings.aside):
        tidy(folder)
    _clear(settings.scratch)


def _clear(folder: Path) -> None:
    for locks in folder.glob("*/locks"):  # dbt outlives a killed parent, and goes on writing here
        with dbt_lock(locks):
            pass
    shutil.rmtree(folder, ignore_errors=True)
