"""`make bench`: each figure is of whole processes, beside what it is compared with, in turn.

Machines differ and are noisy, so what counts is the ratio of each pair; the median is printed.
"""

import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROUNDS = 5
THIRD_PARTY = (
    "import sys; sys.modules['dbt.version'] = None; "  # as the definitions do
    "import dagster, dagster_dbt.asset_utils, dateutil.relativedelta, dotenv, filelock,"
    " oauthlib.oauth2,"
    " pandas, pandera.pandas, psutil, requests_oauthlib, sqlalchemy.dialects.sqlite"
)


@dataclass(frozen=True)
class Cost:
    """What one process cost, in seconds."""

    wall: float
    processor: float


def main() -> None:
    """Print every comparison."""
    python, command = sys.executable, str(Path(sys.executable).with_name("spotify-assets"))
    load = [python, "-c", "import spotify_assets.definitions"]
    run(load)  # makes the manifest where it is absent
    compare(
        "importing the definitions / importing the libraries that they use",
        load,
        [python, "-c", THIRD_PARTY],
        at_most=1.2,
    )
    compare("spotify-assets --help / starting Python", [command, "--help"], [python, "-c", ""])
    compare(
        "spotify-assets status / importing the libraries that it uses",
        [command, "status"],
        [
            python,
            "-c",
            "import click, cronsim, dotenv, oauthlib.oauth2, requests, rich, sqlalchemy",
        ],
    )
    for module in ("idle_tick", "backups", "importing", "refreshing", "dashboard"):
        subprocess.run([python, "-m", f"benchmarks.{module}"], check=True)


def compare(title: str, ours: list[str], other: list[str], at_most: float | None = None) -> None:
    """Run the two commands in turn and print their medians and the median ratio."""
    pairs = [(run(ours), run(other)) for _ in range(ROUNDS + 1)][1:]  # the first one warms up
    wall = statistics.median(a.wall for a, _ in pairs), statistics.median(b.wall for _, b in pairs)
    ratio = statistics.median(a.processor / b.processor for a, b in pairs)
    bound = f", wanted at most {at_most}" if at_most else ""
    print(f"{title}\n  {wall[0]:.2f} s / {wall[1]:.2f} s; processor time {ratio:.2f} x{bound}")


def run(command: list[str]) -> Cost:
    """Run a command to its end, with its children, and without what it prints."""
    environment = {name: value for name, value in os.environ.items() if name != NO_BYTECODE}
    started, before = time.perf_counter(), os.times()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    after = os.times()
    return Cost(
        wall=time.perf_counter() - started,
        processor=after.children_user
        + after.children_system
        - before.children_user
        - before.children_system,
    )


# Set by some shells, it would make every start compile our modules anew.
NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"

if __name__ == "__main__":
    main()
