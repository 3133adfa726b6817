"""Death at a change of each kind: the few renames of a refresh are as likely as its many writes."""

from itertools import chain

import pytest

from spotify_assets.sandbox.server import Sandbox
from spotify_assets_tests.e2e.killing import KINDS, Killing, compiled, deaths


@pytest.fixture(scope="module")
def killing(still_spotify: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Killing:
    folder = tmp_path_factory.mktemp("kills-by-kind")
    killing = Killing(still_spotify, compiled(folder), folder, tmp_path_factory)
    assert killing.never_killed  # where that fails, here is the place to say so
    return killing


@pytest.mark.parametrize(
    ("kind", "share", "whom"),
    # At any change means at a write or a sync, nearly always: those are tried beside this.
    chain.from_iterable(
        deaths(kind, few=int(kind in ("rename", "unlink")), many=10) for kind in KINDS
    ),
)
def test_a_refresh_killed_at_any_change_of_one_kind_is_completed_by_the_next(
    killing: Killing, kind: str, share: float, whom: str
) -> None:
    user = killing.kill(kind, share, whom, f"{kind}-{share}")
    killing.assert_that_the_next_refresh_completes(user)
