"""One writer at a time, in any process, and nobody waits for the dead."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from spotify_assets.warehouse.lock import dbt_lock, writing

# Takes a lock, says so, and lets go when its input ends.
HOLD = """
import sys
from pathlib import Path
from spotify_assets.warehouse.lock import dbt_lock, writing
with {lock}:
    print("held", flush=True)
    sys.stdin.read()
"""
WRITER = "writing(Path(sys.argv[1]), 'another run')"
DBT = "dbt_lock(Path(sys.argv[1]))"

Hold = Callable[[str], "subprocess.Popen[str]"]


@pytest.fixture
def locks(tmp_path: Path) -> Path:
    return tmp_path / "data" / "locks"


@pytest.fixture
def hold(locks: Path) -> Iterator[Hold]:
    """A process that holds a lock."""
    processes: list[subprocess.Popen[str]] = []

    def start(lock: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD.format(lock=lock), str(locks)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


class Waiter:
    """Somebody who wants to write, in a thread of their own."""

    def __init__(self, locks: Path) -> None:
        self.is_writing = threading.Event()
        self.finish = threading.Event()
        self.thread = threading.Thread(target=self._write, args=(locks,), daemon=True)
        self.thread.start()

    def _write(self, locks: Path) -> None:
        with writing(locks, "the waiter"):
            self.is_writing.set()
            self.finish.wait(30)

    def end(self) -> None:
        self.finish.set()
        self.thread.join(30)


class Said(logging.Handler):
    """What was logged, and a way to wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []
        self.spoke = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())
        self.spoke.set()


@pytest.fixture
def said() -> Iterator[Said]:
    handler = Said()
    log = logging.getLogger("spotify_assets.warehouse.lock")
    log.addHandler(handler)
    yield handler
    log.removeHandler(handler)


def is_free(locks: Path) -> bool:
    try:
        with FileLock(locks / "writer.lock", timeout=0):
            return True
    except Timeout:
        return False


def test_a_second_process_cannot_write(locks: Path, hold: Hold) -> None:
    holder = hold(WRITER)
    assert not is_free(locks)
    holder.communicate("", timeout=10)
    assert is_free(locks)


@pytest.mark.parametrize("kill", [False, True], ids=["ends", "is killed"])
def test_a_waiter_says_once_for_whom_it_waits_and_goes_on_when_the_holder(
    kill: bool, locks: Path, hold: Hold, said: Said
) -> None:
    holder = hold(WRITER)
    waiter = Waiter(locks)
    assert said.spoke.wait(10)
    assert not waiter.is_writing.is_set()
    if kill:
        holder.send_signal(signal.SIGKILL)
    else:
        holder.communicate("", timeout=10)
    assert waiter.is_writing.wait(10)
    assert not is_free(locks)
    waiter.end()
    assert is_free(locks)
    assert said.messages == [f"Waiting for another run (process {holder.pid})."]


def test_after_the_holder_was_killed_nobody_waits(locks: Path, hold: Hold, said: Said) -> None:
    holder = hold(WRITER)
    holder.send_signal(signal.SIGKILL)
    holder.wait(10)
    with writing(locks, "the next"):
        pass
    assert said.messages == []


def test_a_writer_waits_for_the_dbt_of_a_killed_run(locks: Path, hold: Hold, said: Said) -> None:
    # dbt outlives its killed parent: it once committed 17 s later.
    dbt = hold(DBT)
    waiter = Waiter(locks)
    assert said.spoke.wait(10)
    assert not waiter.is_writing.is_set()
    dbt.send_signal(signal.SIGKILL)
    assert waiter.is_writing.wait(10)
    waiter.end()
    assert said.messages == ["Waiting for a run that was killed, whose dbt goes on."]


def test_who_waits_behind_that_writer_hears_of_it(locks: Path, hold: Hold, said: Said) -> None:
    hold(DBT)
    first = Waiter(locks)
    assert said.spoke.wait(10)
    said.spoke.clear()
    second = Waiter(locks)
    assert said.spoke.wait(10)
    assert said.messages == ["Waiting for a run that was killed, whose dbt goes on."] * 2
    assert not first.is_writing.is_set()
    assert not second.is_writing.is_set()


def test_a_writer_lets_its_own_dbt_run(locks: Path) -> None:
    with writing(locks, "a run"), dbt_lock(locks).acquire(timeout=0):
        pass


def test_a_writer_that_fails_lets_go(locks: Path) -> None:
    with pytest.raises(RuntimeError), writing(locks, "a run"):
        raise RuntimeError
    assert is_free(locks)


def test_the_holder_is_named_with_its_process(locks: Path) -> None:
    with writing(locks, "refresh größe"):
        named = (locks / "writer.holder").read_text("utf-8")
    assert named == f"refresh größe (process {os.getpid()})"


def test_a_holder_without_a_name_is_another_writer(locks: Path, hold: Hold, said: Said) -> None:
    hold(WRITER)
    (locks / "writer.holder").unlink()
    waiter = Waiter(locks)
    assert said.spoke.wait(10)
    assert said.messages == ["Waiting for another writer."]
    assert not waiter.is_writing.is_set()


def test_waiting_ends_at_ctrl_c(locks: Path, hold: Hold) -> None:
    hold(WRITER)
    script = HOLD.format(lock="writing(Path(sys.argv[1]), 'impatient')")
    waiter = subprocess.Popen(
        [sys.executable, "-c", script, str(locks)], stderr=subprocess.PIPE, text=True
    )
    assert waiter.stderr is not None
    assert "Waiting for another run" in waiter.stderr.readline()
    waiter.send_signal(signal.SIGINT)
    assert "KeyboardInterrupt" in waiter.communicate(timeout=10)[1]
    assert waiter.returncode != 0
