"""How much room what is kept takes, in bytes. A file that vanishes meanwhile counts as nothing."""

import os
from collections import Counter
from contextlib import suppress
from pathlib import Path

from spotify_assets.settings import Settings


def disk_use(settings: Settings) -> dict[str, int]:
    """Bytes of the warehouse, the state, Dagster's storage, dbt's artifacts and the backups.

    `total` is all of the data folder, with what has no line of its own.
    """
    sizes = sizes_in(settings.data)

    def database(path: Path) -> int:
        return sum(sizes[path.name + suffix] for suffix in ("", "-wal", "-shm"))

    return {
        "warehouse": database(settings.warehouse_path),
        "state": database(settings.state_path),
        "dagster": sizes[settings.dagster_storage.name],
        "dbt": sizes[settings.dbt_target.parent.name],
        "backups": sizes[settings.backups.name],
        "total": sizes.total(),
    }


def sizes_in(folder: Path | str) -> Counter[str]:
    """The size of each entry of a folder by name: a folder's with all below, a link's own."""
    sizes: Counter[str] = Counter()
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                sizes[entry.name] = sizes_in(entry.path).total()
            else:
                with suppress(FileNotFoundError):
                    sizes[entry.name] = entry.stat(follow_symlinks=False).st_size
    return sizes
