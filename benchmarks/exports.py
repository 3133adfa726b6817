"""Makes the downloads that the import is measured with: `python -m benchmarks.exports FOLDER`.

In a process of its own, since it takes more memory than an import.
"""

import sys
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

import orjson

from spotify_assets.sandbox.catalogue import Catalogue
from spotify_assets.sandbox.export import FAST, write_extended
from spotify_assets.sandbox.listener import Listener
from spotify_assets.sandbox.world import SandboxConfig

ROWS, ROWS_OF_SOME = 1_000_000, 100_000
# Archives, and folders of unpacked files.
WHOLE, ONE_ROW = "export.zip", "one_row.zip"
SOME_UNPACKED, ONE_ROW_UNPACKED = "some", "one_row"
END, YEARS = datetime(2026, 3, 1, 18, tzinfo=UTC), timedelta(days=7 * 365)


def main(folder: Path) -> None:
    """Write a million rows and a single one as archives, 100,000 rows and a single one as files."""
    config = SandboxConfig(always_on=True)
    listener = Listener("mira", Catalogue(config.seed), config.seed, config.always_on)
    packed = folder / "packed.zip"
    write_extended(packed, listener, END - YEARS, END)
    for name, rows in ((WHOLE, ROWS), (ONE_ROW, 1)):
        with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED, compresslevel=FAST) as new:
            for member, content in first_rows(packed, rows):
                new.writestr(member, content)
    for name, rows in ((SOME_UNPACKED, ROWS_OF_SOME), (ONE_ROW_UNPACKED, 1)):
        (folder / name).mkdir()
        for member, content in first_rows(packed, rows):
            (folder / name / PurePosixPath(member).name).write_bytes(content)
    packed.unlink()


def first_rows(archive: Path, count: int) -> Iterator[tuple[str, bytes]]:
    """The names and contents of an archive's histories, cut after so many rows."""
    with zipfile.ZipFile(archive) as members:
        for name in members.namelist():
            if not name.endswith(".json"):
                continue
            content = members.read(name)
            rows = orjson.loads(content)
            if len(rows) > count:
                content = orjson.dumps(rows[:count], option=orjson.OPT_INDENT_2)
            yield name, content
            count -= min(count, len(rows))
            if not count:
                return
    raise ValueError(f"the archive has {count:,} rows too few")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
