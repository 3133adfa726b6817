"""Housekeeping over a Dagster storage on the disk, as the daemon and the command line fill it."""

import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.compute_log_manager import ComputeIOType
from filelock import FileLock

from spotify_assets import times
from spotify_assets.covers.folder import CoverFolder
from spotify_assets.covers.wanted import albums
from spotify_assets.defs.operations.housekeeping import housekeeping_job
from spotify_assets.defs.operations.killed_runs import PROCESS_TAG, process_tags
from spotify_assets.defs.refreshing import open_instance
from spotify_assets.spotify.state import State
from spotify_assets.warehouse.pending import undrained_pages
from spotify_assets.warehouse.warehouse import Warehouse
from spotify_assets_tests.models.building import ingest
from spotify_assets_tests.support import User

NOTHING = {"landed_pages": 0, "runs": 0, "dbt_targets": 0, "bytes": 0}
LATER = timedelta(days=91)


@dg.op
def say_hello() -> None:
    print("hello")


@dg.job
def greeting() -> None:
    say_hello()


@pytest.fixture
def instance(present: User) -> Iterator[dg.DagsterInstance]:
    """The user's own instance, with its storage below his data folder."""
    with open_instance(present.settings) as opened:
        yield opened


@pytest.fixture
def pass_by(monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], None]:
    """Let time pass, counted from the beginning of the test."""
    begin = times.now()
    return lambda length: monkeypatch.setattr(times, "now", lambda: begin + length)


def greet(instance: dg.DagsterInstance) -> str:
    return greeting.execute_in_process(instance=instance).run_id


def tidy(instance: dg.DagsterInstance) -> dict[str, object]:
    """One housekeeping; what it says that it removed."""
    done = housekeeping_job.execute_in_process(instance=instance)
    (event,) = done.filter_events(lambda event: event.is_successful_output)
    metadata = event.step_output_data.metadata
    return {name.removeprefix("removed_"): entry.value for name, entry in metadata.items()}


def files_of(run_id: str, user: User) -> set[str]:
    """Every file and folder below the data folder that is named after a run."""
    data = user.settings.data
    return {path.relative_to(data).as_posix() for path in data.rglob(f"{run_id}*")}


def dbt_target(run_id: str, user: User, age: timedelta = timedelta()) -> Path:
    """What a dbt run leaves behind, 1,000 bytes of it."""
    target = user.settings.dbt_target / run_id
    (target / "compiled").mkdir(parents=True)
    (target / "compiled" / "fct_plays.sql").write_bytes(b"x" * 1000)
    moment = (times.now() - age).timestamp()
    os.utime(target, (moment, moment))
    return target


def test_where_nothing_is_there_nothing_is_removed_and_no_database_made(
    present: User, instance: dg.DagsterInstance
) -> None:
    assert tidy(instance) == NOTHING
    assert not present.settings.state_path.exists()
    assert not present.settings.warehouse_path.exists()


def test_an_old_run_goes_with_its_events_logs_and_values(
    present: User, instance: dg.DagsterInstance, pass_by: Callable[[timedelta], None]
) -> None:
    old = greet(instance)
    value = present.settings.dagster_storage / "storage" / old / "say_hello"
    value.mkdir(parents=True)
    assert files_of(old, present) == {
        f"dagster/{old}",
        f"dagster/history/runs/{old}.db",
        f"dagster/storage/{old}",
    }
    pass_by(timedelta(days=89))
    assert tidy(instance) == NOTHING
    assert instance.get_run_by_id(old)
    pass_by(LATER)
    removed = tidy(instance)
    assert removed["runs"] == 2  # with the housekeeping before
    assert isinstance(removed["bytes"], int)
    assert removed["bytes"] > 10_000
    assert instance.get_run_by_id(old) is None
    assert files_of(old, present) == set()


def test_what_a_sensors_ticks_said_goes_with_the_runs_of_its_time(
    present: User, instance: dg.DagsterInstance, pass_by: Callable[[timedelta], None]
) -> None:
    log_key = ["__repository__", "recently_played_sensor", "4711"]
    with instance.compute_log_manager.open_log_stream(log_key, ComputeIOType.STDERR):
        pass
    (path,) = present.settings.dagster_storage.rglob("4711.err")
    pass_by(timedelta(days=89))
    assert tidy(instance) == NOTHING
    assert path.exists()
    pass_by(LATER)
    tidy(instance)
    assert not path.exists()


def test_a_run_that_is_not_finished_stays_however_old_it_is(
    present: User, instance: dg.DagsterInstance, pass_by: Callable[[timedelta], None]
) -> None:
    statuses = (
        dg.DagsterRunStatus.NOT_STARTED,
        dg.DagsterRunStatus.STARTED,
        dg.DagsterRunStatus.CANCELING,
    )
    runs = [instance.create_run_for_job(greeting, status=status) for status in statuses]
    logs = present.settings.dagster_storage / runs[1].run_id / "compute_logs"
    logs.mkdir(parents=True)
    pass_by(LATER)
    assert tidy(instance) == NOTHING
    assert all(instance.get_run_by_id(run.run_id) for run in runs)
    assert logs.exists()


def test_what_a_killed_housekeeping_left_is_found_by_the_next_and_nothing_else(
    present: User, instance: dg.DagsterInstance
) -> None:
    kept, deleted = greet(instance), greet(instance)
    of_kept = files_of(kept, present)
    instance.delete_run(deleted)
    assert files_of(deleted, present)
    storage = present.settings.dagster_storage
    others = [storage / name for name in ("notes.txt", "history/runs/.db", "history/runs/index.db")]
    others[0].write_text("mine")
    others[1].touch()  # Dagster's own, for events without a run
    removed = tidy(instance)
    assert removed["runs"] == 0
    assert removed["bytes"]
    assert files_of(deleted, present) == set()
    assert files_of(kept, present) == of_kept
    assert all(other.exists() for other in others)


def test_dbt_artifacts_go_after_a_week_and_their_runs_stay(
    present: User, instance: dg.DagsterInstance
) -> None:
    run_id = greet(instance)
    old = dbt_target(run_id, present, timedelta(days=8))
    young = dbt_target(greet(instance), present, timedelta(days=6))
    by_hand = dbt_target("by-hand", present, timedelta(days=8))
    assert tidy(instance) == NOTHING | {"dbt_targets": 1, "bytes": 1000}
    assert (old.exists(), young.exists(), by_hand.exists()) == (False, True, True)
    assert instance.get_run_by_id(run_id)


def test_old_pages_go_but_for_an_accounts_newest(
    present: User, instance: dg.DagsterInstance, pass_by: Callable[[timedelta], None]
) -> None:
    present.log_in("mira", "jonas")
    ingest(present.settings)
    state = State(present.settings.state_path)
    first = {page.account_id: page for page in map(state.page, state.page_ids()) if page}
    pass_by(timedelta(days=10))
    state.land("mira", first["mira"].body + " ", None)
    ingest(present.settings)  # lands mira's page as it was once more
    assert len(state.page_ids()) == 4
    pass_by(timedelta(days=34))
    assert tidy(instance)["landed_pages"] == 0
    pass_by(timedelta(days=36))
    assert tidy(instance)["landed_pages"] == 1
    assert state.page(first["mira"].page_id) is None
    assert state.page(first["jonas"].page_id) is not None  # his newest
    pass_by(timedelta(days=60))
    assert tidy(instance)["landed_pages"] == 1
    assert len(state.page_ids()) == 2
    assert list(undrained_pages(state, Warehouse(present.settings.warehouse_path))) == []
    assert state.land("jonas", first["jonas"].body, None) is None  # still known


def test_a_page_that_no_load_holds_stays_with_all_that_came_after_it(
    present: User, instance: dg.DagsterInstance, pass_by: Callable[[timedelta], None]
) -> None:
    present.log_in("mira")
    state = State(present.settings.state_path)
    ingest(present.settings)
    pass_by(timedelta(hours=1))
    waiting = [state.land("mira", f'{{"items": [], "n": {number}}}', None) for number in range(3)]
    pass_by(LATER)
    assert tidy(instance)["landed_pages"] == 1
    assert state.page_ids() == [page.page_id for page in waiting if page]


def test_how_long_runs_and_pages_are_kept_is_a_setting(
    present: User,
    instance: dg.DagsterInstance,
    pass_by: Callable[[timedelta], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    present.log_in("mira")
    state = State(present.settings.state_path)
    state.land("mira", '{"items": []}', None)
    ingest(present.settings)
    greet(instance)
    pass_by(timedelta(days=2))
    assert tidy(instance) == NOTHING
    monkeypatch.setenv("SPOTIFY_KEEP_RUNS_DAYS", "1")
    monkeypatch.setenv("SPOTIFY_KEEP_PAGES_DAYS", "1")
    removed = tidy(instance)
    assert (removed["runs"], removed["landed_pages"]) == (2, 1)


def test_a_second_housekeeping_at_the_same_time_leaves_all_to_the_first(
    present: User, instance: dg.DagsterInstance, pass_by: Callable[[timedelta], None]
) -> None:
    old = greet(instance)
    pass_by(LATER)
    present.settings.locks.mkdir(exist_ok=True)
    with FileLock(present.settings.locks / "housekeeping.lock"):
        assert tidy(instance) == NOTHING
    assert instance.get_run_by_id(old)
    assert tidy(instance)["runs"] == 2


def test_a_backlog_goes_over_several_days_the_oldest_runs_first(
    present: User,
    instance: dg.DagsterInstance,
    pass_by: Callable[[timedelta], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs = [greet(instance) for _ in range(3)]
    monkeypatch.setattr("spotify_assets.defs.operations.housekeeping.MOST_RUNS", 2)
    pass_by(LATER)
    assert tidy(instance)["runs"] == 2
    assert [bool(instance.get_run_by_id(run_id)) for run_id in runs] == [False, False, True]


def test_a_housekeeping_that_is_killed_is_found_by_its_process(
    instance: dg.DagsterInstance,
) -> None:
    """Without the tag it would hold up the queue for hours."""
    done = housekeeping_job.execute_in_process(instance=instance)
    run = instance.get_run_by_id(done.run_id)
    assert run is not None
    assert run.tags[PROCESS_TAG] == process_tags()[PROCESS_TAG]


def test_an_instance_whose_runs_are_elsewhere_is_refused_and_nothing_goes(
    instance: dg.DagsterInstance, present: User
) -> None:
    run_id = greet(instance)
    events = present.settings.dagster_storage / "history" / "runs" / f"{run_id}.db"
    assert events.exists()
    with dg.DagsterInstance.ephemeral() as other:
        done = housekeeping_job.execute_in_process(instance=other, raise_on_error=False)
    assert not done.success
    assert events.exists()


def test_covers_of_albums_that_nobody_plays_any_more_go(
    copied_user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = CoverFolder(copied_user.settings.covers)
    for name, value in copied_user.settings.environment().items():
        monkeypatch.setenv(name, value)
    played = albums(Warehouse(copied_user.settings.warehouse_path))[0]
    for key in (played, "an album of before"):
        folder.store(key, 300, b"a picture")
    with open_instance(copied_user.settings) as own:
        removed = tidy(own)
    assert removed["bytes"] == len(b"a picture")
    assert (bool(folder.names(played)), bool(folder.names("an album of before"))) == (True, False)
