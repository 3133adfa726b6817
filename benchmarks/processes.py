"""What a process costs from its start to its end: time, and memory at its peak."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PEAK_UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class Cost:
    """Seconds on the wall, seconds of processors in user and system mode, and bytes at the peak."""

    wall: float
    processor: float
    peak: int


def run(
    command: Sequence[str | Path],
    environment: Mapping[str, str],
    output: Path = Path(os.devnull),
    answers: Path = Path(os.devnull),
) -> Cost:
    """Run a command to its end.

    Linux counts into a child's peak what its parent held when it started it. So this process must
    stay smaller than what it measures.

    Args:
        output: where to what it prints goes.
        answers: a file of what it is told.

    Raises:
        subprocess.CalledProcessError: it failed. What it had to say was printed.
    """
    started = time.perf_counter()
    with (
        output.open("wb") as stdout,
        answers.open("rb") as stdin,
        tempfile.TemporaryFile() as stderr,
    ):
        process = subprocess.Popen(
            command, env=environment, stdin=stdin, stdout=stdout, stderr=stderr
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            stderr.seek(0)
            print(stderr.read().decode(errors="replace"), file=sys.stderr)
            raise subprocess.CalledProcessError(process.returncode, command)
    return Cost(
        wall=time.perf_counter() - started,
        processor=usage.ru_utime + usage.ru_stime,
        peak=usage.ru_maxrss * PEAK_UNIT,
    )
