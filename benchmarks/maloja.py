"""Maloja, a server for one's plays, with its own importer of Spotify's exports.

It gets a virtual environment of its own and is never part of this project's. Its server does not
run, and its import opens no connection.
"""

import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import Cost, run

PACKAGE = "malojaserver==3.2.3"
COUNTED = {"imported": r"Successfully imported (\d+)", "skipped": r"Skipped (\d+)"}
REASON = re.compile(r"skipping\.\.\.|could not be parsed|might be a duplicate")
INSTALLATION_SECONDS = 300


class NotMeasuredError(Exception):
    """It could not be installed here, or does not run; the message says which."""


@dataclass(frozen=True)
class Outcome:
    """What became of the rows.

    Attributes:
        kept: rows in its database.
        imported, skipped: what its output counts.
        skipped_with_reason: the rows that were left out and whose output says why.
    """

    kept: int
    imported: int
    skipped: int
    skipped_with_reason: int


def install(folder: Path) -> Path:
    """Install it below a folder; its command.

    Raises:
        NotMeasuredError: it cannot be installed.
    """
    python = folder / "bin" / "python"
    commands: tuple[list[str | Path], ...] = (
        [sys.executable, "-m", "venv", folder],
        [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", PACKAGE],
    )
    for command in commands:
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=INSTALLATION_SECONDS)
        except (OSError, subprocess.SubprocessError) as error:
            said = (getattr(error, "stderr", None) or b"").decode(errors="replace").splitlines()
            why = said[-1].strip() if said else str(error)
            raise NotMeasuredError(f"{PACKAGE} could not be installed: {why}") from None
    return python.with_name("maloja")


def import_history(command: Path, data: Path, exports: Path) -> tuple[Cost, Outcome]:
    """Import all histories of a folder into a new data folder.

    Raises:
        NotMeasuredError: it failed.
    """
    data.mkdir()
    printed, answers = data / "printed.txt", data / "answers.txt"
    answers.write_text("y\n")  # to whether it is to import the other files of the folder, too
    first = min(exports.iterdir())
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(data),
        "MALOJA_DATA_DIRECTORY": str(data),
        "PYTHONIOENCODING": "utf-8",
        "TZ": "UTC",
    }
    try:
        cost = run([command, "import", first], environment, printed, answers)
    except subprocess.CalledProcessError as error:
        raise NotMeasuredError(f"{PACKAGE} failed: {error}") from None
    text = printed.read_text("utf-8")
    counts = {name: re.search(pattern, text) for name, pattern in COUNTED.items()}
    known = {name: int(found[1]) for name, found in counts.items() if found}
    if known.keys() != COUNTED.keys():
        raise NotMeasuredError(f"{PACKAGE} did not say what it did")
    with closing(sqlite3.connect(data / "malojadb.sqlite")) as connection:
        (kept,) = connection.execute("select count(*) from scrobbles").fetchone()
    return cost, Outcome(kept, **known, skipped_with_reason=len(REASON.findall(text)))
