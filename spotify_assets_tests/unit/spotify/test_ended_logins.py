"""Logins that Spotify ends or refuses: what is believed at once, what only after a while."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from spotify_assets.sandbox.browser import consent
from spotify_assets.sandbox.server import Sandbox
from spotify_assets.settings import Settings
from spotify_assets.spotify import transport
from spotify_assets.spotify.landing import look
from spotify_assets.spotify.login import login
from spotify_assets.spotify.oauth import OAuthApp
from spotify_assets.spotify.retrying import Retrying
from spotify_assets.spotify.state import Account, EndedLogin, Identity, State
from spotify_assets.spotify.token_store import Token, TokenStore

if TYPE_CHECKING:
    from spotify_assets_tests.unit.conftest import Reply, Serve, Server

    LogIn = Callable[..., Account]
    NewToken = Callable[..., Token]

SCOPE = {"error": {"status": 403, "message": "Insufficient client scope"}}
REFUSED: Reply = (403, {}, json.dumps(SCOPE).encode())
PAGE: Reply = (200, {}, b'{"items": []}')
REVOKED: Reply = (
    400,
    {},
    b'{"error": "invalid_grant", "error_description": "Refresh token revoked"}',
)


@pytest.fixture
def known(state: State, store: TokenStore, new_token: NewToken) -> None:
    """An account whose access token has expired."""
    token = new_token(expires_at=0.0)
    state.attach(Identity("mira", None, None), None, token.authorized_at)
    store.save("mira", token)


@pytest.fixture
def fresh(store: TokenStore, known: None, new_token: NewToken) -> None:
    """The same account with an access token that is good."""
    store.save("mira", new_token())


def at(settings: Settings, server: Server) -> Settings:
    return replace(settings, api_url=server.url, accounts_url=server.url)


def error_of_look(settings: Settings, state: State) -> str | None:
    return look(settings, state, "mira", Retrying.never()).error


def needs_login(state: State) -> bool:
    (account,) = state.accounts()
    return account.needs_login


@pytest.mark.usefixtures("known")
def test_an_ended_login_is_marked_and_never_asked_for_again(
    serve: Serve, settings: Settings, state: State, store: TokenStore
) -> None:
    server = serve(REVOKED)
    settings = at(settings, server)
    before = store.load("mira")
    words = "no longer accepts this login (invalid_grant: Refresh token revoked)"
    assert words in str(error_of_look(settings, state))
    assert needs_login(state)
    assert words in str(error_of_look(settings, State(settings.state_path)))
    assert [seen.path for seen in server.seen] == ["/api/token"]
    assert store.load("mira") == before  # nothing is deleted: an incident may have said it


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize(
    "reply",
    [
        (400, {}, b'{"error": "invalid_client"}'),
        (503, {}, b'{"error": "invalid_grant"}'),
        (200, {}, b"{}"),
        (401, {}, b""),
        (403, {}, b'{"error": "invalid_grant"}'),
        (200, {}, b'{"access_token": "a", "expires_in": 1e999}'),
        (200, {}, b'{"access_token": "a", "expires_in": -' + b"9" * 4000 + b"}"),
        (200, {}, b'{"access_token": "a", "expires_in": -1}'),
    ],
)
def test_any_other_failure_to_refresh_ends_no_login(
    reply: Reply, serve: Serve, settings: Settings, state: State
) -> None:
    settings = at(settings, serve(reply))
    assert error_of_look(settings, state)
    assert not needs_login(state)


def test_a_login_mends_an_ended_one_and_keeps_what_was_collected(
    sandbox: Sandbox, settings: Settings, state: State, store: TokenStore, log_in: LogIn
) -> None:
    log_in("mira")
    assert error_of_look(settings, state) is None
    pages = state.page_ids()
    sandbox.revoke("mira")
    assert "spotify-assets login" in str(error_of_look(settings, state))
    assert needs_login(state)
    assert not log_in("mira").needs_login
    assert error_of_look(settings, state) is None
    assert state.page_ids() == pages


@pytest.mark.usefixtures("known")
def test_an_old_token_that_ends_while_somebody_logs_in_does_not_end_the_new_login(
    serve: Serve, settings: Settings, state: State, store: TokenStore, new_token: NewToken
) -> None:
    # A process that read the old token asks with it after the new login was stored.
    settings = at(settings, serve(PAGE))
    of_the_app = OAuthApp(settings).name
    state.end_login("mira", EndedLogin(f"2026-01-01T00:00:00.000Z {of_the_app}", "invalid_grant"))
    store.save("mira", new_token(authorized_at="2026-11-20T21:00:00.000Z"))
    assert error_of_look(settings, state) is None
    assert not needs_login(state)


@pytest.mark.usefixtures("known")
def test_a_login_that_another_app_or_host_does_not_know_is_not_ended_for_its_own(
    serve: Serve, settings: Settings, state: State, store: TokenStore, new_token: NewToken
) -> None:
    # A wrong .env, or the data folder pointed at a sandbox for a moment.
    good = at(settings, serve(PAGE))
    error_of_look(replace(at(settings, serve(REVOKED)), client_id="another"), state)
    assert needs_login(state)
    store.save("mira", new_token())
    assert error_of_look(good, state) is None
    assert not needs_login(state)


@pytest.mark.usefixtures("known")
def test_a_login_is_not_refreshed_where_no_time_is_left_to_wait_for_the_answer(
    serve: Serve,
    settings: Settings,
    state: State,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With rotation the answer, which a poller would hang up on, has the only refresh token."""
    monkeypatch.setattr(transport, "for_all_exchanges", lambda: lambda: 9.0)
    server = serve(REVOKED)
    assert "no time was left" in str(error_of_look(at(settings, server), state))
    assert server.seen == []


@pytest.mark.usefixtures("known")
def test_who_waits_too_long_for_another_process_that_refreshes_comes_again(
    serve: Serve,
    settings: Settings,
    state: State,
    store: TokenStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transport, "for_all_exchanges", lambda: lambda: 0.05)
    server = serve(PAGE)
    with store.lock("mira"):
        error = error_of_look(at(settings, server), state)
    assert "Another process renews this login" in str(error)
    assert server.seen == []


@pytest.mark.usefixtures("fresh")
def test_a_refused_scope_is_believed_after_three_times_in_a_row(
    serve: Serve, settings: Settings, state: State
) -> None:
    server = serve(REFUSED)
    settings = at(settings, server)
    for _ in range(2):
        assert "also says so in error" in str(error_of_look(settings, state))
        assert not needs_login(state)
    assert "3 times in a row" in str(error_of_look(settings, state))
    assert needs_login(state)
    assert "4 times in a row" in str(error_of_look(settings, state))
    assert "spotify-assets login" in str(error_of_look(settings, state))


@pytest.mark.usefixtures("fresh")
def test_an_answer_between_refusals_of_the_scope_begins_the_count_anew(
    serve: Serve, settings: Settings, state: State
) -> None:
    settings = at(settings, serve(REFUSED, REFUSED, PAGE, REFUSED, REFUSED, PAGE))
    for _ in range(6):
        error_of_look(settings, state)
        assert not needs_login(state)


@pytest.mark.usefixtures("fresh")
def test_an_outage_between_refusals_of_the_scope_is_no_answer(
    serve: Serve, settings: Settings, state: State
) -> None:
    outage: Reply = (503, {}, b"")
    settings = at(settings, serve(REFUSED, REFUSED, outage, REFUSED))
    for _ in range(4):
        error_of_look(settings, state)
    assert needs_login(state)


@pytest.mark.usefixtures("fresh")
def test_a_believed_refusal_of_the_scope_is_taken_back_by_an_answer_and_by_a_login(
    serve: Serve, settings: Settings, state: State, new_token: NewToken
) -> None:
    refusing, answering = at(settings, serve(REFUSED)), at(settings, serve(PAGE))
    for _ in range(3):
        error_of_look(refusing, state)
    assert error_of_look(answering, state) is None
    assert not needs_login(state)
    for _ in range(3):
        error_of_look(refusing, state)
    state.attach(Identity("mira", None, None), None, "2026-11-21T00:00:00.000Z")
    assert not needs_login(state)


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("status", [401, 403])
def test_any_other_refusal_ends_no_login_however_often_it_comes(
    status: int, serve: Serve, settings: Settings, state: State
) -> None:
    body = json.dumps({"error": {"status": status, "message": "Forbidden"}}).encode()
    granted: Reply = (200, {}, b'{"access_token": "b", "expires_in": 3600}')
    api, accounts = serve((status, {}, body)), serve(granted)
    settings = replace(settings, api_url=api.url, accounts_url=accounts.url)
    for _ in range(5):
        assert error_of_look(settings, state)
        assert not needs_login(state)


def full_disk(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_a_token_that_cannot_be_kept_leaves_the_account_as_it_was(
    settings: Settings,
    state: State,
    store: TokenStore,
    log_in: LogIn,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log_in("mira")
    before, token = state.accounts(), store.load("mira")

    monkeypatch.setattr("spotify_assets.spotify.token_store.private_files.os.fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        log_in("mira")
    assert state.accounts() == before
    assert store.load("mira") == token


def test_a_refresh_token_is_not_spent_where_the_next_one_could_not_be_kept(
    sandbox: Sandbox,
    settings: Settings,
    state: State,
    store: TokenStore,
    log_in: LogIn,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With rotation, a full disk would else cost the login."""
    log_in("mira")
    token = store.load("mira")
    assert token is not None
    store.save("mira", replace(token, expires_at=0.0))
    sandbox.rotation = True
    try:
        with monkeypatch.context() as patch:
            patch.setattr("spotify_assets.spotify.token_store.private_files.os.fsync", full_disk)
            assert "No space" in str(error_of_look(settings, state))
        assert error_of_look(settings, state) is None
    finally:
        sandbox.rotation = False


def test_a_person_can_log_in_where_the_account_needs_it(
    sandbox: Sandbox, settings: Settings, state: State, store: TokenStore, log_in: LogIn
) -> None:
    log_in("mira", account_id="kitchen")
    state.end_login("kitchen", EndedLogin(state.accounts()[0].authorized_at or "", "expired"))
    account = login(settings, state, store, open_browser=lambda url: consent(url, "mira"))
    assert (account.account_id, account.needs_login) == ("kitchen", False)
