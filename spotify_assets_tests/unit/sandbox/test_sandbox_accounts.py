from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from html import escape, unescape
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from requests_oauthlib import OAuth2Session

from spotify_assets.sandbox.accounts import SCOPES
from spotify_assets.sandbox.browser import ConsentError, consent
from spotify_assets_tests.unit.sandbox.client import App

SECRET = ("sandbox-client", "sandbox-secret")
NO_PKCE = ("code_challenge", "code_challenge_method")
HOSTILE = "<script>alert(1)</script> \"'`{{ 7 * 7 }}{% raw %} &amp; %s"


def refused(answer: requests.Response) -> tuple[str, str | None]:
    assert answer.status_code == 400
    body = answer.json()
    assert body.keys() <= {"error", "error_description"}
    return body["error"], body.get("error_description")


def refusing_page(answer: requests.Response) -> str:
    """What a page that refuses says, in its title and in its heading."""
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "Location" not in answer.headers
    assert "<form" not in answer.text
    title, heading = (
        re.findall(rf"<{tag}[^>]*>(.*?)</{tag}>", answer.text) for tag in ("title", "h1")
    )
    assert title == heading
    return unescape(str(title[0]))


def test_requests_oauthlib_logs_in_with_pkce_and_refreshes(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")  # oauthlib wants https otherwise
    client = OAuth2Session(
        "sandbox-client",
        redirect_uri=app.redirect_uri,
        scope=["user-read-recently-played", "user-read-private"],
        pkce="S256",
    )
    url, _ = client.authorization_url(f"{app.sandbox.accounts_url}/authorize")
    callback = consent(url, "jonas")
    token_url = f"{app.sandbox.accounts_url}/api/token"
    token = client.fetch_token(
        token_url, authorization_response=callback, include_client_id=True, timeout=10
    )
    assert token["expires_in"] == 3600
    assert token["scope"] == ["user-read-recently-played", "user-read-private"]
    assert client.get(f"{app.sandbox.api_url}/me").json()["id"] == "jonas"

    app.sandbox.clock.advance(timedelta(hours=2))
    assert client.get(f"{app.sandbox.api_url}/me").status_code == 401
    fresh = client.refresh_token(token_url, client_id="sandbox-client", timeout=10)
    assert fresh["refresh_token"] == token["refresh_token"]
    assert client.get(f"{app.sandbox.api_url}/me").json()["id"] == "jonas"


def test_requests_oauthlib_logs_in_with_the_secret(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    client = OAuth2Session("sandbox-client", redirect_uri=app.redirect_uri, scope=["user-top-read"])
    url, _ = client.authorization_url(f"{app.sandbox.accounts_url}/authorize")
    client.fetch_token(
        f"{app.sandbox.accounts_url}/api/token",
        authorization_response=consent(url, "mira"),
        client_secret="sandbox-secret",
        timeout=10,
    )
    assert client.get(f"{app.sandbox.api_url}/me").json()["id"] == "mira"


def test_the_callback_is_really_visited_with_code_and_state(app: App) -> None:
    callback = consent(app.authorize_url(), "mira")
    assert callback.startswith(f"{app.redirect_uri}?")
    parts = urlsplit(callback)
    assert app.callbacks == [f"{parts.path}?{parts.query}"]
    answer = dict(parse_qsl(parts.query))
    assert answer.keys() == {"code", "state"}
    assert answer["state"] == "the-state"


def test_cancelling_brings_access_denied_and_the_state(app: App) -> None:
    callback = consent(app.authorize_url(), "mira", agree=False)
    answer = dict(parse_qsl(urlsplit(callback).query))
    assert answer == {"error": "access_denied", "state": "the-state"}
    assert len(app.callbacks) == 1


@pytest.mark.parametrize("agree", [True, False])
def test_without_a_state_none_comes_back(app: App, agree: bool) -> None:
    callback = consent(app.authorize_url(without=("state",)), "mira", agree)
    assert "state" not in dict(parse_qsl(urlsplit(callback).query, keep_blank_values=True))


@settings(deadline=None, max_examples=40)
@given(state=st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_any_state_comes_back_unchanged(_app: App, state: str) -> None:
    callback = consent(_app.authorize_url(state=state), "mira")
    assert dict(parse_qsl(urlsplit(callback).query, keep_blank_values=True))["state"] == state


def test_a_redirect_uri_with_a_query_keeps_it(make_app: Callable[..., App]) -> None:
    app = make_app()
    registered = f"{app.redirect_uri}?tab=1"
    other = make_app(redirect_uris=(registered,))
    callback = consent(other.authorize_url(redirect_uri=registered), "mira")
    answer = dict(parse_qsl(urlsplit(callback).query))
    assert answer.keys() == {"tab", "code", "state"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"client_id": "another"}, "INVALID_CLIENT: Invalid client"),
        ({"response_type": "token"}, "response_type must be code"),
        ({"scope": "user-read-recently-played made-up"}, "INVALID_SCOPE: Invalid scope"),
        ({"code_challenge_method": "plain"}, "code_challenge_method must be S256"),
        ({"code_challenge": "too-short"}, "code_challenge must be 43 characters"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_wrong_request_is_refused_on_a_page_and_never_redirected(
    app: App, method: str, changes: dict[str, Any], message: str
) -> None:
    answer = requests.request(
        method,
        app.authorize_url(**changes),
        data={"listener": "mira", "decision": "agree"} if method == "POST" else None,
        allow_redirects=False,
        timeout=10,
    )
    assert refusing_page(answer).startswith(message)


@pytest.mark.parametrize(
    "missing",
    ["client_id", "response_type", "redirect_uri", "code_challenge", "code_challenge_method"],
)
def test_a_request_that_lacks_something_is_refused(app: App, missing: str) -> None:
    answer = requests.get(app.authorize_url(without=(missing,)), timeout=10)
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "variant", ["{}/", "{}?x=1", "{}#f", " {}", "https://example.org/callback"]
)
def test_a_redirect_uri_that_is_not_exactly_the_registered_one_is_refused(
    app: App, variant: str
) -> None:
    url = app.authorize_url(redirect_uri=variant.format(app.redirect_uri))
    answer = requests.get(url, timeout=10)
    assert refusing_page(answer) == "INVALID_CLIENT: Invalid redirect URI"
    assert app.redirect_uri in answer.text


@pytest.mark.parametrize(
    "insecure",
    [
        "http://localhost:8765/callback",
        "https://localhost:8765/callback",
        "http://LOCALHOST:8765/callback",
        "http://example.org/callback",
        "http://127.0.0.1.example.org/callback",
        "http://localhost.:8765/callback",
        "http://127.1:8765/callback",
        "http://0.0.0.0:8765/callback",
    ],
)
def test_localhost_and_plain_http_are_refused_even_when_registered(
    make_app: Callable[..., App], insecure: str
) -> None:
    app = make_app(redirect_uris=(insecure,))
    answer = requests.get(app.authorize_url(redirect_uri=insecure), timeout=10)
    assert refusing_page(answer) == "INVALID_CLIENT: Insecure redirect URI"


@pytest.mark.parametrize(
    "impossible",
    [
        "http://127.0.0.1/callback",
        "http://[::1]/callback",
        "http://127.0.0.1:8765/callback#part",
        "https:///callback",
        "http://127.0.0.1:99999/callback",
        "http://[::1/callback",
        "callback",
    ],
)
def test_what_the_dashboard_would_not_register_is_invalid_even_when_registered(
    make_app: Callable[..., App], impossible: str
) -> None:
    app = make_app(redirect_uris=(impossible,))
    answer = requests.get(app.authorize_url(redirect_uri=impossible), timeout=10)
    assert refusing_page(answer) == "INVALID_CLIENT: Invalid redirect URI"


def test_a_hostile_redirect_uri_is_shown_as_text(app: App) -> None:
    answer = requests.get(app.authorize_url(redirect_uri=HOSTILE), timeout=10)
    assert refusing_page(answer) == "INVALID_CLIENT: Invalid redirect URI"
    assert "<script" not in answer.text
    assert "&lt;script&gt;" in answer.text


def test_who_is_refused_on_the_page_learns_why(app: App) -> None:
    with pytest.raises(ConsentError, match="answers 400: INVALID_CLIENT: Invalid client$"):
        consent(app.authorize_url(client_id="another"), "mira")


@pytest.mark.parametrize(
    "secure", ["http://[::1]:8765/cb", "https://example.org/cb", "some-app://callback"]
)
def test_loopback_numbers_https_and_custom_schemes_are_accepted(
    make_app: Callable[..., App], secure: str
) -> None:
    app = make_app(redirect_uris=(secure,))
    answer = requests.post(
        app.authorize_url(redirect_uri=secure),
        data={"listener": "mira", "decision": "agree"},
        allow_redirects=False,
        timeout=10,
    )
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith(f"{secure}?code=")


def test_a_hostile_app_name_is_shown_as_text(make_app: Callable[..., App]) -> None:
    app = make_app(app_name=HOSTILE)
    page = requests.get(app.authorize_url(), timeout=10)
    assert page.status_code == 200
    assert "<script" not in page.text
    shown = page.text.replace("&#34;", "&quot;").replace("&#39;", "&#x27;")
    assert escape(HOSTILE) in shown
    assert "49" not in page.text.split("</style>")[1].split(app.redirect_uri)[0]


def test_a_hostile_state_or_scope_never_reaches_the_page_as_markup(app: App) -> None:
    page = requests.get(app.authorize_url(state=HOSTILE), timeout=10)
    assert page.status_code == 200
    assert "<script" not in page.text
    for decision in ("agree", "cancel"):
        answer = requests.post(
            page.url,
            data={"listener": "mira", "decision": decision},
            allow_redirects=False,
            timeout=10,
        )
        assert "<script" not in answer.text
        assert dict(parse_qsl(urlsplit(answer.headers["Location"]).query))["state"] == HOSTILE
    refusal = requests.get(app.authorize_url(scope=HOSTILE), timeout=10)
    assert refusal.status_code == 400
    assert "<script" not in refusal.text


def test_the_page_names_the_app_every_scope_and_everybody_who_can_log_in(app: App) -> None:
    scope = "user-read-recently-played user-top-read"
    page = requests.get(app.authorize_url(scope=scope), timeout=10).text
    for text in ("spotify-assets", app.redirect_uri, 'value="mira"', 'value="jonas"'):
        assert text in page
    for name in scope.split():
        assert name in page
        assert SCOPES[name] in page
    assert "user-library-read" not in page


def test_nobody_and_a_stranger_cannot_agree(app: App) -> None:
    for form in ({"decision": "agree"}, {"decision": "agree", "listener": "stranger"}):
        answer = requests.post(app.authorize_url(), data=form, allow_redirects=False, timeout=10)
        assert answer.status_code == 400
        assert "Choose who you are" in answer.text
    with pytest.raises(ConsentError, match="mira, jonas"):
        consent(app.authorize_url(), "stranger")


def test_the_browser_never_tells_a_code_when_nobody_listens_at_the_callback(
    make_app: Callable[..., App],
) -> None:
    app = make_app(redirect_uris=("http://127.0.0.1:9/callback",))
    url = app.authorize_url(redirect_uri="http://127.0.0.1:9/callback")
    with pytest.raises(
        ConsentError, match=r"nothing answers at http://127\.0\.0\.1:9/callback"
    ) as told:
        consent(url, "mira")
    assert "code=" not in str(told.value)
    assert told.value.__cause__ is None
    assert told.value.__suppress_context__


def test_tokens_are_as_spotify_gives_them_and_never_stored_on_the_way(app: App) -> None:
    answer = app.exchange(app.code())
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Type"].startswith("application/json")
    body = answer.json()
    assert body.keys() == {"access_token", "token_type", "scope", "expires_in", "refresh_token"}
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 3600)
    assert body["scope"] == "user-read-recently-played"
    assert body["access_token"] != body["refresh_token"]


def test_every_login_gets_tokens_of_its_own(app: App) -> None:
    tokens = [app.log_in(name) for name in ("mira", "mira", "jonas")]
    assert len({token["access_token"] for token in tokens}) == 3
    assert len({token["refresh_token"] for token in tokens}) == 3


@pytest.mark.parametrize(
    "verifier", ["", "another-verifier-that-is-long-enough-0123456789", "x" * 42, "ü" * 50]
)
def test_a_wrong_verifier_gets_no_tokens(app: App, verifier: str) -> None:
    answer = app.exchange(app.code(), code_verifier=verifier)
    assert refused(answer) == ("invalid_grant", "code_verifier was incorrect")


def test_the_secret_does_not_replace_the_verifier_of_a_pkce_login(app: App) -> None:
    answer = app.exchange(app.code(), code_verifier="", client_secret="sandbox-secret")
    assert refused(answer) == ("invalid_grant", "code_verifier was incorrect")


def test_a_code_works_once(app: App) -> None:
    code = app.code()
    assert app.exchange(code).status_code == 200
    assert refused(app.exchange(code)) == ("invalid_grant", "Invalid authorization code")


def test_of_many_who_come_with_one_code_at_once_only_one_gets_tokens(app: App) -> None:
    code = app.code()
    with ThreadPoolExecutor(8) as together:
        answers = list(together.map(lambda _: app.exchange(code).status_code, range(8)))
    assert sorted(answers) == [200] + [400] * 7


def test_a_code_that_was_tried_with_a_wrong_verifier_is_used_up(app: App) -> None:
    code = app.code()
    assert app.exchange(code, code_verifier="w" * 43).status_code == 400
    assert refused(app.exchange(code)) == ("invalid_grant", "Invalid authorization code")


def test_an_unknown_code_gets_no_tokens(app: App) -> None:
    assert refused(app.exchange("made-up")) == ("invalid_grant", "Invalid authorization code")


def test_a_code_lives_for_ten_minutes_of_the_sandboxs_clock(app: App) -> None:
    in_time, late = app.code(), app.code()
    app.sandbox.clock.advance(timedelta(seconds=599))
    assert app.exchange(in_time).status_code == 200
    app.sandbox.clock.advance(timedelta(seconds=1))
    assert refused(app.exchange(late)) == ("invalid_grant", "Authorization code expired")


@pytest.mark.parametrize("variant", ["{}/", "", "http://127.0.0.1:1/callback"])
def test_the_redirect_uri_of_the_exchange_must_be_that_of_the_login(app: App, variant: str) -> None:
    answer = app.exchange(app.code(), redirect_uri=variant.format(app.redirect_uri))
    assert refused(answer) == ("invalid_grant", "Invalid redirect URI")


def test_an_app_without_pkce_needs_its_secret_for_the_code_and_for_every_refresh(app: App) -> None:
    without_secret = app.exchange(app.code(without=NO_PKCE))
    assert refused(without_secret) == ("invalid_client", None)
    body = {"grant_type": "authorization_code", "redirect_uri": app.redirect_uri}
    tokens = app.token(auth=SECRET, code=app.code(without=NO_PKCE), **body)
    assert tokens.status_code == 200
    refresh = {"grant_type": "refresh_token", "refresh_token": tokens.json()["refresh_token"]}
    assert refused(app.token(client_id="sandbox-client", **refresh)) == ("invalid_client", None)
    assert app.token(auth=SECRET, **refresh).status_code == 200


@pytest.mark.parametrize(
    ("auth", "description"),
    [
        (("sandbox-client", "wrong"), "Invalid client secret"),
        (("sandbox-client", ""), "Invalid client secret"),
        (("another", "sandbox-secret"), "Invalid client"),
    ],
)
def test_wrong_credentials_get_no_tokens_and_leave_the_code_usable(
    app: App, auth: tuple[str, str], description: str
) -> None:
    code = app.code(without=NO_PKCE)
    body = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": app.redirect_uri,
    }
    assert refused(app.token(auth=auth, **body)) == ("invalid_client", description)
    assert app.token(auth=SECRET, **body).status_code == 200


@pytest.mark.parametrize("header", ["Basic :", "Basic ???", "Basic /w==", "Bearer abc", ""])
def test_missing_or_garbled_credentials_are_an_invalid_client(app: App, header: str) -> None:
    answer = requests.post(
        f"{app.sandbox.accounts_url}/api/token",
        data={"grant_type": "authorization_code", "code": "x"},
        headers={"Authorization": header},
        timeout=10,
    )
    assert refused(answer) == ("invalid_client", None)


def test_a_refresh_brings_a_new_access_token_and_no_new_refresh_token(app: App) -> None:
    first = app.log_in(scope="user-read-recently-played user-read-private")
    body = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    for _ in range(2):  # the old one goes on working
        answer = app.token(client_id="sandbox-client", **body)
        assert answer.status_code == 200
        fresh = answer.json()
        assert fresh.keys() == {"access_token", "token_type", "scope", "expires_in"}
        assert fresh["scope"] == "user-read-recently-played user-read-private"
        assert fresh["access_token"] != first["access_token"]
        assert app.get("/me", fresh["access_token"]).status_code == 200


@pytest.mark.parametrize("what", ["made-up", "", "access"])
def test_what_is_no_refresh_token_cannot_be_refreshed(app: App, what: str) -> None:
    token = app.log_in()["access_token"] if what == "access" else what
    answer = app.token(client_id="sandbox-client", grant_type="refresh_token", refresh_token=token)
    assert refused(answer) == ("invalid_grant", "Invalid refresh token")


@pytest.mark.parametrize("grant_type", ["password", "client_credentials", ""])
def test_other_grants_are_unsupported(app: App, grant_type: str) -> None:
    answer = app.token(auth=SECRET, grant_type=grant_type)
    assert refused(answer) == ("unsupported_grant_type", None)


def test_a_body_that_is_too_large_is_refused(app: App) -> None:
    answer = app.token(grant_type="refresh_token", refresh_token="x" * 200_000)
    assert answer.status_code == 413
