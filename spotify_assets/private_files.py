"""Small files that hold a secret: readable by their owner alone, replaced as a whole."""

import os
from pathlib import Path

from spotify_assets import database


def write(path: Path, text: str) -> None:
    """Replace a file, mode 0600, and wait until it is on the disk. A kill leaves one of the two.

    The caller holds a lock, so the temporary file has one writer. A temporary file that a kill
    left is overwritten by the next write.
    """
    temporary = path.with_suffix(".tmp")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    database.sync(path.parent)
