"""A folder to copy databases to and try them out in, for one process at a time."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
        for folder in (settings.backups, settings.aside):
            tidy(folder)
        _clear(settings.scratch)
        settings.scratch.mkdir(mode=0o700)
        try:
            yield settings.scratch
        finally:
            _clear(settings.scratch)


def _clear(folder: Path) -> None:
    locks = folder / "locks"
    if locks.exists():  # dbt outlives a killed parent, and writes here
        with dbt_lock(locks):
            pass
    shutil.rmtree(folder, ignore_errors=True)
