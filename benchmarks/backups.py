"""What a backup and a verified restore of a million plays cost, in whole processes.

Beside both, what nobody can do without: `sqlite3 .backup` of the same database, and `zstd` of that
copy. These check nothing. The models that a restore rebuilds are no part of it.
"""

import hashlib
import os
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

from spotify_assets import times
from spotify_assets.settings import Settings
from spotify_assets_tests.models.building import ingest
from spotify_assets_tests.support import COMMAND, User, sandbox, user_of

PLAYS = 1_000_000
SPACING = timedelta(minutes=3)
WANTED = 3.0


def main() -> None:
    """Print both comparisons."""
    if not (shutil.which("sqlite3") and shutil.which("zstd")):
        print("backup / sqlite3 .backup and zstd\n  not measured: needs the tools sqlite3 and zstd")
        return
    with tempfile.TemporaryDirectory() as folder, sandbox() as spotify:
        user = user_of(spotify.environment(), Path(folder) / "user")
        user.log_in("mira")
        ingest(user.settings)
        listen_for_years(user.settings)
        measure(user, Path(folder))


def measure(user: User, folder: Path) -> None:
    """Back up and restore both ways."""
    database, copy, packed = user.settings.warehouse_path, folder / "copy", folder / "copy.zst"
    print(f"a backup of {PLAYS:,} plays, {database.stat().st_size / 1e9:.1f} GB")
    plain = seconds("sqlite3", database, f".backup {copy}")
    plain += seconds("zstd", "-q", "-T0", copy, "-o", packed)
    copy.unlink()
    tell("spotify-assets backup", seconds(COMMAND, "backup", user=user), plain)
    beside = ("restore", "--to", folder / "beside")
    tell("spotify-assets restore --to", seconds(COMMAND, *beside, user=user), plain)


def tell(what: str, ours: float, plain: float) -> None:
    """Print one comparison."""
    ratio = f"{ours / plain:.2f} x, wanted at most {WANTED}"
    print(f"{what} / sqlite3 .backup and zstd\n  {ours:.1f} s / {plain:.1f} s; {ratio}")


def seconds(*command: str | Path, user: User | None = None) -> float:
    """How long a process took, as a clock on the wall has it."""
    environment = user.environment if user else dict(os.environ)
    started = time.perf_counter()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def listen_for_years(settings: Settings) -> None:
    """Fill the warehouse with one play every three minutes, each like one of the fifty there."""
    with closing(sqlite3.connect(settings.warehouse_path)) as connection:
        columns = [row[1] for row in connection.execute("pragma table_info(raw_recently_played)")]
        rows = [
            dict(zip(columns, row, strict=True))
            for row in connection.execute("select * from raw_recently_played")
        ]
        values = ", ".join("?" * len(columns))
        connection.executemany(
            f"insert into raw_recently_played values ({values})",
            (tuple(row.values()) for row in older_plays(rows)),
        )
        more = PLAYS - len(rows)
        connection.execute(
            "update loads set rows_read = rows_read + ?, rows_loaded = rows_loaded + ?",
            (more, more),
        )
        connection.commit()
        connection.execute("pragma wal_checkpoint(truncate)")


def older_plays(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Plays that ended before all of these."""
    oldest = times.from_text(min(row["played_at"] for row in rows))
    for number in range(1, PLAYS - len(rows) + 1):
        row = rows[number % len(rows)]
        played_at = times.to_text(oldest - number * SPACING)
        row_key = hashlib.sha256(f"{played_at} {row['track_uri']}".encode()).hexdigest()
        payload = row["payload"].replace(row["played_at"], played_at)
        yield {**row, "played_at": played_at, "row_key": row_key, "payload": payload}


if __name__ == "__main__":
    main()
