"""A look: what Spotify said is committed as it said it, and a failure stays one account's."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import requests

from spotify_assets.sandbox.browser import consent
from spotify_assets.sandbox.server import Sandbox
from spotify_assets.settings import Settings
from spotify_assets.spotify.landing import Look, look, look_at_all
from spotify_assets.spotify.login import login
from spotify_assets.spotify.retrying import Retrying
from spotify_assets.spotify.state import Account, Identity, State
from spotify_assets.spotify.token_store import Token, TokenStore

if TYPE_CHECKING:
    from spotify_assets_tests.unit.conftest import Serve

    LogIn = Callable[..., Account]

NEVER = Retrying.never()


def test_a_look_lands_the_body_byte_for_byte(
    sandbox: Sandbox, settings: Settings, state: State, store: TokenStore, log_in: LogIn
) -> None:
    log_in("mira")
    assert look(settings, state, "mira", NEVER) == Look("mira", new_page=True, error=None)
    token = store.load("mira")
    assert token is not None
    received = requests.get(
        f"{sandbox.api_url}/me/player/recently-played?limit=50",
        headers={"Authorization": f"Bearer {token.access_token}"},
        timeout=10,
    )
    (page_id,) = state.page_ids()
    page = state.page(page_id)
    assert page is not None
    assert page.body.encode("utf-8") == received.content
    assert len(received.json()["items"]) == 50
    assert page.answered_at == "2026-11-20T21:00:00.000Z"  # Spotify's clock, not ours


def test_a_second_look_at_the_same_plays_lands_nothing(
    sandbox: Sandbox, settings: Settings, state: State, log_in: LogIn
) -> None:
    log_in("mira")
    look(settings, state, "mira", NEVER)
    assert look(settings, state, "mira", NEVER) == Look("mira", new_page=False, error=None)
    now = sandbox.clock.now()
    try:
        sandbox.clock.advance(timedelta(days=3))
        assert look(settings, state, "mira", NEVER) == Look("mira", new_page=True, error=None)
    finally:
        sandbox.clock.set(now)
    assert len(state.page_ids()) == 2


@pytest.fixture
def token(new_token: Callable[..., Token]) -> Token:
    return new_token()


@pytest.fixture
def known(state: State, store: TokenStore, token: Token) -> None:
    """Two accounts with logins, and one that was never logged in."""
    for name in ("mira", "jonas"):
        state.attach(Identity(name, None, None), None, token.authorized_at)
        store.save(name, replace(token, access_token=f"BQ-{name}"))


ODD = (
    b'{ "items" : [ ] ,\r\n\t"next":null, "gr\xc3\xb6\xc3\x9fe":'
    b' "\\u00e9\\ud800", "n": 1.10e2 }\n\n'
)


@pytest.mark.usefixtures("known")
def test_spacing_escapes_and_line_ends_are_kept(
    serve: Serve, settings: Settings, state: State
) -> None:
    settings = replace(settings, api_url=serve((200, {}, ODD)).url)
    assert look(settings, state, "mira", NEVER).error is None
    page = state.page(state.page_ids()[0])
    assert page is not None
    assert page.body.encode("utf-8") == ODD


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"items": null}',
        b'{"items": {}}',
        b'{"items": [{"added_at": "2026-01-01T00:00:00Z"}], "href": "https://a.b/v1/me/tracks"}',
        b'{"items": [], "href": "https://a.b/v1/me/tracks?href=/v1/me/player/recently-played"}',
        b'{"error": {"status": 200}}',
        b"[]",
        b"<html></html>",
        b"",
        b'{"items": [NaN]}',
        b'{"items": ["\xff"]}',
    ],
)
def test_a_body_that_is_no_page_is_a_failed_look(
    body: bytes, serve: Serve, settings: Settings, state: State
) -> None:
    settings = replace(settings, api_url=serve((200, {}, body)).url)
    outcome = look(settings, state, "mira", NEVER)
    assert not outcome.new_page
    assert outcome.error is not None
    assert state.page_ids() == []
    account = next(account for account in state.accounts() if account.account_id == "mira")
    assert account.last_look_error == outcome.error
    assert account.last_look_at is None


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("date", ["", "soon", "Wed, 25 Feb 2026 20:15:20 +9999999999999999"])
def test_a_page_with_an_odd_date_lands(
    date: str, serve: Serve, settings: Settings, state: State
) -> None:
    settings = replace(settings, api_url=serve((200, {"Date": date}, b'{"items": []}')).url)
    assert look(settings, state, "mira", NEVER) == Look("mira", new_page=True, error=None)
    page = state.page(state.page_ids()[0])
    assert page is not None
    assert page.answered_at == page.landed_at


FAILURES = {
    "an outage": (503, {}, b""),
    "a refusal": (403, {}, b"the user may not be registered."),
    "an odd reason": (403, {}, b'{"error": {"status": 403, "message": "\\ud800\\u0000"}}'),
    "no page": (200, {}, b"{}"),
    "a long wait": (429, {"Retry-After": "79892"}, b""),
}


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("failure", FAILURES)
def test_a_failing_account_does_not_stop_the_others(
    failure: str, serve: Serve, settings: Settings, state: State
) -> None:
    good = serve((200, {}, b'{"items": []}'))
    bad = serve(FAILURES[failure])

    def reply(handler: object) -> None:
        is_mira = handler.headers["Authorization"] == "Bearer BQ-mira"  # type: ignore[attr-defined]
        status, headers, body = (bad if is_mira else good).replies[0]  # type: ignore[misc]
        handler.send_response_only(status)  # type: ignore[attr-defined]
        usual = {"Content-Length": str(len(body)), "Connection": "close"}
        for name, value in {**usual, **headers}.items():
            handler.send_header(name, value)  # type: ignore[attr-defined]
        handler.end_headers()  # type: ignore[attr-defined]
        handler.wfile.write(body)  # type: ignore[attr-defined]

    settings = replace(settings, api_url=serve(reply).url)
    outcomes = {outcome.account_id: outcome for outcome in look_at_all(settings, state, NEVER)}
    assert outcomes.keys() == {"mira", "jonas"}
    assert outcomes["jonas"] == Look("jonas", new_page=True, error=None)
    assert outcomes["mira"].error is not None
    errors = {account.account_id: account.last_look_error for account in state.accounts()}
    assert errors == {"mira": outcomes["mira"].error, "jonas": None}
    assert len(state.page_ids()) == 1


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("trouble", ["no file", "a broken file", "no reading"])
def test_a_lost_login_does_not_stop_the_others(
    trouble: str, serve: Serve, settings: Settings, state: State
) -> None:
    file = settings.tokens / "mira.json"
    file.unlink()
    if trouble == "a broken file":
        file.write_text("{", "utf-8")
    elif trouble == "no reading":  # what root meets instead of "permission denied"
        file.mkdir()
    settings = replace(settings, api_url=serve((200, {}, b'{"items": []}')).url)
    outcomes = {outcome.account_id: outcome for outcome in look_at_all(settings, state, NEVER)}
    assert outcomes["jonas"] == Look("jonas", new_page=True, error=None)
    assert outcomes["mira"].error is not None
    assert str(settings.tokens) in outcomes["mira"].error or "login" in outcomes["mira"].error


@pytest.mark.parametrize("replaced", ["the login", "the state"])
def test_a_login_and_a_state_of_two_users_are_never_mixed(
    replaced: str, settings: Settings, state: State, store: TokenStore, log_in: LogIn
) -> None:
    """Both have an account of one name; nothing but Spotify can tell."""
    log_in("mira", account_id="kitchen")
    mine = store.load("kitchen")
    others = replace(settings, data=settings.data / "others")
    login(
        others,
        State(others.state_path),
        TokenStore(others.tokens),
        account_id="kitchen",
        open_browser=lambda url: consent(url, "jonas"),
        tell=lambda _: None,
    )
    theirs = TokenStore(others.tokens).load("kitchen")
    assert mine
    assert theirs
    if replaced == "the login":
        store.save("kitchen", theirs)
    else:
        for path in settings.data.glob("state.db*"):
            path.unlink()
        shutil.copy(others.state_path, settings.state_path)
    found = look(settings, State(settings.state_path), "kitchen", NEVER)
    assert "one of the two was replaced" in str(found.error)
    assert State(settings.state_path).page_ids() == []
    store.save("kitchen", mine if replaced == "the login" else theirs)
    assert look(settings, State(settings.state_path), "kitchen", NEVER).error is None


def test_an_account_that_was_never_logged_in_is_not_asked(
    serve: Serve, settings: Settings, state: State, store: TokenStore, token: Token
) -> None:
    state.attach(Identity("mira", None, None), None, token.authorized_at)
    from spotify_assets import database
    from spotify_assets.spotify.tables import accounts

    with database.writer(settings.state_path).begin() as connection:
        connection.execute(accounts.insert().values(account_id="imported"))
    store.save("mira", token)
    server = serve((200, {}, json.dumps({"items": []}).encode()))
    settings = replace(settings, api_url=server.url)
    assert [done.account_id for done in look_at_all(settings, state, NEVER)] == ["mira"]
    assert len(server.seen) == 1
    assert look_at_all(settings, state, NEVER, only=["imported"]) == []
    assert len(look_at_all(settings, state, NEVER, only=["mira"])) == 1
    assert len(server.seen) == 2


def test_without_accounts_nobody_is_asked(settings: Settings, state: State) -> None:
    assert look_at_all(settings, state, NEVER) == []
    assert not settings.data.exists()
    shutil.rmtree(settings.data, ignore_errors=True)
