"""Databases, WAL, scratch, archives and Dagster's storage on one small disk that fills up.

Whatever there is room for: a clear error or success, nothing lost, and it works again with room.
"""

import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from spotify_assets import database
from spotify_assets.sandbox.server import Sandbox
from spotify_assets.spotify.state import State
from spotify_assets.warehouse.backups.folder import newest_backup
from spotify_assets.warehouse.pending import has_unmodelled_loads, undrained_pages
from spotify_assets.warehouse.warehouse import Warehouse
from spotify_assets_tests.models.building import ingest
from spotify_assets_tests.support import User, contents, need_tool, sandbox, user_of

MB = 2**20
DISK = 160 * MB
STEPS = 20
RUN_COLUMNS = ("loaded_at", "dagster_run_id", "page_id", "load_id")


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty disk of its own, in memory."""
    mount = need_tool("mount", "the test fills a small disk")
    folder = tmp_path_factory.mktemp("disk")
    mounted = subprocess.run(
        [mount, "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip(f"a disk cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture(scope="module")
def busy_spotify() -> Iterator[Sandbox]:
    with sandbox(always_on=True) as running:
        yield running


@pytest.fixture(scope="module")
def listener(disk: Path, busy_spotify: Sandbox) -> User:
    """Somebody on the small disk, who backed up and has listened on since."""
    user = user_of(busy_spotify.environment(), disk / "user")
    user.log_in("mira")
    ingest(user.settings)
    assert user.run("backup").returncode == 0
    busy_spotify.clock.advance(timedelta(hours=1))
    ingest(user.settings)
    return user


class Ballast:
    """A file that leaves so much room on a disk."""

    def __init__(self, disk: Path) -> None:
        self._disk, self._file = disk, disk / "ballast"

    def leave(self, free: int) -> None:
        self.drop()
        while (more := shutil.disk_usage(self._disk).free - free) > 0:
            with self._file.open("ab") as file:
                file.write(bytes(more))

    def drop(self) -> None:
        self._file.unlink(missing_ok=True)


@pytest.fixture
def ballast(disk: Path) -> Iterator[Ballast]:
    ballast = Ballast(disk)
    yield ballast
    ballast.drop()


def tables(user: User) -> dict[str, Any]:
    """What came in; a model may be older than that, and the next refresh builds it."""
    found = contents(user.settings.warehouse_path, without=RUN_COLUMNS)
    return {name: rows for name, rows in found.items() if not name.startswith(("fct_", "mart_"))}


def assert_clear(done: "subprocess.CompletedProcess[str]") -> None:
    """It succeeded, or said in one line that there was no room."""
    assert "Traceback" not in done.stdout + done.stderr
    if done.returncode != 0:
        assert done.returncode == 1
        said = done.stderr.lower()
        assert any(words in said for words in ("no space", "is full", "be full", "make room")), said


def assert_sound(user: User) -> int:
    """Both databases are whole, nothing temporary is left; the number of the newest good backup."""
    settings = user.settings
    assert database.fault(settings.warehouse_path) is None
    assert database.fault(settings.state_path) is None
    assert not settings.scratch.exists()
    assert list(settings.data.rglob("*.partial")) == []
    newest = newest_backup(settings.backups)
    assert newest is not None
    return newest.contents.number


def sweep(user: User, ballast: Ballast, steps: int, most: float, *command: str) -> None:
    """Run a command with less and less room, from so many bytes on, and at last with enough."""
    newest, before, codes = assert_sound(user), tables(user), []
    for step in reversed(range(steps)):
        ballast.leave(int(most * step / (steps - 1)))
        done = user.run(*command)
        assert_clear(done)
        ballast.drop()  # a reader of a WAL wants a file beside it
        assert tables(user) == before
        assert assert_sound(user) >= newest
        newest = assert_sound(user)
        codes.append(done.returncode)
    print(codes)
    assert (codes[0], codes[-1]) == (0, 1), "the disk was always full, or never"
    ballast.drop()
    done = user.run(*command)
    assert done.returncode == 0, done.stderr
    assert tables(user) == before
    assert_sound(user)


@pytest.mark.parametrize(
    ("steps", "most", "command"),
    [
        (8, 1.6 * MB, ("backup",)),
        pytest.param(STEPS, 1.6 * MB, ("backup",), marks=pytest.mark.soak),
        (3, 12 * MB, ("restore", "--yes")),
        pytest.param(STEPS, 12 * MB, ("restore", "--yes"), marks=pytest.mark.soak),
    ],
)
def test_on_a_disk_that_fills_up_a_command_says_so_and_loses_nothing(
    listener: User, ballast: Ballast, steps: int, most: float, command: tuple[str, ...]
) -> None:
    sweep(listener, ballast, steps, most, *command)


@pytest.mark.soak
def test_refreshes_on_a_disk_that_fills_up_lose_nothing_that_landed(
    listener: User, busy_spotify: Sandbox, ballast: Ballast
) -> None:
    """Dagster's storage is on that disk, too."""
    state = State(listener.settings.state_path)
    warehouse = Warehouse(listener.settings.warehouse_path)
    codes, plays = [], len(tables(listener)["raw_recently_played"])
    for step in reversed(range(STEPS)):
        busy_spotify.clock.advance(timedelta(minutes=20))
        ballast.leave(12 * MB * step // (STEPS - 1))
        done = listener.run("refresh")
        assert "Traceback" not in done.stdout + done.stderr
        assert done.returncode == 0 or "Error: " in done.stderr
        ballast.drop()  # a reader of a WAL wants a file beside it
        assert_sound(listener)
        assert len(tables(listener)["raw_recently_played"]) >= plays
        plays = len(tables(listener)["raw_recently_played"])
        codes.append(done.returncode)
    print(codes)
    assert {0, 1} == set(codes)
    ballast.drop()
    done = listener.run("refresh")
    assert done.returncode == 0, done.stderr
    assert list(undrained_pages(state, warehouse)) == []
    assert not has_unmodelled_loads(warehouse)
    assert len(tables(listener)["raw_recently_played"]) > plays
