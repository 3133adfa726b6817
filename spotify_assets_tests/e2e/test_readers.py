"""Whoever reads the marts never notices that they are being rebuilt."""

import hashlib
import json
import sqlite3
import subprocess
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import select

from spotify_assets import times
from spotify_assets.sandbox.server import Sandbox
from spotify_assets.settings import CHECKOUT
from spotify_assets.warehouse.loading import Batch, Load, write_load
from spotify_assets.warehouse.pending import RECENTLY_PLAYED
from spotify_assets.warehouse.tables import raw_recently_played
from spotify_assets_tests.models.building import ingest
from spotify_assets_tests.support import COMMAND, User, user_of

MOST_BUILDS = 6  # each with more plays than the one before, for machines that are faster
MINUTE = timedelta(minutes=1)
# A view that measures the whole history when it is read: read once in each build.
MEASURES_ALL_PLAYS = "mart_source_agreement"


@dataclass(frozen=True)
class Length:
    """How many plays a load has, how long a model must take for reads in it to count, and how many.

    A read is of all marts.
    """

    plays: int
    seconds: float
    reads: int


SHORT = Length(plays=10_000, seconds=0, reads=30)
# Two such loads make a model take 2 s on a laptop.
LONG = Length(plays=60_000, seconds=2, reads=100)


class Listening:
    """Somebody who hears a track a minute for months, and has the models built by hand."""

    def __init__(self, user: User, length: Length) -> None:
        self.user, self.length = user, length
        self.warehouse = ingest(user.settings)
        self.rows = [dict(row._mapping) for row in self.warehouse.read(select(raw_recently_played))]
        self.until = times.from_text(min(row["played_at"] for row in self.rows))

    def load_older_plays(self) -> None:
        """One load of plays that end before all those before."""
        plays = [self._play(number) for number in range(1, self.length.plays + 1)]
        load = Load(
            source=RECENTLY_PLAYED,
            account_id=plays[0]["account_id"],
            page_id=None,
            batches=[Batch(len(plays), pd.DataFrame(plays, dtype=object), pd.DataFrame())],
        )
        write_load(self.warehouse.writer(), raw_recently_played, load)
        self.until -= len(plays) * MINUTE

    def _play(self, number: int) -> dict[str, Any]:
        row = self.rows[number % len(self.rows)]
        played_at = times.to_text(self.until - number * MINUTE)
        row_key = hashlib.sha256(f"{played_at} {row['track_uri']}".encode()).hexdigest()
        return {**row, "played_at": played_at, "row_key": row_key, "payload": "{}"}

    @property
    def artifacts(self) -> Path:
        """Where dbt leaves what it did."""
        return self.user.settings.dbt_target / "by-hand"

    def start_dbt(self, *options: str) -> "subprocess.Popen[bytes]":
        """Build all models, as somebody would at a prompt."""
        folders = ["--target-path", str(self.artifacts), "--log-path", str(self.artifacts)]
        return subprocess.Popen(
            [COMMAND.with_name("spotify-assets-dbt"), "run", *folders, *options],
            env={**self.user.environment, "DBT_PROFILES_DIR": str(CHECKOUT / "dbt_project")},
            cwd=CHECKOUT / "dbt_project",
            stdout=subprocess.DEVNULL,
        )

    def marts(self) -> list[str]:
        """The names of the tables and views that people read."""
        nodes = json.loads((self.artifacts / "manifest.json").read_text())["nodes"].values()
        models = [node["name"] for node in nodes if node["resource_type"] == "model"]
        return [name for name in models if name.startswith(("fct_", "dim_", "mart_"))]

    def spans_of_models(self) -> list[tuple[datetime, datetime]]:
        """From when to when each model was built that took long enough."""
        results = json.loads((self.artifacts / "run_results.json").read_text())["results"]
        assert {result["status"] for result in results} == {"success"}
        return [
            (times.from_text(step["started_at"]), times.from_text(step["completed_at"]))
            for result in results
            if result["execution_time"] >= self.length.seconds
            for step in result["timing"]
            if step["name"] == "execute"
        ]


def count(path: Path, table: str) -> int:
    """What anybody would do, with the settings that Python comes with."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        rows: int = connection.execute(f'select count(*) from "{table}"').fetchone()[0]
    return rows


@pytest.fixture(
    scope="module",
    params=[SHORT, pytest.param(LONG, marks=pytest.mark.soak)],
    ids=["short", "long"],
)
def listening(
    still_spotify: Sandbox, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Listening:
    user = user_of(still_spotify.environment(), tmp_path_factory.mktemp("readers") / "user")
    user.log_in("mira")
    listening = Listening(user, request.param)
    listening.load_older_plays()
    assert listening.start_dbt().wait(900) == 0
    return listening


def read_while_building(
    listening: Listening, marts: Mapping[str, int], *options: str
) -> tuple[dict[str, int], int]:
    """Read every mart over and over while dbt builds: the counts, how often in a model's time."""
    counts, moments = dict(marts), list[datetime]()
    building = listening.start_dbt(*options)
    while building.poll() is None:
        for name, before in counts.items():
            if moments and name == MEASURES_ALL_PLAYS:
                continue
            counts[name] = count(listening.user.settings.warehouse_path, name)
            assert counts[name] >= before, name
        moments.append(times.now())
    assert building.returncode == 0
    spans = listening.spans_of_models()
    return counts, sum(
        any(begun <= moment <= ended for begun, ended in spans) for moment in moments
    )


@pytest.mark.parametrize(
    "options",
    [[], pytest.param(["--full-refresh"], marks=pytest.mark.soak)],
    ids=["as ever", "full refresh"],
)
def test_readers_meet_no_error_and_no_lower_count_while_models_are_rebuilt(
    listening: Listening, options: list[str]
) -> None:
    path = listening.user.settings.warehouse_path
    counts, reads = {name: count(path, name) for name in listening.marts()}, 0
    assert len(counts) >= 3
    assert counts["fct_plays"] > listening.length.plays
    for _ in range(MOST_BUILDS):
        listening.load_older_plays()
        counts, within = read_while_building(listening, counts, *options)
        print(f"{within} reads of {counts}")
        reads += within
        if reads >= listening.length.reads:
            return
    pytest.fail(f"only {reads} reads while models were built")
