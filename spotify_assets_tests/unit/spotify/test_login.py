"""Logging in against the sandbox: the ways in, the ways that fail, and whose account it is."""

from __future__ import annotations

import html
import json
import os
import socket
import sqlite3
import sys
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from filelock import Timeout

from spotify_assets.sandbox.browser import consent
from spotify_assets.sandbox.server import Sandbox
from spotify_assets.settings import Settings
from spotify_assets.spotify import login as login_module
from spotify_assets.spotify.errors import BadAnswer, Forbidden, LoginFailed, SpotifyError
from spotify_assets.spotify.landing import look
from spotify_assets.spotify.login import login
from spotify_assets.spotify.oauth import OAuthApp
from spotify_assets.spotify.retrying import Retrying
from spotify_assets.spotify.state import Account, EndedLogin, Identity, State
from spotify_assets.spotify.token_store import TokenStore

if TYPE_CHECKING:
    from spotify_assets_tests.unit.conftest import Serve

    LogIn = Callable[..., Account]
    AllTextOf = Callable[[BaseException], str]


@pytest.fixture
def nothing_is_stored(settings: Settings) -> Iterator[None]:
    """After the test, neither an account nor a token is there."""
    yield
    assert State(settings.state_path).accounts() == []
    assert not list(settings.data.rglob("*.json"))


def agreed(address: str, listener: str = "mira") -> str:
    """Agree in a browser that cannot reach us; the final address in its address bar."""
    form = {"listener": listener, "decision": "agree"}
    answer = requests.post(address, data=form, allow_redirects=False, timeout=10)
    return answer.headers["Location"]


def state_of(address: str) -> str:
    return parse_qs(urlsplit(address).query)["state"][0]


def test_who_agrees_is_logged_in(
    settings: Settings, state: State, store: TokenStore, log_in: LogIn
) -> None:
    account = log_in("mira")
    assert account.account_id == account.spotify_id == "mira"
    assert account.display_name is not None
    assert account.spotify_account_id is not None
    assert account.last_look_at is None
    assert state.accounts() == [account]
    token = store.load("mira")
    assert token is not None
    assert token.refresh_token
    assert token.authorized_at == account.authorized_at
    assert token.scope == "user-read-recently-played"
    assert settings.state_path.parent.stat().st_mode & 0o777 == 0o700


def test_an_app_with_a_secret_logs_in_too(
    settings: Settings, sandbox: Sandbox, state: State, store: TokenStore
) -> None:
    settings = replace(settings, client_secret=sandbox.config.client_secret)
    account = login(settings, state, store, open_browser=lambda url: consent(url, "mira"))
    assert account.account_id == "mira"


def test_the_person_is_told_the_address_and_nothing_secret(
    settings: Settings, state: State, store: TokenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setenv("DISPLAY", ":0")
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)

    def person(text: str) -> None:
        said.append(text)
        if len(said) == 2:
            consent(said[0].split()[-1], "mira")

    login(settings, state, store, tell=person)
    assert opened == [said[0].split()[-1]]
    token = store.load("mira")
    assert token is not None
    assert token.access_token not in "".join(said)
    assert token.refresh_token not in "".join(said)


@pytest.mark.usefixtures("nothing_is_stored")
def test_who_refuses_is_not_logged_in(log_in: LogIn) -> None:
    with pytest.raises(LoginFailed, match="'access_denied'.*choose Agree"):
        log_in("mira", agree=False)


@pytest.mark.usefixtures("nothing_is_stored")
@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("state={state}", "no code"),
        ("code=&state={state}", "no code"),
        ("error=server_error&code=AQ-secret-code&state={state}", "'server_error'"),
        ("code=AQ-secret-code&state={state}", "invalid_grant: Invalid authorization code"),
    ],
)
def test_an_answer_without_what_it_needs_is_refused(
    query: str,
    says: str,
    settings: Settings,
    state: State,
    store: TokenStore,
    all_text_of: AllTextOf,
) -> None:
    def forge(address: str) -> None:
        filled = query.replace("{state}", state_of(address))
        requests.get(f"{settings.redirect_uri}?{filled}", timeout=10)

    with pytest.raises(LoginFailed, match=says) as caught:
        login(settings, state, store, open_browser=forge)
    assert "AQ-secret-code" not in all_text_of(caught.value)


@pytest.mark.parametrize(
    "query",
    [
        "code=AQ-secret-code&state=wrong",
        "code=AQ-secret-code&state=",
        "code=AQ-secret-code",
        "code=AQ-secret-code&state={state}x",
        "code=AQ-secret-code&state=%ff%00%f0",
        "error=access_denied&state=wrong",
        "",
    ],
)
def test_an_answer_to_another_login_ends_nothing(
    query: str, settings: Settings, state: State, store: TokenStore
) -> None:
    """A restored tab sends one by itself, and any page can."""
    answers = []

    def browse(address: str) -> None:
        filled = query.replace("{state}", state_of(address))
        answers.append(requests.get(f"{settings.redirect_uri}?{filled}", timeout=10))
        consent(address, "mira")

    assert login(settings, state, store, open_browser=browse).account_id == "mira"
    (answer,) = answers
    assert answer.status_code == 400
    assert "belongs to another login" in answer.text
    assert "AQ-secret-code" not in answer.text


@pytest.mark.usefixtures("nothing_is_stored")
def test_a_wrong_secret_is_named_and_not_shown(
    settings: Settings, state: State, store: TokenStore, all_text_of: AllTextOf
) -> None:
    wrong = "a-wrong-client-secret"
    codes: list[str] = []

    def person(address: str) -> None:
        codes.append(parse_qs(urlsplit(consent(address, "mira")).query)["code"][0])

    with pytest.raises(LoginFailed, match="Invalid client secret.*SPOTIFY_CLIENT_SECRET") as caught:
        login(replace(settings, client_secret=wrong), state, store, open_browser=person)
    text = all_text_of(caught.value).replace('wrong = "a-wrong-client-secret"', "")
    assert wrong not in text
    assert codes[0] not in text


@pytest.mark.usefixtures("nothing_is_stored")
def test_nobody_agreed_in_time(
    settings: Settings, state: State, store: TokenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login_module, "WAIT_SECONDS", 0.01)
    with pytest.raises(LoginFailed, match="Nobody agreed.*spotify-assets login"):
        login(settings, state, store, open_browser=lambda _: None)


@pytest.mark.usefixtures("nothing_is_stored")
@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"client_id": ""}, "SPOTIFY_CLIENT_ID is not set"),
        ({"redirect_uri": "http://localhost:8765/callback"}, "127.0.0.1"),
        ({"redirect_uri": "http://127.0.0.1:99999/callback"}, "SPOTIFY_REDIRECT_URI"),
        ({"redirect_uri": "http://127.0.0.1:port/callback"}, "SPOTIFY_REDIRECT_URI"),
        ({"redirect_uri": "http://[/callback"}, "SPOTIFY_REDIRECT_URI"),
    ],
)
def test_a_setting_that_cannot_work_is_named(
    changes: dict[str, Any], says: str, settings: Settings, state: State, store: TokenStore
) -> None:
    with pytest.raises(LoginFailed, match=says):
        login(replace(settings, **changes), state, store, open_browser=lambda _: None)


@pytest.mark.usefixtures("nothing_is_stored")
def test_a_port_that_is_taken_is_named(settings: Settings, state: State, store: TokenStore) -> None:
    opened: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = replace(settings, redirect_uri=f"http://127.0.0.1:{port}/callback")
        with pytest.raises(LoginFailed, match=f"Port {port} is taken"):
            login(settings, state, store, open_browser=opened.append)
    assert opened == []


def test_the_port_is_free_again_after_the_login(settings: Settings, log_in: LogIn) -> None:
    log_in("mira")
    with socket.create_server(("127.0.0.1", urlsplit(settings.redirect_uri).port or 0)):
        pass


@pytest.mark.parametrize("error", ["access_denied", "<script>alert(1)</script>", "&lt;b&gt;"])
def test_the_callback_page_shows_what_it_was_told_as_text(
    error: str, settings: Settings, state: State, store: TokenStore
) -> None:
    pages: list[requests.Response] = []

    def answer(address: str) -> None:
        query = {"error": error, "state": state_of(address)}
        pages.append(requests.get(settings.redirect_uri, params=query, timeout=10))

    with pytest.raises(LoginFailed):
        login(settings, state, store, open_browser=answer)
    escaped = error.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert escaped in pages[0].text
    assert "<script" not in pages[0].text


def test_only_the_callback_address_is_served(
    settings: Settings, state: State, store: TokenStore
) -> None:
    seen: list[int] = []

    def person(address: str) -> None:
        origin = settings.redirect_uri.removesuffix("/callback")
        paths = ("/favicon.ico", "/", "/callback/more")
        seen.extend(requests.get(origin + path, timeout=10).status_code for path in paths)
        consent(address, "mira")

    login(settings, state, store, open_browser=person)
    assert seen == [404, 404, 404]


def pasting(*texts: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A person at a terminal who pastes texts made from the address, and ends the input."""
    reading, writing = os.pipe()
    monkeypatch.setattr(sys, "stdin", os.fdopen(reading))
    monkeypatch.setattr("webbrowser.open", lambda _: None)
    monkeypatch.delenv("BROWSER", raising=False)
    said: list[str] = []

    def tell(text: str) -> None:
        said.append(text)
        if len(said) == 2:  # all was said, now the person acts
            for make in texts:
                os.write(writing, make(said[0].split()[-1]).encode())
            os.close(writing)

    return tell


@pytest.mark.parametrize(
    "texts",
    [
        [lambda address: agreed(address) + "\n"],
        [lambda address: "\n  \n", lambda address: f"  {agreed(address)} \r\n"],
        [lambda address: agreed(address).strip()],
    ],
    ids=["a line", "blank lines before it", "no end of line"],
)
@pytest.mark.parametrize("served", [True, False], ids=["callback served", "callback elsewhere"])
def test_the_final_address_can_be_pasted(
    texts: list[Callable[[str], str]],
    served: bool,
    settings: Settings,
    state: State,
    store: TokenStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(login_module, "WAIT_SECONDS", 20)
    if not served:
        settings = replace(settings, redirect_uri="https://plays.example.org/callback")
    tell = pasting(*texts, monkeypatch=monkeypatch)
    assert login(settings, state, store, tell=tell).account_id == "mira"


def test_several_accounts_live_side_by_side(state: State, store: TokenStore, log_in: LogIn) -> None:
    log_in("mira")
    log_in("jonas")
    assert [account.account_id for account in state.accounts()] == ["jonas", "mira"]
    mira, jonas = store.load("mira"), store.load("jonas")
    assert mira is not None
    assert jonas is not None
    assert mira.refresh_token != jonas.refresh_token


def test_a_second_login_renews_the_same_account(
    state: State, store: TokenStore, log_in: LogIn
) -> None:
    first = log_in("mira")
    old = store.load("mira")
    state.record_failed_look("mira", "Spotify no longer accepts this login.")
    second = log_in("mira")
    new = store.load("mira")
    assert state.accounts() == [second]
    assert second.last_look_error is None
    assert (second.authorized_at or "") > (first.authorized_at or "")
    assert old is not None
    assert new is not None
    assert new.refresh_token != old.refresh_token


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        *(
            (text, "not the final address")
            for text in ("no address", "http://[", "\0", "code=1", "a" * 10_000)
        ),
        *(
            (text, "belongs to another login")
            for text in ("http://[?state=1", "ü?state=ü", "?state=" + "a" * 10_000)
        ),
    ],
)
def test_what_is_not_the_final_address_is_asked_for_again(
    text: str,
    answer: str,
    settings: Settings,
    state: State,
    store: TokenStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(login_module, "WAIT_SECONDS", 20)
    said: list[str] = []
    paste = pasting(
        lambda _: f"{text}\n", lambda address: agreed(address) + "\n", monkeypatch=monkeypatch
    )

    def tell(words: str) -> None:
        said.append(words)
        paste(words)

    assert login(settings, state, store, tell=tell).account_id == "mira"
    assert sum(answer in words for words in said) == 1


@pytest.mark.usefixtures("nothing_is_stored")
@pytest.mark.parametrize("name", ["", ".", "../x", "a/b", "a\nb", "-", "a" * 65, "\0"])
def test_a_name_that_no_account_can_have_is_refused_before_the_browser_opens(
    name: str, settings: Settings, state: State, store: TokenStore
) -> None:
    def nobody(address: str) -> None:
        pytest.fail(f"asked at {address}")

    with pytest.raises(LoginFailed, match="cannot be an account's name"):
        login(settings, state, store, account_id=name, open_browser=nobody)


def test_an_account_can_have_a_name_of_its_own(
    state: State, store: TokenStore, log_in: LogIn
) -> None:
    account = log_in("mira", account_id="the kitchen 1.0")
    assert account.account_id == "the kitchen 1.0"
    assert account.spotify_id == "mira"
    assert store.load("the kitchen 1.0") is not None
    assert log_in("mira").account_id == "the kitchen 1.0"
    assert log_in("mira", account_id="the kitchen 1.0").account_id == "the kitchen 1.0"
    assert len(state.accounts()) == 1


def test_a_user_who_has_an_account_gets_no_second_one(
    state: State, store: TokenStore, log_in: LogIn
) -> None:
    before = log_in("mira")
    token = store.load("mira")
    with pytest.raises(LoginFailed, match="mira.*login --account mira"):
        log_in("mira", account_id="kitchen")
    assert state.accounts() == [before]
    assert store.load("mira") == token
    assert store.load("kitchen") is None


def test_an_account_of_another_user_is_not_taken_over(
    state: State, store: TokenStore, log_in: LogIn
) -> None:
    before = log_in("mira")
    token = store.load("mira")
    with pytest.raises(LoginFailed, match="belongs to Spotify user mira.*agreed as jonas"):
        log_in("jonas", account_id="mira")
    assert state.accounts() == [before]
    assert store.load("mira") == token


def test_a_login_attaches_to_an_account_that_was_made_without_one(
    settings: Settings, state: State, store: TokenStore, log_in: LogIn
) -> None:
    log_in("jonas")
    with closing(sqlite3.connect(settings.state_path)) as connection, connection:
        connection.execute("insert into accounts (account_id) values ('imported')")
    account = log_in("mira", account_id="imported")
    assert (account.account_id, account.spotify_id) == ("imported", "mira")
    assert len(state.accounts()) == 2
    assert store.load("imported") is not None


PROFILES: list[tuple[tuple[int, dict[str, str], bytes], type[SpotifyError]]] = [
    ((403, {}, b"the user may not be registered."), Forbidden),
    ((200, {}, b"{}"), BadAnswer),
    ((200, {}, b'{"id": null}'), BadAnswer),
    ((200, {}, b'{"id": ""}'), BadAnswer),
    ((200, {}, b'{"id": 7}'), BadAnswer),
    ((200, {}, b'{"id": "\\ud800"}'), BadAnswer),
    ((200, {}, b'{"id": "a\\u0000b"}'), BadAnswer),
    ((200, {}, b"<html></html>"), BadAnswer),
]


@pytest.mark.usefixtures("nothing_is_stored")
@pytest.mark.parametrize(("profile", "error"), PROFILES)
def test_who_does_not_say_who_they_are_is_not_logged_in(
    profile: tuple[int, dict[str, str], bytes],
    error: type[SpotifyError],
    serve: Serve,
    settings: Settings,
    state: State,
    store: TokenStore,
    all_text_of: AllTextOf,
) -> None:
    # A user who is not on the app's list agrees and gets tokens; only then every call is refused.
    api = serve(profile)
    settings = replace(settings, api_url=api.url)
    with pytest.raises(error) as caught:
        login(settings, state, store, open_browser=lambda url: consent(url, "mira"))
    token = api.seen[0].headers["Authorization"].removeprefix("Bearer ")
    assert token not in all_text_of(caught.value)


@pytest.mark.parametrize("name", [None, 7, "\ud800", "größe 🎧"])
def test_an_odd_display_name_keeps_nobody_out(
    name: object, serve: Serve, settings: Settings, state: State, store: TokenStore
) -> None:
    profile = json.dumps({"id": "mira", "display_name": name, "account_id": name}).encode()
    settings = replace(settings, api_url=serve((200, {}, profile)).url)
    account = login(settings, state, store, open_browser=lambda url: consent(url, "mira"))
    expected = name if name == "größe 🎧" else None
    assert (account.display_name, account.spotify_account_id) == (expected, expected)


def test_nothing_is_asked_of_a_person_whose_browser_is_given(
    settings: Settings, state: State, store: TokenStore, tmp_path: Path
) -> None:
    said: list[str] = []
    login(settings, state, store, open_browser=lambda url: consent(url, "mira"), tell=said.append)
    assert said == []


IDENTITY = Identity("mira", "stable-id", "Mira")


@pytest.mark.parametrize(
    "later",
    [
        Identity("mira", "stable-id", "renamed"),
        Identity("renamed", "stable-id", "Mira"),
        Identity("mira", None, "Mira"),
    ],
)
def test_a_user_is_known_by_the_stable_id_and_else_by_the_name(
    later: Identity, state: State
) -> None:
    state.attach(IDENTITY, None, "2026-01-01T00:00:00.000Z")
    account = state.attach(later, None, "2026-02-01T00:00:00.000Z")
    assert account.account_id == "mira"
    assert account.authorized_at == "2026-02-01T00:00:00.000Z"
    assert len(state.accounts()) == 1


def test_a_stable_id_tells_users_of_one_name_apart(state: State) -> None:
    state.attach(IDENTITY, None, "2026-01-01T00:00:00.000Z")
    with pytest.raises(ValueError, match="belongs to Spotify user mira"):
        state.attach(
            replace(IDENTITY, spotify_account_id="other"), None, "2026-02-01T00:00:00.000Z"
        )
    assert len(state.accounts()) == 1


@pytest.mark.usefixtures("nothing_is_stored")
def test_of_two_logins_at_once_the_second_is_told_of_the_first(
    settings: Settings, state: State, store: TokenStore
) -> None:
    def agree_twice(_: str) -> None:
        with pytest.raises(LoginFailed, match="Another login is under way.*spotify-assets login"):
            login(settings, state, store, open_browser=lambda _: pytest.fail("opened a browser"))
        raise KeyboardInterrupt

    with pytest.raises(LoginFailed, match="interrupted"):
        login(settings, state, store, open_browser=agree_twice)


@pytest.mark.usefixtures("nothing_is_stored")
def test_an_interrupted_login_says_what_may_have_been_in_the_way(
    settings: Settings, state: State, store: TokenStore
) -> None:
    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(LoginFailed, match="interrupted.*spotify-assets login") as caught:
        login(settings, state, store, open_browser=interrupt)
    assert settings.redirect_uri in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_interruption_that_comes_too_late_undoes_nothing(
    settings: Settings, state: State, store: TokenStore
) -> None:
    def agree_and_interrupt(address: str) -> None:
        consent(address, "mira")
        raise KeyboardInterrupt

    account = login(settings, state, store, open_browser=agree_and_interrupt)
    assert state.accounts() == [account]
    assert store.load("mira") is not None


@pytest.mark.parametrize("outcome", [False, webbrowser.Error("none"), ValueError("a quote")])
def test_without_a_browser_the_person_is_asked_to_open_the_address(
    outcome: bool | Exception,
    settings: Settings,
    state: State,
    store: TokenStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str] = []
    monkeypatch.setenv("DISPLAY", ":0")

    def cannot_open(_: str) -> bool:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr("webbrowser.open", cannot_open)

    def person(text: str) -> None:
        said.append(text)
        if "No browser could be opened" in text:
            consent(said[0].split()[-1], "mira")

    assert login(settings, state, store, tell=person).account_id == "mira"


def page_of(query: dict[str, str], settings: Settings, state: State, store: TokenStore) -> str:
    """The page that a browser shows which comes back with this answer."""
    pages: list[str] = []

    def answer(address: str) -> None:
        asked = {"state": state_of(address), **query}
        pages.append(requests.get(settings.redirect_uri, params=asked, timeout=10).text)

    with pytest.raises(LoginFailed) as caught:
        login(settings, state, store, open_browser=answer)
    (page,) = pages
    assert html.escape(str(caught.value)) in page
    return page


@pytest.mark.usefixtures("nothing_is_stored")
@pytest.mark.parametrize("query", [{"error": "access_denied"}, {"code": "used-before"}, {}])
def test_the_page_in_the_browser_says_what_the_terminal_says(
    query: dict[str, str], settings: Settings, state: State, store: TokenStore
) -> None:
    page = page_of(query, settings, state, store)
    assert "<h1>Not connected</h1>" in page
    assert "used-before" not in page


def test_the_page_in_the_browser_says_who_is_connected(
    settings: Settings, state: State, store: TokenStore
) -> None:
    pages: list[requests.Response] = []

    def person(address: str) -> None:
        final = agreed(address)
        pages.extend(requests.get(final, timeout=10) for _ in range(2))  # opened again, too

    login(settings, state, store, open_browser=person)
    for page in pages:
        assert page.status_code == 200
        assert "mira is connected" in page.text
        assert page.headers["Cache-Control"] == "no-store"
        assert page.headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.usefixtures("nothing_is_stored")
@pytest.mark.parametrize(
    ("words", "advice"),
    [
        ("Authorization code expired", "straight back"),
        ("Invalid authorization code", "used before"),
        ("Invalid redirect URI", "Add http://127.0.0.1:.*in the app's settings"),
        ("Something new", "Compare SPOTIFY_CLIENT_ID"),
    ],
)
def test_each_refusal_of_a_code_has_its_own_next_step(
    words: str,
    advice: str,
    sandbox: Sandbox,
    settings: Settings,
    state: State,
    store: TokenStore,
) -> None:
    sandbox.faults.on("invalid_grant", description=words, times=1)
    with pytest.raises(LoginFailed, match=f"{words}.*{advice}.*spotify-assets login"):
        login(settings, state, store, open_browser=lambda url: consent(url, "mira"))


@pytest.mark.usefixtures("nothing_is_stored")
def test_who_is_not_on_the_apps_list_is_told_where_that_is(
    sandbox: Sandbox, settings: Settings, state: State, store: TokenStore
) -> None:
    sandbox.not_listed = ("mira",)
    try:
        with pytest.raises(Forbidden, match="not on the app's list.*User Management"):
            login(settings, state, store, open_browser=lambda url: consent(url, "mira"))
    finally:
        sandbox.not_listed = ()


def test_a_death_between_token_and_account_leaves_a_login_that_works(
    settings: Settings,
    state: State,
    store: TokenStore,
    log_in: LogIn,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The account still says that its login has ended; the token on disk is the newer one."""
    log_in("mira")
    token = store.load("mira")
    assert token is not None
    ended = f"{token.authorized_at} {OAuthApp(settings).name}"
    state.end_login("mira", EndedLogin(ended, "revoked"))
    assert "revoked" in str(look(settings, state, "mira", Retrying.never()).error)

    def die(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(State, "attach", die)
        with pytest.raises(MemoryError):
            log_in("mira")
    assert look(settings, state, "mira", Retrying.never()).error is None
    assert not state.accounts()[0].needs_login


@pytest.mark.parametrize("path", ["/my%20place", "/<name>/%E2%80%B9", "/", "/a/b/"])
def test_a_redirect_uri_is_served_whatever_its_path_holds(
    path: str, settings: Settings, state: State, store: TokenStore
) -> None:
    origin = settings.redirect_uri.removesuffix("/callback")
    settings = replace(settings, redirect_uri=f"{origin}{path}")
    seen: list[int] = []

    def answer(address: str) -> None:
        query = {"error": "access_denied", "state": state_of(address)}
        elsewhere = requests.get(f"{origin}/elsewhere", params=query, timeout=10)
        final = requests.get(settings.redirect_uri, params=query, timeout=10)
        seen.extend((elsewhere.status_code, final.status_code))

    with pytest.raises(LoginFailed, match="access_denied"):
        login(settings, state, store, open_browser=answer)
    assert seen == [404, 400]


def test_a_very_long_error_in_the_answer_is_told_in_a_line(
    settings: Settings, state: State, store: TokenStore
) -> None:
    def answer(address: str) -> None:
        query = {"error": "very " * 5_000 + "\x1b[2J", "state": state_of(address)}
        requests.get(settings.redirect_uri, params=query, timeout=10)

    with pytest.raises(LoginFailed, match="very very") as caught:
        login(settings, state, store, open_browser=answer)
    assert len(str(caught.value)) < 500


def test_an_answer_after_an_interruption_is_not_taken(
    settings: Settings, state: State, store: TokenStore
) -> None:
    finals: list[str] = []

    def interrupt(address: str) -> None:
        finals.append(agreed(address))
        raise KeyboardInterrupt

    with pytest.raises(LoginFailed, match="interrupted"):
        login(settings, state, store, open_browser=interrupt)
    with pytest.raises(requests.ConnectionError):
        requests.get(finals[0], timeout=10)
    assert state.accounts() == []


@pytest.mark.usefixtures("nothing_is_stored")
@pytest.mark.parametrize("name", ["server_error_empty", "reset", "unauthorized", "not_json"])
def test_a_spotify_that_fails_at_the_last_step_is_told_with_the_next_one(
    name: str,
    sandbox: Sandbox,
    settings: Settings,
    state: State,
    store: TokenStore,
    waits: list[float],
) -> None:
    sandbox.faults.on(name, path="/v1/me")
    try:
        with pytest.raises(SpotifyError, match="not finished. Run: spotify-assets login"):
            login(settings, state, store, open_browser=lambda url: consent(url, "mira"))
    finally:
        sandbox.faults.off()
    assert (name in ("server_error_empty", "reset")) == bool(waits)


def test_token_and_account_change_together_for_who_holds_the_tokens_lock(
    state: State, store: TokenStore, log_in: LogIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a process whose old token has just ended could mark the new login."""
    log_in("mira")
    attach, held = State.attach, []

    def attach_under_lock(*arguments: Any) -> Account:
        try:
            with store.lock("mira", timeout=0):
                held.append(False)
        except Timeout:
            held.append(True)
        return attach(*arguments)

    monkeypatch.setattr(State, "attach", attach_under_lock)
    log_in("mira")
    assert held == [True]
