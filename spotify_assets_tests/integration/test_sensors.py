"""Sensors and schedules against a real sandbox, real databases and an ephemeral instance."""

import gc
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import dagster as dg
import psutil
import pytest

from spotify_assets import times
from spotify_assets.definitions import defs
from spotify_assets.defs.ingestion.assets import RecentlyPlayedConfig, recently_played
from spotify_assets.defs.operations.killed_runs import (
    PROCESS_TAG,
    TAGGED,
    fail_killed_runs,
    process_tags,
)
from spotify_assets.defs.resources import SpotifyResource, WarehouseResource
from spotify_assets.defs.schedules import daily_refresh
from spotify_assets.defs.schedules import models as models_schedule
from spotify_assets.defs.sensors import killed_runs_sensor, models_sensor, recently_played_sensor
from spotify_assets.sandbox.server import Sandbox
from spotify_assets.spotify.state import State
from spotify_assets.timetable import daemon_is_running
from spotify_assets.warehouse.draining import load_of
from spotify_assets.warehouse.loading import write_load
from spotify_assets.warehouse.pending import models, undrained_pages
from spotify_assets.warehouse.tables import model_watermarks, raw_recently_played
from spotify_assets.warehouse.warehouse import Warehouse
from spotify_assets_tests.support import User, sandbox, user_of

Outcome = dg.RunRequest | dg.SkipReason


def tick(
    instance: dg.DagsterInstance, sensor: dg.SensorDefinition = recently_played_sensor
) -> Outcome:
    """What a sensor says now."""
    resources = {"spotify": SpotifyResource(), "warehouse": WarehouseResource()}
    with dg.build_sensor_context(instance=instance, resources=resources) as context:
        outcome = sensor(context)
    assert isinstance(outcome, dg.RunRequest | dg.SkipReason)
    return outcome


def said(outcome: Outcome) -> str:
    assert isinstance(outcome, dg.SkipReason)
    return str(outcome.skip_message)


def drain(user: User) -> None:
    """What a run of the raw asset does, without the run."""
    state, warehouse = State(user.settings.state_path), Warehouse(user.settings.warehouse_path)
    for page in list(undrained_pages(state, warehouse)):
        write_load(warehouse.writer(), raw_recently_played, load_of(page))


def build_models(user: User) -> None:
    """What dbt's hooks write when every model has been built."""
    warehouse = Warehouse(user.settings.warehouse_path)
    with warehouse.writer().begin() as connection:
        connection.execute(model_watermarks.delete())
        for model in models():
            connection.execute(model_watermarks.insert().values(model=model, load_id=10**6))


def run_of(instance: dg.DagsterInstance, status: dg.DagsterRunStatus, **tags: str) -> dg.DagsterRun:
    job = defs.resolve_job_def("refresh_job")
    return instance.create_run_for_job(job_def=job, status=status, tags=tags)


def test_before_any_login_the_sensor_says_how_to_log_in(
    present: User, instance: dg.DagsterInstance
) -> None:
    assert "spotify-assets login" in said(tick(instance))


def test_new_plays_are_landed_and_ask_for_one_run_without_another_look(
    present: User, instance: dg.DagsterInstance
) -> None:
    present.log_in("mira")
    request = tick(instance)
    assert isinstance(request, dg.RunRequest)
    assert request.run_key is None
    assert request.run_config["ops"]["raw__recently_played"]["config"] == {"look": False}
    assert len(State(present.settings.state_path).page_ids()) == 1


@pytest.mark.soak
def test_a_thousand_looks_leave_no_descriptor_no_thread_and_no_memory_behind(
    tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sensor looks in the code server, which lives for weeks."""
    process = psutil.Process()

    def held() -> tuple[int, int, int]:
        gc.collect()
        return process.num_fds(), process.num_threads(), process.memory_info().rss

    with sandbox(always_on=True) as spotify:
        user = user_of(spotify.environment(), tmp_path / "user")
        for name, value in user.settings.environment().items():
            monkeypatch.setenv(name, value)
        user.log_in("mira", "jonas")
        for number in range(1, 1201):
            spotify.clock.advance(timedelta(minutes=15))
            tick(instance)
            if number % 20 == 0:  # or what waits to be loaded would grow
                drain(user)
            if number == 200:
                before = held()
        after = held()
    print(before, after)
    assert after[0] <= before[0] + 5
    assert after[1] <= before[1] + 3
    assert after[2] < before[2] + 30_000_000


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTED])
def test_no_second_run_is_asked_for_while_one_is_queued_or_running(
    present: User, instance: dg.DagsterInstance, status: dg.DagsterRunStatus
) -> None:
    present.log_in("mira")
    run_of(instance, status)
    assert "queued or running" in said(tick(instance))


def test_a_failed_run_is_asked_for_again(present: User, instance: dg.DagsterInstance) -> None:
    present.log_in("mira")
    assert isinstance(tick(instance), dg.RunRequest)
    run_of(instance, dg.DagsterRunStatus.FAILURE)
    assert isinstance(tick(instance), dg.RunRequest)


def test_a_load_that_was_not_modelled_asks_for_a_run(
    present: User, instance: dg.DagsterInstance
) -> None:
    """A run that dies between the raw write and the models leaves nothing new on Spotify."""
    present.log_in("mira")
    tick(instance)
    drain(present)
    assert isinstance(tick(instance), dg.RunRequest)
    build_models(present)
    assert said(tick(instance)).startswith("No new plays since 2026-03-01")


def test_a_model_that_was_never_built_asks_for_a_run(
    present: User, instance: dg.DagsterInstance
) -> None:
    present.log_in("mira")
    tick(instance)
    drain(present)
    build_models(present)
    with Warehouse(present.settings.warehouse_path).writer().begin() as connection:
        connection.execute(
            model_watermarks.delete().where(model_watermarks.c.model == "mart_top_artists")
        )
    assert isinstance(tick(instance), dg.RunRequest)


def test_a_play_that_ends_later_is_news(
    tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sandbox(always_on=True) as spotify:
        user = make(spotify, tmp_path, monkeypatch)
        user.log_in("mira")
        tick(instance)
        drain(user)
        build_models(user)
        assert "No new plays" in said(tick(instance))
        spotify.clock.advance(timedelta(minutes=30))
        assert isinstance(tick(instance), dg.RunRequest)


def make(spotify: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> User:
    user = user_of(spotify.environment(), tmp_path / "listener")
    for name, value in user.settings.environment().items():
        monkeypatch.setenv(name, value)
    return user


def test_an_account_that_cannot_be_read_is_named_and_the_others_are_served(
    present: User, instance: dg.DagsterInstance
) -> None:
    present.log_in("mira", "jonas")
    (present.settings.tokens / "jonas.json").unlink()
    assert isinstance(tick(instance), dg.RunRequest)
    drain(present)
    build_models(present)
    assert said(tick(instance)).startswith("jonas: jonas has no stored login.")


def test_one_account_can_be_asked_for_alone(present: User, instance: dg.DagsterInstance) -> None:
    present.log_in("mira", "jonas")
    state = State(present.settings.state_path)
    spotify, warehouse = SpotifyResource(), WarehouseResource()
    with pytest.raises(dg.Failure, match="There is no account 'mria'. Here are: jonas, mira."):
        recently_played(RecentlyPlayedConfig(accounts=["mria", "mira"]), spotify, warehouse)
    assert state.page_ids() == []
    recently_played(RecentlyPlayedConfig(accounts=["jonas"]), spotify, warehouse)
    asked = {one.account_id: one.last_look_at is not None for one in state.accounts()}
    assert asked == {"mira": False, "jonas": True}


def test_an_import_is_modelled_by_the_models_sensor_alone(
    present: User, instance: dg.DagsterInstance
) -> None:
    present.log_in("mira")
    tick(instance)
    state, warehouse = (
        State(present.settings.state_path),
        Warehouse(present.settings.warehouse_path),
    )
    (page,) = undrained_pages(state, warehouse)
    load = load_of(page)
    assert "Every import" in said(tick(instance, models_sensor))
    imported = replace(load, source="streaming_history", page_id=None)
    write_load(warehouse.writer(), raw_recently_played, imported)
    assert isinstance(tick(instance, models_sensor), dg.RunRequest)
    run_of(instance, dg.DagsterRunStatus.STARTED)
    assert "queued or running" in said(tick(instance, models_sensor))


def test_the_schedules_skip_where_there_is_nothing_to_do(
    present: User, instance: dg.DagsterInstance
) -> None:
    resources = {"spotify": SpotifyResource(), "warehouse": WarehouseResource()}

    def due(schedule: dg.ScheduleDefinition) -> object:
        with dg.build_schedule_context(instance=instance, resources=resources) as context:
            return schedule(context)

    assert isinstance(due(daily_refresh), dg.SkipReason)
    assert isinstance(due(models_schedule), dg.SkipReason)
    present.log_in("mira")
    tick(instance)
    drain(present)
    assert isinstance(due(daily_refresh), dg.RunRequest)
    assert isinstance(due(models_schedule), dg.RunRequest)
    build_models(present)
    assert isinstance(due(models_schedule), dg.SkipReason)


def test_a_live_run_outlives_a_step_of_the_machines_clock(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Psutil derives a start from the boot time, which moves when the clock is set."""
    run_of(instance, dg.DagsterRunStatus.STARTED, **process_tags())
    created = psutil.Process.create_time
    monkeypatch.setattr(psutil.Process, "create_time", lambda process: created(process) + 3)
    assert fail_killed_runs(instance) == []


def test_a_run_that_was_killed_before_it_had_a_process_is_marked_failed_minutes_later(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert {*defs.get_repository_def().job_names} - {"__ASSET_JOB"} == TAGGED
    started = run_of(instance, dg.DagsterRunStatus.STARTED)
    run_of(instance, dg.DagsterRunStatus.STARTING)
    assert fail_killed_runs(instance) == []
    now = times.now()
    monkeypatch.setattr(times, "now", lambda: now + timedelta(minutes=6))
    assert fail_killed_runs(instance) == [started.run_id]


def test_a_run_whose_process_is_gone_is_marked_failed_and_no_other(
    present: User, instance: dg.DagsterInstance
) -> None:
    command = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        born = psutil.Process(process.pid).create_time()
    own, started_at, _, *here = process_tags()[PROCESS_TAG].split("@")
    dead = "@".join([str(process.pid), f"{born:.2f}", *here])
    reused = "@".join([own, f"{born - 1000:.2f}", *here])
    elsewhere = "@".join([str(process.pid), started_at, *here[:-1], "another-machine"])
    in_a_container = "@".join([str(process.pid), started_at, "4026539999", *here[1:]])
    started = dg.DagsterRunStatus.STARTED
    gone = run_of(instance, started, **{PROCESS_TAG: dead})
    recycled = run_of(instance, started, **{PROCESS_TAG: reused})
    alive = run_of(instance, started, **process_tags())
    unknown = run_of(instance, started)
    others = [
        run_of(instance, started, **{PROCESS_TAG: tag}) for tag in (elsewhere, in_a_container)
    ]
    ended = run_of(instance, dg.DagsterRunStatus.SUCCESS, **{PROCESS_TAG: dead})
    assert set(fail_killed_runs(instance)) == {gone.run_id, recycled.run_id}

    def status(run: dg.DagsterRun) -> dg.DagsterRunStatus:
        found = instance.get_run_by_id(run.run_id)
        assert found is not None
        return found.status

    assert status(gone) is status(recycled) is dg.DagsterRunStatus.FAILURE
    assert status(alive) is status(unknown) is started
    assert {status(run) for run in others} == {started}  # nobody here can tell whether they live
    assert status(ended) is dg.DagsterRunStatus.SUCCESS
    assert not daemon_is_running(present.settings)
    assert "No run was killed" in said(tick(instance, killed_runs_sensor))
    assert daemon_is_running(present.settings)
