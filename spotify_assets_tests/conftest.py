"""Fixtures of the tests that go through more than one room."""

import json
import os
import shutil
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from spotify_assets.sandbox.server import Sandbox
from spotify_assets_tests.support import FirstRefresh, User, sandbox, user_of

# Under nohup, or as a background job of a shell, this process ignores Ctrl-C, and so would all
# commands that a test starts and then ends by it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# What is read from screens is written alike on every machine.
os.environ["SPOTIFY_LOCALE"] = "en-GB"


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
def first_refresh(still_spotify: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> FirstRefresh:
    """A refresh from the command line, in Berlin."""
    zone = {"SPOTIFY_TIMEZONE": "Europe/Berlin"}
    # A name with what means something to a shell, in SQL, in a pattern and in a URL.
    folder = tmp_path_factory.mktemp("refreshed") / "it's mira & söhne #1; 100 %"
    somebody = user_of({**still_spotify.environment(), **zone}, folder)
    somebody.log_in("mira", "jonas")
    done = somebody.run("refresh", "--json")
    assert done.returncode == 0, done.stderr
    return FirstRefresh(somebody, json.loads(done.stdout))


@pytest.fixture
def refreshed_user(first_refresh: FirstRefresh) -> User:
    """Who made that refresh; tests only read."""
    return first_refresh.user


@pytest.fixture
def copied_user(refreshed_user: User, tmp_path: Path) -> User:
    """The same in a data folder of the test's own."""
    settings = refreshed_user.settings
    shutil.copytree(settings.data.parent, tmp_path / "user")
    return User(
        replace(
            settings,
            data=tmp_path / "user" / settings.data.name,
            dagster_home=tmp_path / "user" / settings.dagster_home.name,
        )
    )


@pytest.fixture(scope="session")
def samples() -> Path:
    """A folder with recorded answers of Spotify."""
    folder = os.environ.get("SPOTIFY_SAMPLES")
    if not folder:
        pytest.skip("SPOTIFY_SAMPLES names no folder with recorded answers of Spotify")
    return Path(folder)
