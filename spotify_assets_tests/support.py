"""What tests of more than one room share: a sandbox Spotify, and users of it who run commands."""

import itertools
import os
import pickle
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import IO, Any, TypeVar

import pytest
from click.testing import CliRunner
from filelock import FileLock

from spotify_assets.cli import main
from spotify_assets.sandbox.browser import consent
from spotify_assets.sandbox.server import Sandbox, SandboxConfig
from spotify_assets.settings import CHECKOUT, Settings
from spotify_assets.spotify.login import login
from spotify_assets.spotify.state import State
from spotify_assets.spotify.token_store import TokenStore

COMMAND = Path(sys.executable).with_name("spotify-assets")
T = TypeVar("T")
PASSED_ON = ("PATH", "LANG", "TMPDIR")
NOW = datetime(2026, 3, 1, 18, 0, tzinfo=UTC)


def need_tool(name: str, reason: str) -> str:
    """The path of a system tool; without it the test is skipped, and fails under CI."""
    path = shutil.which(name)
    if path is None and os.environ.get("CI"):
        pytest.fail(f"{name} is not installed: {reason}")
    if path is None:
        pytest.skip(f"{name} is not installed: {reason}")
    return path


def _own_ports() -> Iterator[int]:
    # Below those that the system gives to outgoing connections (32768 and up on Linux), of which
    # any test beside this one makes hundreds; and a share of its own for each process of tests.
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 20
    share = range(20_000 + worker * 600, 20_600 + worker * 600)
    return itertools.cycle(share[(os.getpid() + number) % 600] for number in range(600))


_ports = _own_ports()


def free_port() -> int:
    """A port for a server that a test starts later: nothing listens there, nobody is given it."""
    for port in _ports:
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("unreachable: the ports are a cycle")


def made_once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[], T]) -> T:
    """What `make` returns; of several processes of tests one makes it, the others wait for it.

    Args:
        tmp_path_factory: pytest's.
        name: of what is made, for this run of pytest.
        make: its result can be pickled, and tests only read what it leaves on the disk.
    """
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    made = folder / f"{name}.pickle"
    with FileLock(f"{made}.lock"):
        if not made.exists():
            made.write_bytes(pickle.dumps(make()))
    result: T = pickle.loads(made.read_bytes())
    return result


class User:
    """Somebody with a data folder who runs commands; nothing of this machine's user is his."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @property
    def environment(self) -> dict[str, str]:
        """The whole environment of his commands."""
        passed = {
            name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ
        }
        home = {"HOME": str(self.settings.data.parent)}
        locale = {"SPOTIFY_LOCALE": "en-GB"}  # so that screens are alike on every machine
        return passed | home | self.settings.environment() | locale

    def start(
        self, *arguments: str, output: IO[str] | None = None, **variables: str
    ) -> "subprocess.Popen[str]":
        """Start `spotify-assets` with arguments, in a process group of its own."""
        return subprocess.Popen(
            [COMMAND, *arguments],
            env=self.environment | variables,
            cwd=self.settings.data.parent,
            stdin=subprocess.DEVNULL,
            stdout=output or subprocess.PIPE,
            stderr=output or subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        """Run `spotify-assets` to its end."""
        process = self.start(*arguments, output=None, **variables)
        stdout, stderr = process.communicate(timeout=300)
        return subprocess.CompletedProcess(arguments, process.returncode, stdout, stderr)

    def call(self, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        """Run `spotify-assets` in this process, which saves its imports: 0.5 s and more.

        Not for a command that starts a Dagster run: it changes the environment of its process.
        """
        done = CliRunner().invoke(main, arguments, env=self.environment | variables)
        return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)

    def log_in(self, *listeners: str) -> None:
        """Log listeners of the sandbox in."""
        for listener in listeners:
            login(
                self.settings,
                State(self.settings.state_path),
                TokenStore(self.settings.tokens),
                open_browser=partial(consent, listener=listener),
                tell=lambda _: None,
            )


@dataclass(frozen=True)
class FirstRefresh:
    """The first refresh of somebody with two accounts, and its answer to a program."""

    user: User
    answer: dict[str, Any]


def sandbox(**config: Any) -> Sandbox:
    """A sandbox whose clock stands still, for a context manager."""
    redirect_uri = f"http://127.0.0.1:{free_port()}/callback"
    still: dict[str, Any] = {"now": NOW, "speed": 0, "redirect_uris": (redirect_uri,)}
    return Sandbox(SandboxConfig(**still | config))


def user_of(environment: Mapping[str, str], folder: Path) -> User:
    """A user whose data, home and Dagster home are below a folder."""
    home = folder / "dagster_home"
    home.mkdir(parents=True)
    shutil.copy(CHECKOUT / "dagster_home" / "dagster.yaml", home)
    own = {"SPOTIFY_ASSETS_DATA": str(folder / "data"), "DAGSTER_HOME": str(home)}
    settings = Settings.load({**environment, **own}, env_file=None)
    settings.make_data_folder()
    return User(settings)


def contents(
    path: Path, *, without: tuple[str, ...] = ("loaded_at", "dagster_run_id")
) -> dict[str, Any]:
    """All rows of the raw, fact and mart tables and of the loads, each in a fixed order."""
    prefixes = ("raw_", "fct_", "mart_", "loads", "quarantined_rows", "coverage_", "account_zones")
    tables = {}
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        query = "select name from sqlite_master where type in ('table', 'view')"
        names = [row[0] for row in connection.execute(query)]
        for name in (name for name in names if name.startswith(prefixes)):
            rows = connection.execute(f'select * from "{name}"')
            columns = [column[0] for column in rows.description]
            kept = [i for i, column in enumerate(columns) if column not in without]
            tables[name] = sorted((tuple(row[i] for i in kept) for row in rows), key=repr)
    return tables


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    """Return as soon as something is so; fail where that takes longer."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen"
        time.sleep(0.02)
