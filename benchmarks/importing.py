"""What the import of an export of a million rows costs, in whole processes.

Beside it the least that could do the same, a loop that parses, hashes and inserts and checks
nothing; and Maloja, which imports some of the same files. Rates are of the work itself: without
what the same command takes for a single row. Targets are for processor time, as others may use the
machine.
"""

import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from operator import attrgetter, truediv
from pathlib import Path

from benchmarks import maloja
from benchmarks.exports import (
    ONE_ROW,
    ONE_ROW_UNPACKED,
    ROWS,
    ROWS_OF_SOME,
    SOME_UNPACKED,
    WHOLE,
)
from benchmarks.import_floor import ACCOUNT, TABLE
from benchmarks.processes import Cost, run
from spotify_assets.warehouse.loading import Receipt
from spotify_assets.warehouse.warehouse import ROW_COUNTS
from spotify_assets_tests.support import COMMAND, user_of

ROUNDS = 3
LEAST_OF_FLOOR, LEAST_AGAIN, MOST_MEMORY_MB = 0.5, 1.0, 300


@dataclass(frozen=True)
class Work:
    """What it cost to import so many rows, and a single one, which is a process's start and end."""

    whole: Cost
    start: Cost
    rows: int = ROWS


@dataclass(frozen=True)
class Round:
    """All ways side by side, one after the other."""

    hashed: Work
    natural: Work
    first: Work
    again: Work
    receipts: list[Receipt]


def main() -> None:
    """Print all comparisons."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run([sys.executable, "-m", "benchmarks.exports", folder], check=True)
        with zipfile.ZipFile(folder / WHOLE) as archive:
            sizes = [member.file_size for member in archive.infolist()]
        size = f"{len(sizes)} files, {sum(sizes) / 1e9:.1f} GB of JSON"
        print(f"the import of an export, {ROWS:,} rows in {size}; medians of {ROUNDS}")
        tell([one_round(folder) for _ in range(ROUNDS)])
        try:
            tell_maloja(folder)
        except maloja.NotMeasuredError as error:
            print(f"spotify-assets import / maloja import\n  not measured: {error}")


def tell(rounds: list[Round]) -> None:
    """Print how the import compares, and whether each target holds."""
    print("  the first time: {}\n  again: {}".format(*rounds[0].receipts))
    first, again = [each.first for each in rounds], [each.again for each in rounds]
    compare(
        "spotify-assets import / parsing, hashing and inserting, nothing checked",
        first,
        [each.hashed for each in rounds],
        at_least=LEAST_OF_FLOOR,
    )
    compare(
        "spotify-assets import / the same with a key that needs no hash",
        first,
        [each.natural for each in rounds],
    )
    compare("importing it again / the first time", again, first, at_least=LEAST_AGAIN)
    peaks = [max(work.whole.peak for work in works) / 1e6 for works in (first, again)]
    verdict = "holds" if max(peaks) <= MOST_MEMORY_MB else "MISSED"
    print(
        f"memory at the peak, the first time / again\n  {peaks[0]:.0f} MB / {peaks[1]:.0f} MB, "
        f"wanted at most {MOST_MEMORY_MB} MB: {verdict}"
    )


def compare(title: str, ours: list[Work], other: list[Work], at_least: float | None = None) -> None:
    """Print the medians of two ways, and the median ratios of their rates."""
    wall = [statistics.median(work.whole.wall for work in works) for works in (ours, other)]
    by_clock, _ = paces(ours, other, attrgetter("wall"))
    of_processor, ratio = paces(ours, other, attrgetter("processor"))
    verdict = ""
    if at_least:
        verdict = f", wanted at least {at_least}: {'holds' if ratio >= at_least else 'MISSED'}"
    print(
        f"{title}\n  {wall[0]:.1f} s / {wall[1]:.1f} s; {by_clock} rows a second\n"
        f"  {of_processor} rows a second of processor time{verdict}"
    )


def paces(
    ours: list[Work], other: list[Work], seconds: Callable[[Cost], float]
) -> tuple[str, float]:
    """The median rates of two ways as text with their median ratio, and that ratio."""

    def rates(works: list[Work]) -> list[float]:
        start = statistics.median(seconds(work.start) for work in works)
        return [work.rows / (seconds(work.whole) - start) for work in works]

    a, b = rates(ours), rates(other)
    ratio = statistics.median(map(truediv, a, b))
    return f"{statistics.median(a):,.0f} / {statistics.median(b):,.0f} ({ratio:.2f} x)", ratio


def one_round(exports: Path) -> Round:
    """Import the archive in all ways, and see that all keep the same rows."""
    with tempfile.TemporaryDirectory(dir=exports) as name:
        here = Path(name)
        hashed, natural = by_floor("hashed", exports, here), by_floor("natural", exports, here)
        starts, _ = import_twice(exports / ONE_ROW, here / "one", rows=1)
        costs, receipts = import_twice(exports / WHOLE, here / "all", rows=ROWS)
        loaded = receipts[0].rows_loaded
        require_same_keys(here / "all" / "data" / "spotify.db", here / "hashed.db", loaded)
    first, again = map(Work, costs, starts)
    return Round(hashed, natural, first, again, receipts)


def by_floor(key: str, exports: Path, here: Path) -> Work:
    """The least that an import can do, in a process of its own."""

    def cost(archive: str, database: Path) -> Cost:
        command = [sys.executable, "-m", "benchmarks.import_floor"]
        return run([*command, exports / archive, database, key], os.environ)

    start = cost(ONE_ROW, here / f"{key}_start.db")
    return Work(cost(WHOLE, here / f"{key}.db"), start)


def import_twice(path: Path, home: Path, rows: int) -> tuple[list[Cost], list[Receipt]]:
    """Import with the command into a new data folder, and again, and check both accounts."""
    user = user_of({}, home)
    command: list[str | Path] = [COMMAND, "import", "--account", ACCOUNT, "--json", path]
    costs, receipts = list[Cost](), list[Receipt]()
    for number in range(2):
        output = home / f"{number}.json"
        costs.append(run(command, user.environment, output))
        printed = json.loads(output.read_bytes())
        receipts.append(Receipt(**{name: printed[name] for name in ROW_COUNTS}))
        assert receipts[-1].rows_read == rows == receipts[-1].rows_loaded + unloaded(receipts[-1])
    assert receipts[0].rows_loaded == count(user.settings.warehouse_path)
    assert receipts[1].rows_loaded == 0, "rows that were there were loaded again"
    return costs, receipts


def unloaded(receipt: Receipt) -> int:
    """How many rows were not loaded, each for a reason that is counted."""
    return receipt.rows_duplicate + receipt.rows_quarantined + receipt.rows_ignored


def count(database: Path) -> int:
    """How many rows the table has."""
    with closing(sqlite3.connect(database)) as connection:
        (rows,) = connection.execute(f"select count(*) from {TABLE}").fetchone()
    return int(rows)


def require_same_keys(ours: Path, floor: Path, loaded: int) -> None:
    """See that the loop beside ours has keyed every row as ours does."""
    with closing(sqlite3.connect(ours)) as connection:
        connection.execute("attach ? as floor", (str(floor),))
        key = "using (account_id, row_key, variant)"
        query = f"select count(*) from main.{TABLE} inner join floor.{TABLE} {key}"
        (same,) = connection.execute(query).fetchone()
    assert same == loaded == count(floor), "the two ways differ"


def tell_maloja(folder: Path) -> None:
    """Print how the import of some of the files compares with that of Maloja.

    Raises:
        maloja.NotMeasuredError: it cannot be.
    """
    command = maloja.install(folder / "maloja")
    ours, theirs = list[Work](), list[Work]()
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory(dir=folder) as name:
            here = Path(name)
            (start, _), _ = import_twice(folder / ONE_ROW_UNPACKED, here / "one", rows=1)
            (whole, _), (receipt, _) = import_twice(
                folder / SOME_UNPACKED, here / "some", rows=ROWS_OF_SOME
            )
            ours.append(Work(whole, start, ROWS_OF_SOME))
            start, _ = maloja.import_history(command, here / "their_one", folder / ONE_ROW_UNPACKED)
            whole, outcome = maloja.import_history(
                command, here / "their_some", folder / SOME_UNPACKED
            )
            theirs.append(Work(whole, start, ROWS_OF_SOME))
    compare(f"{ROWS_OF_SOME:,} rows: spotify-assets import / maloja import", ours, theirs)
    assert outcome.imported + outcome.skipped == ROWS_OF_SOME, outcome
    print(
        f"  {receipt.rows_loaded:,} / {outcome.kept:,} rows kept; "
        f"{unloaded(receipt):,} / {outcome.skipped:,} left out, of which with a reason "
        f"{unloaded(receipt):,} / {outcome.skipped_with_reason:,} ({maloja.PACKAGE})"
    )


if __name__ == "__main__":
    main()
