"""Fixtures of the tests that go through more than one room."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from spotify_assets.sandbox.server import Sandbox
from spotify_assets_tests.support import User, sandbox, user_of

# Under nohup, or as a background job of a shell, this process ignores Ctrl-C, and so would all
# commands that a test starts and then ends by it.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def still_spotify() -> Iterator[Sandbox]:
    """A sandbox whose clock stands still and that no test changes."""
    with sandbox() as server:
        yield server


@pytest.fixture
def user(still_spotify: Sandbox, tmp_path: Path) -> User:
    """Somebody who has not logged in yet."""
    return user_of(still_spotify.environment(), tmp_path / "user")


@pytest.fixture(scope="session")
def refreshed_user(still_spotify: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> User:
    """Somebody with two accounts and one refresh, from the command line; tests only read."""
    somebody = user_of(still_spotify.environment(), tmp_path_factory.mktemp("refreshed") / "user")
    somebody.log_in("mira", "jonas")
    done = somebody.run("refresh")
    assert done.returncode == 0, done.stderr
    return somebody


@pytest.fixture(scope="session")
def samples() -> Path:
    """A folder with recorded answers of Spotify."""
    folder = os.environ.get("SPOTIFY_SAMPLES")
    if not folder:
        pytest.skip("SPOTIFY_SAMPLES names no folder with recorded answers of Spotify")
    return Path(folder)
