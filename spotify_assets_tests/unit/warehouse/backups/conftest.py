"""A data folder with two backups, copied for each test."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

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
