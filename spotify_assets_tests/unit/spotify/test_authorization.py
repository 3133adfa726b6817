"""Getting tokens, keeping them fresh, and telling nobody."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest

from spotify_assets.settings import Settings
from spotify_assets.spotify import transport
from spotify_assets.spotify.authorization import StoredLogin
from spotify_assets.spotify.client import SpotifyClient
from spotify_assets.spotify.errors import (
    AppRefused,
    LoginEnded,
    LoginFailed,
    NeedsLogin,
    RateLimited,
    SpotifyError,
    Unreachable,
)
from spotify_assets.spotify.oauth import OAuthApp
from spotify_assets.spotify.retrying import Retrying
from spotify_assets.spotify.state import Identity, State
from spotify_assets.spotify.token_store import Token, TokenStore

if TYPE_CHECKING:
    from spotify_assets_tests.unit.conftest import Reply, Serve, Server

    NewToken = Callable[..., Token]
    AllTextOf = Callable[[BaseException], str]

CODE = "AQ-secret-code"
CLIENT_SECRET = "a-client-secret"  # by name below: a traceback quotes lines of source
SECRETS = (
    CODE,
    CLIENT_SECRET,
    base64.b64encode(b"an-id:a-client-secret").decode(),
    "BQ-secret-access-token",
    "AQ-secret-refresh-token",
    "BQ-new-access-token",
    "AQ-new-refresh-token",
)
GRANTED = {
    "access_token": "BQ-new-access-token",
    "token_type": "Bearer",
    "scope": "user-read-recently-played user-library-read",
    "expires_in": 3600,
}


def granted(**more: object) -> Reply:
    return (200, {}, json.dumps({**GRANTED, **more}).encode())


def refused(error: str, **more: str) -> Reply:
    return (400, {}, json.dumps({"error": error, **more}).encode())


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, client_id="an-id", redirect_uri="http://127.0.0.1:8765/callback")


def app_of(settings: Settings, accounts: Server, secret: str = "") -> OAuthApp:
    return OAuthApp(replace(settings, accounts_url=accounts.url, client_secret=secret))


def exchange(app: OAuthApp, code: str = CODE) -> Token:
    session, _, _ = app.authorization_request()
    return app.exchange(session, code)


def test_the_login_page_is_asked_for_with_pkce_and_a_state(settings: Settings) -> None:
    _, address, state = OAuthApp(settings).authorization_request()
    asked = dict(parse_qsl(urlsplit(address).query))
    assert address.startswith(f"{settings.accounts_url}/authorize?")
    assert len(asked.pop("code_challenge")) == 43
    assert asked == {
        "client_id": "an-id",
        "response_type": "code",
        "redirect_uri": "http://127.0.0.1:8765/callback",
        "scope": "user-read-recently-played",
        "state": state,
        "code_challenge_method": "S256",
    }
    assert len(state) >= 20


def test_no_two_logins_share_a_state_or_a_challenge(settings: Settings) -> None:
    app = OAuthApp(settings)
    queries = [parse_qs(urlsplit(app.authorization_request()[1]).query) for _ in range(5)]
    for name in ("state", "code_challenge"):
        assert len({query[name][0] for query in queries}) == 5


def test_the_code_is_exchanged_with_pkce_where_there_is_no_secret(
    settings: Settings, serve: Serve
) -> None:
    accounts = serve(granted(refresh_token="AQ-new-refresh-token"))
    app = app_of(settings, accounts)
    session, address, _ = app.authorization_request()
    before = time.time()
    token = app.exchange(session, CODE)
    (seen,) = accounts.seen
    assert (seen.method, seen.path) == ("POST", "/api/token")
    assert "Authorization" not in seen.headers
    sent = dict(parse_qsl(seen.body))
    verifier = sent.pop("code_verifier")
    digest = hashlib.sha256(verifier.encode()).digest()
    challenge = parse_qs(urlsplit(address).query)["code_challenge"][0]
    assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == challenge
    assert sent == {
        "grant_type": "authorization_code",
        "code": CODE,
        "redirect_uri": "http://127.0.0.1:8765/callback",
        "client_id": "an-id",
    }
    assert token.access_token == "BQ-new-access-token"
    assert token.refresh_token == "AQ-new-refresh-token"
    assert token.scope == "user-read-recently-played user-library-read"
    assert before + 3600 <= token.expires_at <= time.time() + 3600


def test_the_code_is_exchanged_with_basic_authorization_where_there_is_a_secret(
    settings: Settings, serve: Serve
) -> None:
    accounts = serve(granted(refresh_token="r"))
    exchange(app_of(settings, accounts, CLIENT_SECRET))
    (seen,) = accounts.seen
    assert seen.headers["Authorization"] == f"Basic {SECRETS[2]}"
    assert CLIENT_SECRET not in seen.body
    assert "client_id" not in dict(parse_qsl(seen.body))


@pytest.mark.parametrize("secret", ["", CLIENT_SECRET])
def test_a_refresh_proves_the_app_by_its_id_or_its_secret(
    secret: str, settings: Settings, serve: Serve, new_token: NewToken
) -> None:
    accounts = serve(granted())
    app_of(settings, accounts, secret).refresh(new_token())
    (seen,) = accounts.seen
    sent = dict(parse_qsl(seen.body))
    assert (seen.method, seen.path) == ("POST", "/api/token")
    assert sent.pop("grant_type") == "refresh_token"
    assert sent.pop("refresh_token") == "AQ-secret-refresh-token"
    assert sent == ({} if secret else {"client_id": "an-id"})
    assert seen.headers.get("Authorization") == (f"Basic {SECRETS[2]}" if secret else None)


@pytest.mark.parametrize("missing", [{}, {"refresh_token": None}, {"refresh_token": ""}])
def test_a_refresh_token_is_kept_where_none_comes_back(
    missing: dict[str, object], settings: Settings, serve: Serve, new_token: NewToken
) -> None:
    old = new_token(authorized_at="2026-06-01T00:00:00.000Z", expires_at=1.0)
    before = time.time()
    fresh = app_of(settings, serve(granted(**missing))).refresh(old)
    assert fresh.refresh_token == "AQ-secret-refresh-token"
    assert fresh.access_token == "BQ-new-access-token"
    assert fresh.authorized_at == "2026-06-01T00:00:00.000Z"  # refreshing does not extend it
    assert before + 3600 <= fresh.expires_at <= time.time() + 3600


def test_a_refresh_token_is_replaced_where_one_comes_back(
    settings: Settings, serve: Serve, new_token: NewToken
) -> None:
    accounts = serve(granted(refresh_token="AQ-new-refresh-token"))
    assert app_of(settings, accounts).refresh(new_token()).refresh_token == "AQ-new-refresh-token"


def test_the_scope_is_kept_where_none_comes_back(
    settings: Settings, serve: Serve, new_token: NewToken
) -> None:
    accounts = serve((200, {}, b'{"access_token": "a", "expires_in": 3600}'))
    assert app_of(settings, accounts).refresh(new_token(scope="x y")).scope == "x y"


ASKED: list[Callable[[OAuthApp, Token], object]] = [
    lambda app, token: exchange(app),
    lambda app, token: app.refresh(token),
]


@pytest.mark.parametrize(
    ("ask", "error"), zip(ASKED, (LoginFailed, LoginEnded), strict=True), ids=["code", "refresh"]
)
@pytest.mark.parametrize("says", ["Refresh token revoked", "Authorization code expired", "expired"])
def test_a_refusal_of_the_login_says_why_and_what_to_do(
    ask: Callable[[OAuthApp, Token], object],
    error: type[SpotifyError],
    says: str,
    settings: Settings,
    serve: Serve,
    new_token: NewToken,
    all_text_of: AllTextOf,
) -> None:
    accounts = serve(refused("invalid_grant", error_description=says))
    with pytest.raises(error, match=f"{says}.*spotify-assets login") as caught:
        ask(app_of(settings, accounts, CLIENT_SECRET), new_token())
    assert len(accounts.seen) == 1
    text = all_text_of(caught.value)
    assert not [secret for secret in SECRETS if secret in text]


@pytest.mark.parametrize(
    ("ask", "error"), zip(ASKED, (LoginFailed, AppRefused), strict=True), ids=["code", "refresh"]
)
@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (refused("invalid_client", error_description="Invalid client secret"), "Invalid client"),
        (refused("invalid_client"), "no description"),
        (refused("unauthorized_client", error_description="grant type"), "grant type"),
        (refused("invalid_request", error_description="code must be supplied"), "be supplied"),
    ],
)
def test_a_refusal_of_the_app_names_its_settings(
    ask: Callable[[OAuthApp, Token], object],
    error: type[SpotifyError],
    reply: Reply,
    says: str,
    settings: Settings,
    serve: Serve,
    new_token: NewToken,
    all_text_of: AllTextOf,
) -> None:
    # No login mends it, and it ends none.
    accounts = serve(reply)
    with pytest.raises(error, match=f"{says}.*SPOTIFY_CLIENT_ID.*SPOTIFY_CLIENT_SECRET") as caught:
        ask(app_of(settings, accounts, CLIENT_SECRET), new_token())
    assert len(accounts.seen) == 1
    text = all_text_of(caught.value)
    assert not [secret for secret in SECRETS if secret in text]


def reset(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.close()


HALF_AN_ANSWER = json.dumps({**GRANTED, "refresh_token": "AQ-new-refresh-token"})[:-1].encode()


@pytest.mark.parametrize("ask", ASKED, ids=["code", "refresh"])
@pytest.mark.parametrize(
    "reply",
    [
        (500, {}, b""),
        (502, {}, b"<html><h1>Bad gateway</h1></html>"),
        (503, {}, b"upstream connect error"),
        (503, {"Retry-After": "1"}, b'{"error": "temporarily_unavailable"}'),
        (500, {}, b'{"error": "server_error"}'),
        (503, {}, b'{"error": "invalid_grant"}'),
        (200, {}, b"<html>Maintenance</html>"),
        (200, {}, b""),
        (200, {}, HALF_AN_ANSWER),
        (200, {}, b"null"),
        (200, {}, b"[]"),
        (200, {}, b"[1, 2]"),
        (200, {}, b"7"),
        (200, {}, b'"BQ-new-access-token"'),
        (200, {}, b"{}"),
        (200, {}, b'{"access_token": 5}'),
        (200, {}, b'{"access_token": ""}'),
        (200, {}, b'{"access_token": null, "expires_in": 3600}'),
        granted(expires_in="soon"),
        granted(expires_in=[]),
        granted(expires_in=10**400),
        granted(refresh_token=5),
        granted(refresh_token=["AQ-new-refresh-token"]),
        granted(scope=7),
        granted(scope={"a": 1}),
        granted(access_token="BQ-new-access-token\r\nX-Injected: 1"),
        granted(access_token="BQ-new-access-token \ud800"),
        (200, {}, b"\xff\xfe"),
        (200, {}, b"[" * 100_000),
        (200, {"Content-Length": "1000"}, HALF_AN_ANSWER),
        reset,
    ],
)
def test_no_usable_answer_is_unreachable_and_is_not_asked_again(
    ask: Callable[[OAuthApp, Token], object],
    reply: Reply,
    settings: Settings,
    serve: Serve,
    new_token: NewToken,
    all_text_of: AllTextOf,
    waits: list[float],
) -> None:
    accounts = serve(reply)
    with pytest.raises(Unreachable) as caught:
        ask(app_of(settings, accounts, CLIENT_SECRET), new_token())
    assert len(accounts.seen) == 1
    text = all_text_of(caught.value)
    assert not [secret for secret in SECRETS if secret in text]


@pytest.mark.parametrize("ask", ASKED, ids=["code", "refresh"])
def test_nobody_there_is_unreachable(
    ask: Callable[[OAuthApp, Token], object],
    settings: Settings,
    new_token: NewToken,
    all_text_of: AllTextOf,
) -> None:
    app = OAuthApp(replace(settings, accounts_url="http://127.0.0.1:1"))
    with pytest.raises(Unreachable) as caught:
        ask(app, new_token())
    text = all_text_of(caught.value)
    assert not [secret for secret in SECRETS if secret in text]


@pytest.mark.parametrize("ask", ASKED, ids=["code", "refresh"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_code_or_a_refresh_token_is_not_carried_to_another_host(
    ask: Callable[[OAuthApp, Token], object],
    status: int,
    settings: Settings,
    serve: Serve,
    new_token: NewToken,
) -> None:
    other = serve(granted())
    accounts = serve((status, {"Location": f"{other.url}/api/token"}, b""))
    with pytest.raises(Unreachable):
        ask(app_of(settings, accounts), new_token())
    assert other.seen == []


def drip_a_grant(handler: BaseHTTPRequestHandler) -> None:
    """A good answer, a byte at a time, for three seconds."""
    body = b" " * 300 + json.dumps(GRANTED).encode()
    handler.send_response_only(200)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    try:
        for byte in body:
            handler.wfile.write(bytes([byte]))
            threading.Event().wait(0.01)
    except OSError:
        pass


@pytest.mark.parametrize("ask", ASKED, ids=["code", "refresh"])
def test_a_token_answer_that_drips_ends_at_a_deadline(
    ask: Callable[[OAuthApp, Token], object],
    settings: Settings,
    serve: Serve,
    new_token: NewToken,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transport, "EXCHANGE_SECONDS", 0.2)
    with pytest.raises(Unreachable):
        ask(app_of(settings, serve(drip_a_grant)), new_token())


@pytest.mark.parametrize("ask", ASKED, ids=["code", "refresh"])
def test_a_token_answer_that_is_too_large_is_not_read_to_its_end(
    ask: Callable[[OAuthApp, Token], object],
    settings: Settings,
    serve: Serve,
    new_token: NewToken,
) -> None:
    bomb = gzip.compress(json.dumps(GRANTED).encode() + b" " * transport.LARGEST_BODY_BYTES)
    with pytest.raises(Unreachable):
        ask(app_of(settings, serve((200, {"Content-Encoding": "gzip"}, bomb))), new_token())


def test_a_long_wait_is_read_from_a_refusal_that_breaks_off(
    settings: Settings, serve: Serve, new_token: NewToken
) -> None:
    reply = (429, {"Retry-After": "7200", "Content-Length": "1000"}, b'{"error"')
    with pytest.raises(RateLimited) as caught:
        app_of(settings, serve(reply)).refresh(new_token())
    assert caught.value.retry_after_seconds == 7200


class Spotify:
    """An API that takes one access token, and an accounts host that hands it out."""

    def __init__(self, serve: Serve, answer: Reply, together: int = 1) -> None:
        # Holds an answer back until as many have asked, or for a moment: whoever asks at the same
        # time because nobody stops them has come by then.
        self._asked = threading.Barrier(together)
        self._answer = answer
        self.server = serve(self._reply)
        self.works = "BQ-new-access-token"

    @property
    def refreshes(self) -> int:
        return sum(seen.path == "/api/token" for seen in self.server.seen)

    @property
    def calls(self) -> list[str]:
        return [
            seen.headers["Authorization"].removeprefix("Bearer ")
            for seen in self.server.seen
            if seen.path != "/api/token"
        ]

    def _reply(self, handler: BaseHTTPRequestHandler) -> None:
        if handler.path == "/api/token":
            try:
                self._asked.wait(0.2)
            except threading.BrokenBarrierError:
                pass
            assert isinstance(self._answer, tuple)
            status, _, body = self._answer
        else:
            good = handler.headers["Authorization"] == f"Bearer {self.works}"
            status, body = (200, b"{}") if good else (401, b"")
        handler.send_response_only(status)
        handler.send_header("Content-Length", str(len(body)))
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(body)


@pytest.fixture
def spotify(serve: Serve) -> Spotify:
    return Spotify(serve, granted())


def api_of(settings: Settings, spotify: Spotify) -> SpotifyClient:
    url = spotify.server.url
    settings = replace(settings, accounts_url=url, api_url=url)
    return SpotifyClient(settings, stored_login(settings), Retrying.never())


def stored_login(settings: Settings) -> StoredLogin:
    state, store = State(settings.state_path), TokenStore(settings.tokens)
    return StoredLogin(OAuthApp(settings), store, state, "mira")


def save(settings: Settings, token: Token) -> None:
    State(settings.state_path).attach(Identity("mira", "stable", "Mira"), None, token.authorized_at)
    TokenStore(settings.tokens).save("mira", token)


def test_without_a_stored_login_the_person_is_sent_to_log_in(
    settings: Settings, spotify: Spotify
) -> None:
    with pytest.raises(NeedsLogin, match="mira.*spotify-assets login"):
        api_of(settings, spotify).get("me")
    assert spotify.server.seen == []


@pytest.mark.parametrize(("seconds_left", "refreshes"), [(-3600, 1), (0, 1), (50, 1), (90, 0)])
def test_a_token_is_refreshed_a_minute_before_it_ends(
    seconds_left: int,
    refreshes: int,
    settings: Settings,
    spotify: Spotify,
    new_token: NewToken,
) -> None:
    spotify.works = "BQ-new-access-token" if refreshes else "BQ-secret-access-token"
    save(settings, new_token(expires_at=time.time() + seconds_left))
    api = api_of(settings, spotify)
    api.get("me")
    api.get("me")
    assert spotify.refreshes == refreshes
    assert spotify.calls == [spotify.works] * 2
    stored = TokenStore(settings.tokens).load("mira")
    assert stored is not None
    assert stored.access_token == spotify.works
    assert stored.refresh_token == "AQ-secret-refresh-token"


def test_a_refresh_token_that_came_back_is_on_disk(
    settings: Settings, serve: Serve, new_token: NewToken
) -> None:
    spotify = Spotify(serve, granted(refresh_token="AQ-new-refresh-token"))
    save(settings, new_token(expires_at=0.0))
    api_of(settings, spotify).get("me")
    stored = TokenStore(settings.tokens).load("mira")
    assert stored is not None
    assert stored.refresh_token == "AQ-new-refresh-token"


def test_threads_with_an_expired_token_refresh_it_once(
    settings: Settings, serve: Serve, new_token: NewToken
) -> None:
    # Two refreshes with rotation would spend one refresh token twice, and lose the login.
    spotify = Spotify(serve, granted(), together=2)
    save(settings, new_token(expires_at=0.0))
    started = threading.Barrier(6)

    def call(_: int) -> None:
        api = api_of(settings, spotify)
        started.wait()
        api.get("me")

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(call, range(6)))
    assert spotify.refreshes == 1
    assert spotify.calls == ["BQ-new-access-token"] * 6


ONE_CALL = """
import sys
from spotify_assets.settings import Settings
from spotify_assets.spotify import transport
from spotify_assets.spotify.authorization import StoredLogin
from spotify_assets.spotify.client import SpotifyClient
from spotify_assets.spotify.oauth import OAuthApp
from spotify_assets.spotify.retrying import Retrying
from spotify_assets.spotify.state import Identity, State
from spotify_assets.spotify.token_store import TokenStore
settings = Settings.load(env_file=None)
state, store = State(settings.state_path), TokenStore(settings.tokens)
login = StoredLogin(OAuthApp(settings), store, state, "mira")
api = SpotifyClient(settings, login, Retrying.never())
print("ready", flush=True)
sys.stdin.readline()
api.get("me")
"""


def test_processes_with_an_expired_token_refresh_it_once(
    settings: Settings, serve: Serve, new_token: NewToken
) -> None:
    spotify = Spotify(serve, granted(), together=2)
    save(settings, new_token(expires_at=0.0))
    urls = {"SPOTIFY_API_URL": spotify.server.url, "SPOTIFY_ACCOUNTS_URL": spotify.server.url}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", ONE_CALL],
            env={**settings.environment(), **urls},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=30)
    assert [process.returncode for process in processes] == [0, 0]
    assert spotify.refreshes == 1
    assert spotify.calls == ["BQ-new-access-token"] * 2


def test_a_401_is_one_renewal_and_one_repeat(
    settings: Settings, spotify: Spotify, new_token: NewToken
) -> None:
    save(settings, new_token())
    assert api_of(settings, spotify).get("me").json == {}
    assert spotify.refreshes == 1
    assert spotify.calls == ["BQ-secret-access-token", "BQ-new-access-token"]


def test_a_401_that_stays_is_not_asked_a_third_time(
    settings: Settings, spotify: Spotify, new_token: NewToken
) -> None:
    spotify.works = "none at all"
    save(settings, new_token())
    with pytest.raises(NeedsLogin, match="spotify-assets login"):
        api_of(settings, spotify).get("me")
    assert spotify.refreshes == 1
    assert spotify.calls == ["BQ-secret-access-token", "BQ-new-access-token"]


def test_a_401_uses_the_token_that_another_process_fetched_meanwhile(
    settings: Settings, spotify: Spotify, new_token: NewToken
) -> None:
    save(settings, new_token())
    login = stored_login(settings)
    request: Any = type("Request", (), {"headers": {}})()
    login(request)
    assert request.headers == {"Authorization": "Bearer BQ-secret-access-token"}
    save(settings, new_token(access_token="BQ-new-access-token"))
    assert login.renew()
    login(request)
    assert request.headers == {"Authorization": "Bearer BQ-new-access-token"}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refused("invalid_grant", error_description="Refresh token revoked"), LoginEnded),
        (refused("invalid_client"), AppRefused),
        ((429, {"Retry-After": "7200"}, b"Too many requests"), RateLimited),
        ((503, {}, b""), Unreachable),
        ((200, {}, b"<html></html>"), Unreachable),
    ],
)
def test_a_refresh_that_fails_leaves_the_stored_login(
    answer: Reply,
    error: type[SpotifyError],
    settings: Settings,
    serve: Serve,
    new_token: NewToken,
) -> None:
    # Spotify once told everybody "invalid_grant" during an incident: nothing is deleted.
    spotify = Spotify(serve, answer)
    old = new_token(expires_at=0.0)
    save(settings, old)
    with pytest.raises(error):
        api_of(settings, spotify).get("me")
    assert TokenStore(settings.tokens).load("mira") == old
    assert spotify.refreshes == 1
    assert spotify.calls == []
