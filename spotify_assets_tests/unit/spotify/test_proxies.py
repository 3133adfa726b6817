"""A proxy of the environment: it knows no way to this machine, and must not see its tokens."""

from collections.abc import Callable

import pytest

from spotify_assets.settings import Settings
from spotify_assets.spotify.landing import look_at_all
from spotify_assets.spotify.retrying import Retrying
from spotify_assets.spotify.state import Account, State


def test_a_sandbox_on_this_machine_is_reached_past_any_proxy(
    settings: Settings,
    state: State,
    log_in: Callable[..., Account],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    log_in("mira")
    (look,) = look_at_all(settings, state, Retrying.never())
    assert (look.error, look.new_page) == (None, True)
