"""Staying away for as long as Spotify asked, in every process, and no longer than that."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from spotify_assets import times
from spotify_assets.settings import Settings
from spotify_assets.spotify import recently_played
from spotify_assets.spotify.errors import RateLimited, SpotifyError
from spotify_assets.spotify.landing import look, look_at_all
from spotify_assets.spotify.login import login
from spotify_assets.spotify.retrying import Retrying
from spotify_assets.spotify.state import Identity, State
from spotify_assets.spotify.token_store import Token, TokenStore

if TYPE_CHECKING:
    from spotify_assets_tests.unit.conftest import Reply, Serve, Server

    NewToken = Callable[..., Token]

QUOTA = {"error": {"status": 429, "message": "Too many requests", "reason": "QUOTA_EXCEEDED"}}
PAGE: Reply = (200, {}, b'{"items": []}')


def quota_exceeded(retry_after: object) -> Reply:
    return (429, {"Retry-After": str(retry_after)}, json.dumps(QUOTA).encode())


@pytest.fixture
def known(state: State, store: TokenStore, new_token: NewToken) -> None:
    """Two accounts with logins."""
    for name in ("jonas", "mira"):
        token = new_token()
        state.attach(Identity(name, None, None), None, token.authorized_at)
        store.save(name, token)


def at(settings: Settings, server: Server) -> Settings:
    return replace(settings, api_url=server.url, accounts_url=server.url)


def shift(settings: Settings, by: timedelta) -> None:
    """Let the block have begun earlier, as if that much time had passed since."""
    with closing(sqlite3.connect(settings.state_path)) as connection, connection:
        rows = connection.execute("select rowid, blocked_at, blocked_until from blocked_calls")
        for rowid, *span in rows.fetchall():
            moved = [times.to_text(times.from_text(text) - by) for text in span]
            connection.execute(
                "update blocked_calls set blocked_at = ?, blocked_until = ? where rowid = ?",
                (*moved, rowid),
            )


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("retrying", [Retrying.never, Retrying.patient])
def test_a_long_retry_after_keeps_every_account_and_process_away_until_it_is_over(
    retrying: Callable[[], Retrying], serve: Serve, settings: Settings, state: State
) -> None:
    server = serve(quota_exceeded(79_892), PAGE)
    settings = at(settings, server)
    first, second = look_at_all(settings, state, retrying())
    assert first.error is not None
    assert "(QUOTA_EXCEEDED)" in first.error
    assert second.error == first.error
    later = look_at_all(settings, State(settings.state_path), retrying())
    assert all("stay away until" in str(done.error) for done in later)
    assert len(server.seen) == 1
    shift(settings, timedelta(seconds=79_880))
    assert look(settings, state, "mira", retrying()).error is not None
    assert len(server.seen) == 1
    shift(settings, timedelta(seconds=12))
    assert look(settings, state, "mira", retrying()).error is None
    assert len(server.seen) == 2


@pytest.mark.usefixtures("known")
def test_the_hour_until_which_to_stay_away_is_told_on_the_listeners_clock(
    serve: Serve, settings: Settings, state: State
) -> None:
    settings = replace(at(settings, serve(quota_exceeded(7200))), timezone="Asia/Kathmandu")
    look(settings, state, "mira", Retrying.never())
    until = times.to_text(datetime.now(UTC) + timedelta(hours=2))
    error = str(look(settings, state, "mira", Retrying.never()).error)
    assert times.local(until, "Asia/Kathmandu")[:13] in error  # to the hour


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize(("header", "is_kept"), [("60", False), ("61", True), ("soon", False)])
def test_only_what_is_too_long_to_be_waited_out_is_kept(
    header: str, is_kept: bool, serve: Serve, settings: Settings, state: State
) -> None:
    server = serve(quota_exceeded(header), PAGE)
    settings = at(settings, server)
    look(settings, state, "mira", Retrying.never())
    assert (look(settings, state, "mira", Retrying.never()).error is not None) == is_kept


@pytest.mark.usefixtures("known")
def test_nobody_is_asked_to_stay_away_for_longer_than_a_day(
    serve: Serve, settings: Settings, state: State
) -> None:
    # 999,999,999 s are thirty years, after one odd answer.
    server = serve(quota_exceeded(999_999_999), PAGE)
    settings = at(settings, server)
    look(settings, state, "mira", Retrying.never())
    shift(settings, timedelta(days=1, seconds=1))
    assert look(settings, state, "mira", Retrying.never()).error is None


@pytest.mark.usefixtures("known")
def test_a_clock_that_was_set_back_keeps_nobody_away_for_longer(
    serve: Serve, settings: Settings, state: State
) -> None:
    server = serve(quota_exceeded(7200), PAGE)
    settings = at(settings, server)
    look(settings, state, "mira", Retrying.never())
    shift(settings, -timedelta(days=400))
    assert look(settings, state, "mira", Retrying.never()).error is None


@pytest.mark.usefixtures("known")
def test_another_app_is_not_kept_away(serve: Serve, settings: Settings, state: State) -> None:
    server = serve(quota_exceeded(7200), PAGE)
    settings = at(settings, server)
    look(settings, state, "mira", Retrying.never())
    other = replace(settings, client_id="another")
    assert look(other, state, "mira", Retrying.never()).error is None


@pytest.mark.usefixtures("known")
def test_a_newer_wish_replaces_the_one_before(
    serve: Serve, settings: Settings, state: State
) -> None:
    server = serve(quota_exceeded(7200), quota_exceeded(300), PAGE)
    settings = at(settings, server)
    look(settings, state, "mira", Retrying.never())
    shift(settings, timedelta(hours=3))
    look(settings, state, "mira", Retrying.never())
    shift(settings, timedelta(seconds=301))
    assert look(settings, state, "mira", Retrying.never()).error is None


@pytest.mark.usefixtures("known")
def test_a_shorter_wish_does_not_end_a_longer_one(
    serve: Serve, settings: Settings, state: State
) -> None:
    # Two accounts are looked at side by side, and Spotify answers them differently.
    settings = at(settings, serve(PAGE))
    for seconds in (7200, 61):
        state.keep_block(
            settings.client_id, recently_played.PATH, timedelta(seconds=seconds), "rate limit"
        )
    shift(settings, timedelta(seconds=62))
    assert "stay away until" in str(look(settings, state, "mira", Retrying.never()).error)
    shift(settings, timedelta(hours=2))
    assert look(settings, state, "mira", Retrying.never()).error is None


@pytest.mark.usefixtures("known")
def test_the_token_endpoint_is_spared_too(
    serve: Serve, settings: Settings, state: State, store: TokenStore, new_token: NewToken
) -> None:
    store.save("mira", new_token(expires_at=0.0))
    server = serve((429, {"Retry-After": "7200"}, b"Too many requests"), PAGE)
    settings = at(settings, server)
    assert "stay away until" in str(look(settings, state, "mira", Retrying.never()).error)
    assert "stay away until" in str(look(settings, state, "mira", Retrying.never()).error)
    assert [seen.path for seen in server.seen] == ["/api/token"]
    assert look(settings, state, "jonas", Retrying.never()).error is None  # needs no new token


@pytest.mark.parametrize("path", ["/api/token", "/v1/me"])
def test_nobody_agrees_in_vain_while_the_login_could_not_be_finished(
    path: str, serve: Serve, settings: Settings, state: State, store: TokenStore
) -> None:
    token = {"access_token": "a", "refresh_token": "r", "expires_in": 3600}
    granted: Reply = (200, {}, json.dumps(token).encode())
    replies = [quota_exceeded(7200)] if path == "/api/token" else [granted, quota_exceeded(7200)]
    server = serve(*replies)
    settings = replace(settings, api_url=f"{server.url}/v1", accounts_url=server.url)

    def agree(address: str) -> None:
        import requests

        sent = address.partition("state=")[2].partition("&")[0]
        requests.get(f"{settings.redirect_uri}?code=c&state={sent}", timeout=10)

    with pytest.raises(RateLimited, match="stay away until"):
        login(settings, state, store, open_browser=agree)
    with pytest.raises(SpotifyError, match="stay away until"):
        login(settings, state, store, open_browser=lambda _: pytest.fail("was asked to agree"))
    assert [seen.path for seen in server.seen][-1] == path
    assert state.accounts() == []
