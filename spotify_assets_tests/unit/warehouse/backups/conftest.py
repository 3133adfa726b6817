"""Data folders with backups: one with two, copied for each test, and one whose Spotify goes on."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from spotify_assets.sandbox.server import Sandbox
from spotify_assets.settings import Settings
from spotify_assets.warehouse.backups.folder import Backup, backups_in
from spotify_assets.warehouse.backups.making import back_up
from spotify_assets_tests.models.building import ingest
from spotify_assets_tests.support import User, sandbox, user_of


@pytest.fixture(scope="session")
def backed_up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[User]:
    """Somebody whose plays were backed up, before and after a second account came; not changed."""
    with sandbox() as spotify:
        user = user_of(spotify.environment(), tmp_path_factory.mktemp("backed-up") / "user")
        for listener in ("mira", "jonas"):
            user.log_in(listener)
            ingest(user.settings)
            back_up(user.settings)
        yield user


@pytest.fixture
def owner(backed_up: User, tmp_path: Path) -> User:
    """That somebody, in a folder of the test's own."""
    home = tmp_path / "user"
    shutil.copytree(backed_up.settings.data.parent, home)
    settings = replace(backed_up.settings, data=home / "data", dagster_home=home / "dagster_home")
    return User(settings)


@pytest.fixture
def backup(owner: User) -> Backup:
    """The newest of the two backups."""
    return backups_in(owner.settings.backups)[0]


@pytest.fixture
def busy_spotify() -> Iterator[Sandbox]:
    """A sandbox of the test's own, whose listeners play all day."""
    with sandbox(always_on=True) as running:
        yield running


@pytest.fixture
def listener(busy_spotify: Sandbox, tmp_path: Path) -> Settings:
    """Settings of somebody with fifty plays and a backup of them."""
    user = user_of(busy_spotify.environment(), tmp_path / "user")
    user.log_in("mira")
    ingest(user.settings)
    back_up(user.settings)
    return user.settings
