"""Death at any instant: the next refresh gives the tables of a refresh that was never killed."""

import contextlib
import random
import signal
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import psutil
import pytest

from spotify_assets.sandbox.server import Sandbox
from spotify_assets_tests.support import User, contents, need_tool, user_of, wait_for

SOURCE = Path(__file__).with_name("kill_at.c")


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that kills at the n-th change of a file."""
    compiler = need_tool("cc", "the kill test compiles a small library")
    library = tmp_path_factory.mktemp("shim") / "kill_at.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, SOURCE, "-ldl"], check=True)
    return library


@pytest.fixture
def listener(still_spotify: Sandbox, tmp_path: Path) -> Callable[[str], User]:
    """Makes users with two accounts, who have not refreshed yet."""

    def make(name: str) -> User:
        user = user_of(still_spotify.environment(), tmp_path / name)
        user.log_in("mira", "jonas")
        return user

    return make


def refresh_until(user: User, shim: Path, at: int, whom: str = "group") -> int:
    """Refresh and kill at the n-th change below the data folder; how many changes there were."""
    counter = user.settings.data.parent / "changes"
    counter.write_bytes(struct.pack("q", 0))
    user.run(
        "refresh",
        LD_PRELOAD=str(shim),
        KILL_UNDER=str(user.settings.data),
        KILL_COUNTER=str(counter),
        KILL_AT=str(at),
        KILL_WHOM=whom,
    )
    changes: int = struct.unpack("q", counter.read_bytes())[0]
    return changes


def statuses(user: User) -> list[dg.DagsterRunStatus]:
    """How Dagster says that the user's runs stand."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in user.settings.environment().items():
            patch.setenv(name, value)
        with dg.DagsterInstance.get() as instance:
            return [run.status for run in instance.get_runs()]


def assert_that_the_next_refresh_completes(user: User, never_killed: dict[str, Any]) -> None:
    done = user.run("refresh")
    assert done.returncode == 0, done.stderr
    assert contents(user.settings.warehouse_path, without=RUN_COLUMNS) == never_killed
    ended = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE}
    assert set(statuses(user)) <= ended
    assert user.run("refresh").stdout.startswith("No new plays since")


# A load that was rolled back keeps neither its number nor its page's time.
RUN_COLUMNS = ("loaded_at", "dagster_run_id", "page_id", "load_id")


def kills(listener: Callable[[str], User], shim: Path, count: int, seed: int) -> None:
    model = listener("never-killed")
    changes = refresh_until(model, shim, at=0)
    assert changes > 500  # it did count
    never_killed = contents(model.settings.warehouse_path, without=RUN_COLUMNS)
    dice = random.Random(seed)
    for number in range(count):
        user, at = listener(f"killed-{number}"), dice.randint(1, changes)
        whom = dice.choice(["group", "group", "self"])
        assert refresh_until(user, shim, at, whom) >= at or at > changes * 0.9
        print(f"killed {whom} at change {at} of {changes}")
        assert_that_the_next_refresh_completes(user, never_killed)


def test_a_refresh_killed_at_any_write_is_completed_by_the_next(
    listener: Callable[[str], User], shim: Path
) -> None:
    kills(listener, shim, count=2, seed=2026)


@pytest.mark.soak
def test_a_refresh_killed_at_twenty_writes_is_completed_by_the_next(
    listener: Callable[[str], User], shim: Path
) -> None:
    kills(listener, shim, count=20, seed=7)


def dbt_of(process: "subprocess.Popen[str]") -> psutil.Process | None:
    """The dbt child of a refresh, once there is one."""
    with contextlib.suppress(psutil.NoSuchProcess):
        for child in psutil.Process(process.pid).children(recursive=True):
            if any("spotify-assets-dbt" in word for word in child.cmdline()):
                return child
    return None


def holds_the_lock(user: User, process: "subprocess.Popen[str]") -> bool:
    holder = user.settings.locks / "writer.holder"
    return holder.exists() and f"(process {process.pid})" in holder.read_text()


def test_refreshes_at_once_take_turns_and_none_fails(listener: Callable[[str], User]) -> None:
    user = listener("crowd")
    crowd = [user.start("refresh") for _ in range(3)]
    ended = [process.communicate(timeout=300) for process in crowd]
    assert [process.returncode for process in crowd] == [0, 0, 0], ended
    waited = [stderr for _, stderr in ended if "Waiting for the Dagster run" in stderr]
    assert len(waited) == 2
    assert set(statuses(user)) == {dg.DagsterRunStatus.SUCCESS}
    assert len(contents(user.settings.warehouse_path)["raw_recently_played"]) == 100


@pytest.mark.parametrize("victim", ["holder", "its dbt"])
def test_who_waits_goes_on_when_the_holder_or_its_dbt_is_killed(
    listener: Callable[[str], User], victim: str
) -> None:
    user = listener("two")
    both = [user.start("refresh"), user.start("refresh")]
    wait_for(lambda: any(holds_the_lock(user, process) for process in both))
    holder, waiter = sorted(both, key=lambda process: not holds_the_lock(user, process))
    assert waiter.stderr is not None
    assert "Waiting for the Dagster run" in waiter.stderr.readline()
    wait_for(lambda: dbt_of(holder))
    dbt = dbt_of(holder)
    assert dbt is not None
    (holder if victim == "holder" else dbt).kill()
    _, said = holder.communicate(timeout=300)
    if victim == "holder":
        assert holder.returncode == -signal.SIGKILL
    else:
        assert holder.returncode == 1
        assert "Error: the run failed: dbt_models: " in said
        assert "Traceback" not in said
    _, said = waiter.communicate(timeout=300)
    assert waiter.returncode == 0, said
    plays = contents(user.settings.warehouse_path)
    assert len(plays["raw_recently_played"]) == len(plays["fct_plays"]) == 100
    assert len(statuses(user)) == 2
    assert sorted(status.value for status in statuses(user)) == ["FAILURE", "SUCCESS"]
