"""Death at any change of a file: the next refresh gives the tables of one never killed."""

import pytest

from spotify_assets.sandbox.server import Sandbox
from spotify_assets_tests.e2e.killing import Killing, compiled, deaths


@pytest.fixture(scope="module")
def killing(still_spotify: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Killing:
    folder = tmp_path_factory.mktemp("kills")
    killing = Killing(still_spotify, compiled(folder), folder, tmp_path_factory)
    assert killing.never_killed  # where that fails, here is the place to say so
    return killing


@pytest.mark.parametrize(("kind", "share", "whom"), deaths("change", few=2, many=60))
def test_a_refresh_killed_at_any_change_is_completed_by_the_next(
    killing: Killing, kind: str, share: float, whom: str
) -> None:
    user = killing.kill(kind, share, whom, f"killed-{share}")
    killing.assert_that_the_next_refresh_completes(user)
    if whom == "self":  # costs a second, and is the same for all
        assert user.run("refresh").stdout.startswith("No new plays since")
