"""Weeks of the same listening through the sensor's ticks and Dagster's runs, most of which die."""

import sqlite3
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from spotify_assets import times
from spotify_assets.definitions import defs
from spotify_assets.defs.models import assets as models
from spotify_assets.defs.operations.killed_runs import process_tags
from spotify_assets.defs.refreshing import open_instance
from spotify_assets.defs.resources import SpotifyResource, WarehouseResource
from spotify_assets.defs.sensors import recently_played_sensor
from spotify_assets.spotify.recently_played import SHORTEST_LISTED
from spotify_assets.spotify.state import State
from spotify_assets_tests.simulation import history as simulation
from spotify_assets_tests.simulation.history import History, one_clock_and_a_window
from spotify_assets_tests.simulation.test_months_of_listening import check
from spotify_assets_tests.support import contents, sandbox, user_of

WEEKS = 3
RUNS = 1  # that lives while time passes; about ten seconds each


class UnderDagster(History):
    """The same history, whose looks are ticks, and whose drains are runs if they come to life."""

    def __init__(self, instance: dg.DagsterInstance, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.instance = instance
        self.statuses: list[bool] = []
        self.job = ""  # that the sensor asked for last

    def look(self) -> bool:
        now = self.spotify.clock.now()
        visible = self.visible()
        asked_for = self.tick()
        (account,) = State(self.user.settings.state_path).accounts()
        answered = account.last_look_at == times.to_text(now) and not account.last_look_error
        if answered:
            self.oracle.looked(now, visible, visible[: self.shown])
        self.happened["asked for a run"] += asked_for
        if asked_for and len(self.statuses) < RUNS and self.happened["asked for a run"] % 20 == 10:
            self.run()
        return answered

    def tick(self) -> bool:
        """Whether the sensor asks for a run; one that is asked for and never starts has died."""
        resources = {"spotify": SpotifyResource(), "warehouse": WarehouseResource()}
        with dg.build_sensor_context(instance=self.instance, resources=resources) as context:
            answer = recently_played_sensor(context)
        if isinstance(answer, dg.RunRequest):
            self.job = str(answer.job_name)
        return isinstance(answer, dg.RunRequest)

    def run(self, job: str = "", **models_config: bool) -> None:
        job, config = job or self.job, {"dbt_models": {"config": models_config}}
        if job != "models_job":
            config["raw__recently_played"] = {"config": {"look": False}}
        done = defs.resolve_job_def(job).execute_in_process(
            instance=self.instance,
            run_config={"ops": config},
            tags=process_tags(),
            raise_on_error=False,
        )
        self.statuses.append(done.success)

    def drain(self) -> None:
        """Runs do that."""


def fact_rows(path: Path) -> tuple[int, int]:
    """How many plays the fact holds, and how many it should by the rule of half a minute."""
    with closing(sqlite3.connect(path)) as connection:
        query = "select account_id, track_uri, played_at from raw_recently_played order by 1, 2, 3"
        rows = [(uri, times.from_text(end)) for _, uri, end in connection.execute(query)]
        folded = sum(
            before[0] == after[0] and after[1] - before[1] < SHORTEST_LISTED
            for before, after in pairwise(rows)
        )
        (facts,) = connection.execute("select count(*) from fct_plays").fetchone()
    return facts, len(rows) - folded


def models_of(path: Path) -> dict[str, Any]:
    tables = contents(path)
    return {name: rows for name, rows in tables.items() if name.startswith(("fct_", "mart_"))}


@pytest.mark.soak
def test_three_weeks_of_ticks_and_runs_account_for_every_play(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulation, "LOOK_EVERY", 8 * simulation.LOOK_EVERY)
    with sandbox(listeners=("mira",)) as spotify:
        user = user_of(spotify.environment(), tmp_path / "listener")
        for name, value in user.settings.environment().items():
            monkeypatch.setenv(name, value)
        with open_instance(user.settings) as instance:
            history = UnderDagster(instance, spotify, user, 6, WEEKS * 7)
            with one_clock_and_a_window(history):
                user.log_in("mira")
                history.live()
                history.look()  # so that no tick below shows what the oracle has not seen
                with monkeypatch.context() as patch:
                    patch.setattr(models, "build_arguments", dies)
                    history.run()  # killed between the raw write and the models
                assert history.tick(), "what a dead run left is not asked for"
                history.run()
                assert not history.tick()
                check(history)
                path = user.settings.warehouse_path
                facts, wanted = fact_rows(path)
                assert facts == wanted
                history.run("models_job")
                built = models_of(path)
                assert built["mart_coverage"]
                history.run("models_job", full_refresh=True)
                assert models_of(path) == built
            assert history.statuses == [*[True] * RUNS, False, True, True, True]
            finished = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE}
            assert {run.status for run in instance.get_runs()} == finished
    oracle = history.oracle
    assert any(gap.lost for gap in oracle.gaps)
    assert oracle.overtaken
    assert oracle.late_kept


def dies(*_: object, **__: object) -> list[str]:
    raise RuntimeError("the process is gone")
