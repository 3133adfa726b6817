"""How much room what is kept takes, in bytes. A file that vanishes meanwhile counts as nothing."""

import os
from collections import Counter
from contextlib import suppress
from pathlib import Path

from spotify_assets.settings import Settings


def disk_use(settings: Settings) -> dict[str, int]:
    """Bytes of the warehouse, the state, Dagster's storage, dbt's artifacts and the backups.

    `other` is what else lies in the data folder, `total` all of it. No file counts twice, whatever
    names it has.
    """
    sizes = sizes_in(settings.data)

    def database(path: Path) -> int:
        return sum(sizes[path.name + suffix] for suffix in ("", "-wal", "-shm"))

    parts = {
        "warehouse": database(settings.warehouse_path),
        "state": database(settings.state_path),
        "dagster": sizes[settings.dagster_storage.name],
        "dbt": sizes[settings.dbt_target.parent.name],
        "backups": sizes[settings.backups.name],
    }
    total = sizes.total()
    return {**parts, "other": total - sum(parts.values()), "total": total}


def sizes_in(folder: Path | str, seen: set[tuple[int, int]] | None = None) -> Counter[str]:
    """The size of each entry of a folder by name: a folder's with all below, a link's own.

    Args:
        seen: device and number of the files with several names that were counted already.
    """
    seen = set() if seen is None else seen
    sizes: Counter[str] = Counter()
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                sizes[entry.name] = sizes_in(entry.path, seen).total()
                continue
            with suppress(FileNotFoundError):
                status = Path(entry.path).lstat()  # on Windows the entry's own has no number
                if status.st_nlink > 1:
                    if (status.st_dev, status.st_ino) in seen:
                        continue
                    seen.add((status.st_dev, status.st_ino))
                sizes[entry.name] = status.st_size
    return sizes
