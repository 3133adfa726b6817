"""Whoever finds a database or the warehouse taken waits for it, says so, and goes on."""

import contextlib
import logging
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import dagster as dg
import psutil
import pytest

from spotify_assets.warehouse.warehouse import Warehouse
from spotify_assets_tests.e2e.killing import statuses
from spotify_assets_tests.support import User, contents, wait_for

# Another of our processes: writes, says so, and goes on until its input ends.
WRITER = """
import sys
from pathlib import Path
from spotify_assets.warehouse.lock import writing
with writing(Path(sys.argv[1]), "an import"):
    print("writing", flush=True)
    sys.stdin.read()
"""

Refreshing = subprocess.Popen[str]


@contextmanager
def foreign_writer(database: Path) -> Iterator[None]:
    """A program that is none of ours holds a database's write lock."""
    with closing(sqlite3.connect(database, timeout=60, isolation_level=None)) as connection:
        connection.execute("begin immediate")
        yield
        connection.execute("rollback")


@contextmanager
def writer_of_ours(locks: Path) -> Iterator[int]:
    """Another of our processes holds the right to write; its process id."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, locks],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "writing\n"
            yield process.pid
        finally:
            process.communicate("")


def rows(database: Path, table: str) -> int:
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
        count: int = connection.execute(f"select count(*) from {table}").fetchone()[0]
    return count


def has_open(process: Refreshing, file: Path) -> bool:
    return str(file) in {opened.path for opened in psutil.Process(process.pid).open_files()}


def dbt_of(process: Refreshing) -> psutil.Process | None:
    """The dbt child of a refresh, once there is one."""
    with contextlib.suppress(psutil.NoSuchProcess):
        for child in psutil.Process(process.pid).children(recursive=True):
            if any("spotify-assets-dbt" in word for word in child.cmdline()):
                return child
    return None


def holds_the_lock(user: User, process: Refreshing) -> bool:
    holder = user.settings.locks / "writer.holder"
    return holder.exists() and f"(process {process.pid})" in holder.read_text()


def assert_that_it_goes_on_waiting(process: Refreshing, seconds: int) -> None:
    if seconds:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(seconds)
    assert process.poll() is None


# No time at all is no less strict: each lock is held until the refresh is known to stand at it.
@pytest.mark.parametrize("seconds", [0, pytest.param(60, marks=pytest.mark.soak)])
def test_a_refresh_waits_wherever_another_writes_and_then_succeeds(
    user: User, caplog: pytest.LogCaptureFixture, seconds: int
) -> None:
    user.log_in("mira")
    settings = user.settings
    Warehouse(settings.warehouse_path).writer()
    log_file = settings.data / "refresh.log"

    with contextlib.ExitStack() as others, caplog.at_level(logging.INFO, "spotify_assets.sandbox"):
        ours = others.enter_context(writer_of_ours(settings.locks))
        psutil.Process(ours).suspend()  # as by Ctrl-Z: it holds its lock and does nothing
        with foreign_writer(settings.state_path):
            refreshing = user.start("refresh")
            # Spotify has answered, and the answer cannot be landed.
            wait_for(lambda: "/me/player/recently-played 200" in caplog.text)
            wait_for(lambda: has_open(refreshing, settings.state_path))
            assert_that_it_goes_on_waiting(refreshing, seconds)
            assert rows(settings.state_path, "landed_pages") == 0

        assert refreshing.stderr is not None
        assert refreshing.stderr.readline().strip() == f"Waiting for an import (process {ours})."
        assert_that_it_goes_on_waiting(refreshing, seconds)
        assert rows(settings.state_path, "landed_pages") == 1

        with foreign_writer(settings.warehouse_path):
            psutil.Process(ours).resume()
            others.close()
            # It is the one writer now, and cannot write.
            wait_for(lambda: holds_the_lock(user, refreshing))
            wait_for(lambda: has_open(refreshing, settings.warehouse_path))
            assert_that_it_goes_on_waiting(refreshing, seconds)
            assert rows(settings.warehouse_path, "loads") == 0

        wait_for(lambda: dbt_of(refreshing))
        with foreign_writer(settings.warehouse_path):
            # dbt has begun one model more than it could build.
            built = rows(settings.warehouse_path, "model_watermarks")
            wait_for(lambda: log_file.read_text().count(" START sql ") > built)
            assert_that_it_goes_on_waiting(refreshing, seconds)
            assert rows(settings.warehouse_path, "model_watermarks") == built
            assert rows(settings.warehouse_path, "loads") == 1

        said, complaints = refreshing.communicate(timeout=300)
    assert refreshing.returncode == 0, complaints
    assert complaints.strip() == ""  # it said once for whom it waits
    assert "50 read = 50 loaded" in said
    assert len(contents(settings.warehouse_path)["fct_plays"]) == 50


@pytest.mark.soak  # two of them, one killed, are in every run
def test_refreshes_at_once_take_turns_and_none_fails(user: User) -> None:
    user.log_in("mira", "jonas")
    crowd = [user.start("refresh") for _ in range(5)]
    ended = [process.communicate(timeout=300) for process in crowd]
    assert [process.returncode for process in crowd] == [0] * 5, ended
    waited = [stderr for _, stderr in ended if "Waiting for the Dagster run" in stderr]
    assert len(waited) == 4
    assert set(statuses(user)) == {dg.DagsterRunStatus.SUCCESS}
    assert len(contents(user.settings.warehouse_path)["raw_recently_played"]) == 100


@pytest.mark.parametrize("victim", ["holder", "its dbt"])
def test_who_waits_goes_on_when_the_holder_or_its_dbt_is_killed(user: User, victim: str) -> None:
    user.log_in("mira", "jonas")
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
