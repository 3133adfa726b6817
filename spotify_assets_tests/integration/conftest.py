"""An ephemeral Dagster instance, and a user whose settings are those of this process."""

from collections.abc import Iterator

import dagster as dg
import pytest

from spotify_assets_tests.support import User


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.fixture
def present(user: User, monkeypatch: pytest.MonkeyPatch) -> User:
    """The user as the one whom this process works for."""
    for name, value in user.settings.environment().items():
        monkeypatch.setenv(name, value)
    return user
