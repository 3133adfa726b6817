"""Alerts of failed runs: real ticks of the sensor, over runs as the command line makes them."""

import json
import logging
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import psutil
import pytest

from spotify_assets import alerting
from spotify_assets.defs.operations.alerts import run_failure_sensor
from spotify_assets_tests.support import User, wait_for

TELLS = """
import json, os, sys
told = [sys.argv[2:], sys.stdin.read(), os.environ]
with open(sys.argv[1], "a") as file:
    print(json.dumps([*told[:2], dict(told[2])]), file=file)
print("x" * 100_000)
"""
# It starts a process of its own, says which, and hangs with it.
HANGS = 'tail -f /dev/null & echo $! > "$0"; wait'


class Daemon:
    """What ticks the sensor and keeps its cursor."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self._cursor: str | None = None
        self.tick()  # from here on it hears of what fails

    def tick(self) -> str | None:
        """What it told of in this tick, or None."""
        # A sensor has a code location, runs of the command line have none.
        context = dg.build_sensor_context(
            instance=self.instance, cursor=self._cursor, repository_name="__repository__"
        )
        data = run_failure_sensor.evaluate_tick(context)
        self._cursor = data.cursor
        message = data.skip_message or ""
        return message if message.startswith("The run ") else None

    def fail(self, error: Exception, name: str = "breaking_job") -> dg.ExecuteInProcessResult:
        """A run without a code location that fails."""

        @dg.op
        def breaks() -> None:
            raise error

        @dg.job(name=name)
        def breaking() -> None:
            breaks()

        return breaking.execute_in_process(instance=self.instance, raise_on_error=False)


@pytest.fixture
def daemon(present: User, instance: dg.DagsterInstance) -> Daemon:
    return Daemon(instance)


@pytest.fixture
def errors(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """The lines that are errors in the project's log."""
    lines: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    logger, handler = logging.getLogger("spotify_assets"), Handler(logging.ERROR)
    logger.addHandler(handler)
    yield lines
    logger.removeHandler(handler)


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file into which the alert command writes each time that it was told something."""
    path = tmp_path / "told folder" / "told"
    path.parent.mkdir()
    be(monkeypatch, sys.executable, "-c", TELLS, str(path))
    return path


def be(monkeypatch: pytest.MonkeyPatch, *command: str) -> None:
    monkeypatch.setenv("SPOTIFY_ALERT_COMMAND", shlex.join(command))


def alerts_in(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def has_ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_failed_run_of_the_command_line_is_told_of_once_with_its_reason_and_the_next_step(
    daemon: Daemon, told: Path, errors: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPOTIFY_CLIENT_SECRET", "a-secret")
    run = daemon.fail(ValueError("no such\n table: \x1b[31mraw\0"), name="refresh_job")
    message = daemon.tick()
    ((arguments, stdin, environment),) = alerts_in(told)
    assert arguments == [message]
    assert stdin == message
    assert errors == [message]
    assert message is not None
    assert message.startswith(f"The run {run.run_id[:8]} of refresh_job failed: breaks: ")
    assert "no such table: [31mraw" in message
    assert "spotify-assets dev" in message
    assert "SPOTIFY_CLIENT_SECRET" not in environment
    assert environment["SPOTIFY_CLIENT_ID"]
    assert "a-secret" not in json.dumps(environment)
    assert daemon.tick() is None
    assert len(alerts_in(told)) == 1


@pytest.mark.parametrize(
    "reason",
    [
        "$(touch {}) `touch {}`; touch {}",
        "--output={}",
        "\ud800 of no text",
        "\u202eA\r\nTo: all\x85",
    ],
)
def test_a_hostile_reason_is_one_argument_of_one_line(
    reason: str, daemon: Daemon, told: Path, tmp_path: Path
) -> None:
    made = tmp_path / "made"
    daemon.fail(ValueError(reason.format(*[made] * reason.count("{}"))))
    message = daemon.tick()
    assert message is not None
    assert message.isprintable()
    assert alerts_in(told)[0][:2] == [[message], message]
    assert not made.exists()


def test_each_failed_run_has_a_tick_of_its_own(daemon: Daemon, told: Path) -> None:
    for name in ("one", "two", "three"):
        daemon.fail(ValueError("no"), name)
    messages = [daemon.tick() or "" for _ in range(3)]
    assert [message.split()[4] for message in messages] == ["one", "two", "three"]
    assert [alert[1] for alert in alerts_in(told)] == messages


def test_a_run_that_ended_well_is_not_told_of(daemon: Daemon, told: Path) -> None:
    @dg.job
    def fine() -> None: ...

    fine.execute_in_process(instance=daemon.instance)
    assert daemon.tick() is None
    assert alerts_in(told) == []


def test_a_run_that_was_killed_is_told_of_with_that_reason(daemon: Daemon, told: Path) -> None:
    @dg.job
    def killed() -> None: ...

    run = daemon.instance.create_run_for_job(killed, status=dg.DagsterRunStatus.STARTED)
    daemon.instance.report_run_failed(run, "Its process is gone: killed.")
    message = daemon.tick() or ""
    assert "of killed failed: Its process is gone: killed. " in message
    assert alerts_in(told)[0][1] == message


def test_a_long_reason_is_cut(daemon: Daemon, told: Path) -> None:
    daemon.fail(ValueError("pages of dbt " * 1000))
    assert len(daemon.tick() or "") < 400 + 200


def test_without_a_command_the_log_alone_tells(daemon: Daemon, errors: list[str]) -> None:
    daemon.fail(ValueError("no"))
    assert [daemon.tick()] == errors


@pytest.mark.parametrize(
    ("command", "trouble"),
    [
        (["/no/such/command", "https://a-secret"], "/no/such/command cannot be run: No such file"),
        ([sys.executable, "-c", "import sys; sys.exit(3)", "a-secret"], "ended with 3."),
        (["/", "a-secret"], "/ cannot be run: Permission denied"),
    ],
)
def test_a_command_that_is_missing_or_fails_is_logged_and_the_next_run_is_told_of(
    command: list[str],
    trouble: str,
    daemon: Daemon,
    errors: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    be(monkeypatch, *command)
    daemon.fail(ValueError("no"))
    message = daemon.tick()
    assert errors[0] == message
    assert trouble in errors[1]
    assert "a-secret" not in "".join(errors)
    assert daemon.tick() is None


def test_a_command_that_hangs_is_ended_with_what_it_started(
    daemon: Daemon, errors: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = tmp_path / "child"
    be(monkeypatch, "sh", "-c", HANGS, str(child))
    monkeypatch.setattr(alerting, "ALERT_SECONDS", 3)
    daemon.fail(ValueError("no"))
    assert daemon.tick()
    assert "took over 3 s" in errors[1]
    pid = int(child.read_text())
    wait_for(lambda: has_ended(pid), seconds=20)
    assert daemon.tick() is None
