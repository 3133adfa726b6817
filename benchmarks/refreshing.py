"""What a refresh with 50 new plays costs: beside what it must do, and on a hundred times the plays.

Whole processes, in turn. What it must do is dbt's build of the same models, and importing the
definitions. Nobody is logged in, so that no network is in it: the pages are landed beforehand.
"""

import json
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from itertools import count
from pathlib import Path
from unittest import mock

from benchmarks.processes import Cost, run
from benchmarks.stored import END, LISTENERS, listed_item
from spotify_assets.settings import Settings
from spotify_assets.spotify.state import State
from spotify_assets.warehouse.dbt_command import PROJECT_DIR, dbt_executable
from spotify_assets.warehouse.draining import undrained_loads
from spotify_assets.warehouse.loading import write_load
from spotify_assets.warehouse.tables import raw_recently_played
from spotify_assets.warehouse.warehouse import Warehouse

FEW, MANY = 20_000, 2_000_000
ROUNDS = 5
NEW_PLAYS = 50
WANTED, WANTED_FOR_MANY = 1.3, 1.25
SPACING = timedelta(minutes=4)
COMMAND = Path(sys.executable).with_name("spotify-assets")


class World:
    """A data folder, and what is done with it."""

    def __init__(self, folder: Path) -> None:
        self.environment = {
            **{name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"},
            "SPOTIFY_ASSETS_DATA": str(folder),
        }
        self.environment.pop("PYTHONDONTWRITEBYTECODE", None)
        with mock.patch.dict(os.environ, self.environment):
            self.settings = Settings.load()
        self.pages = pages()

    def build(self, plays: int) -> Cost:
        """Make so many plays in the new folder, and all models of them; the cost of the models."""
        folder = self.settings.data
        folder.mkdir()
        run([sys.executable, "-m", "benchmarks.stored", folder, str(plays)], self.environment)
        self.settings.make_data_folder()
        return self.dbt("run")

    def dbt(self, *arguments: str) -> Cost:
        """A dbt command on it."""
        target = self.settings.data / "target"
        project = ("--project-dir", PROJECT_DIR, "--profiles-dir", PROJECT_DIR)
        artifacts = ("--target-path", target, "--log-path", target)
        environment = {**self.environment, **self.settings.environment()}
        environment["SPOTIFY_ASSETS_TESTS"] = "touched days"
        return run([dbt_executable(), *arguments, *project, *artifacts], environment)

    def land(self) -> None:
        """Land a page of new plays, as a look does."""
        with mock.patch.dict(os.environ, self.environment):
            state = State(self.settings.state_path)
            with suppress(ValueError):
                state.add_account(LISTENERS[0])
            assert state.land(LISTENERS[0], next(self.pages), END + timedelta(days=90))

    def load(self) -> None:
        """Load what was landed, without modelling it."""
        state, warehouse = State(self.settings.state_path), Warehouse(self.settings.warehouse_path)
        for load in undrained_loads(state, warehouse):
            write_load(warehouse.writer(), raw_recently_played, load)

    def refresh(self) -> Cost:
        """A refresh that has news."""
        self.land()
        answer = self.settings.data / "answer.json"
        cost = run([COMMAND, "refresh", "--json"], self.environment, output=answer)
        assert json.loads(answer.read_bytes())["rows_loaded"] == NEW_PLAYS
        return cost

    def least(self) -> Cost:
        """What a refresh must do: dbt's build of the same models, and importing the definitions."""
        self.land()
        self.load()
        of_the_day = ("tag:daily", "tag:slow", "config.severity:warn")
        built = self.dbt("build", "--exclude", *of_the_day, "--exclude-resource-type", "unit_test")
        environment = {**self.environment, **self.settings.environment()}
        imported = run([sys.executable, "-c", "import spotify_assets.definitions"], environment)
        return Cost(
            wall=built.wall + imported.wall,
            processor=built.processor + imported.processor,
            peak=max(built.peak, imported.peak),
        )


def pages() -> Iterator[str]:
    """Pages of fifty plays, each after the one before; some tracks are new to the API."""
    for page in count():
        plays = range(page * NEW_PLAYS, (page + 1) * NEW_PLAYS)
        items = [listed_item(play * 7, END + SPACING * play) for play in plays]
        yield json.dumps({"items": items[::-1]})


def main() -> None:
    """Print both ratios."""
    with tempfile.TemporaryDirectory() as folder:
        few, many = World(Path(folder) / "few"), World(Path(folder) / "many")
        few.build(FEW)
        first = many.build(MANY)
        print(
            f"first build of all models at {MANY:,} plays\n  {first.wall:.0f} s, of processors"
            f" {first.processor:.0f} s, {first.peak / 1e6:.0f} MB at its peak"
        )
        for world in (few, many):  # the first ones warm up
            world.refresh()
            world.least()
        refreshes, least, larger = [], [], []
        for _ in range(ROUNDS):
            refreshes.append(few.refresh().processor)
            least.append(few.least().processor)
            larger.append(many.refresh().processor)
        compare(
            f"a refresh with {NEW_PLAYS} new plays on {FEW:,} / dbt's build of the same models and "
            "importing the definitions",
            refreshes,
            least,
            WANTED,
        )
        compare(
            f"a refresh with {NEW_PLAYS} new plays on {MANY:,} / on {FEW:,}",
            larger,
            refreshes,
            WANTED_FOR_MANY,
        )


def compare(title: str, ours: list[float], other: list[float], wanted: float) -> None:
    """Print the medians of processor time and the median ratio."""
    ratio = statistics.median(a / b for a, b in zip(ours, other, strict=True))
    print(
        f"{title}\n  processor time {statistics.median(ours):.2f} s / "
        f"{statistics.median(other):.2f} s; {ratio:.2f} x, wanted at most {wanted}"
    )


if __name__ == "__main__":
    main()
