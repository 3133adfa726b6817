"""What the unit tests share: settings in a folder of their own, a sandbox, and bad servers.

Everything speaks real HTTP on 127.0.0.1. A bad server is a list of replies, given in order, the
last one for ever.
"""

from __future__ import annotations

import json
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from spotify_assets import times
from spotify_assets.sandbox.browser import consent
from spotify_assets.sandbox.server import Sandbox, SandboxConfig
from spotify_assets.settings import Settings
from spotify_assets.spotify import recently_played
from spotify_assets.spotify.authorization import FreshLogin
from spotify_assets.spotify.client import SpotifyClient
from spotify_assets.spotify.login import login
from spotify_assets.spotify.retrying import Retrying
from spotify_assets.spotify.state import Account, LandedPage, State
from spotify_assets.spotify.token_store import Token, TokenStore
from spotify_assets.warehouse.draining import load_of
from spotify_assets.warehouse.loading import Load
from spotify_assets.warehouse.warehouse import Warehouse
from spotify_assets_tests.support import free_port

NOW = datetime(2026, 11, 20, 21, 0, 0, 250_000, tzinfo=UTC)

Reply = tuple[int, dict[str, str], bytes] | Callable[[BaseHTTPRequestHandler], object]


@dataclass(frozen=True)
class Seen:
    """A request as a server saw it."""

    method: str
    path: str
    headers: dict[str, str]
    body: str


@dataclass
class Server:
    """A server on 127.0.0.1 that gives the replies it was told to give."""

    replies: list[Reply]
    seen: list[Seen] = field(default_factory=list)
    url: str = ""

    def next_reply(self, request: Seen) -> Reply:
        self.seen.append(request)
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


Serve = Callable[..., Server]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server of these replies: (status, headers, body), or what to do with a handler."""
    with ExitStack() as stack:

        def start(*replies: Reply) -> Server:
            server = Server(list(replies))

            class Handler(BaseHTTPRequestHandler):
                protocol_version = "HTTP/1.1"

                def do_GET(self) -> None:
                    self.close_connection = True
                    length = int(self.headers.get("Content-Length", 0))
                    body = self.rfile.read(length).decode()
                    seen = Seen(self.command, self.path, dict(self.headers), body)
                    reply = server.next_reply(seen)
                    if callable(reply):
                        reply(self)
                        return
                    status, headers, content = reply
                    self.send_response_only(status)
                    usual = {"Content-Length": str(len(content)), "Connection": "close"}
                    for name, value in {**usual, **headers}.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(content)

                do_POST = do_GET

                def log_message(self, format: str, *args: object) -> None: ...

            listener = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
            thread = threading.Thread(target=listener.serve_forever, args=(0.01,), daemon=True)
            thread.start()
            stack.callback(thread.join)
            stack.callback(listener.shutdown)
            server.url = f"http://127.0.0.1:{listener.server_port}"
            return server

        yield start


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds for which retries wanted to wait; nobody really waits."""
    asked: list[float] = []
    clock = SimpleNamespace(sleep=asked.append, time=time.time)
    monkeypatch.setattr("urllib3.util.retry.time", clock)
    return asked


def a_token(**changes: Any) -> Token:
    token = Token(
        access_token="BQ-secret-access-token",
        refresh_token="AQ-secret-refresh-token",
        expires_at=time.time() + 3600,
        scope="user-read-recently-played",
        authorized_at="2026-11-20T21:00:00.000Z",
    )
    return replace(token, **changes)


@pytest.fixture
def new_token() -> Callable[..., Token]:
    """A token, with the fields that a test cares about."""
    return a_token


@pytest.fixture
def client(tmp_path: Path) -> Callable[..., SpotifyClient]:
    """A client of the API at an address, with a token that is not refreshed."""

    def make(url: str, retrying: Retrying | None = None) -> SpotifyClient:
        environ = {"SPOTIFY_API_URL": url, "SPOTIFY_ASSETS_DATA": str(tmp_path / "data")}
        settings = Settings.load(environ, env_file=None)
        return SpotifyClient(settings, FreshLogin(a_token()), retrying or Retrying.never())

    return make


@pytest.fixture
def all_text_of() -> Callable[[BaseException], str]:
    """Everything an error can tell: its traceback, and that of each error behind it."""

    def collect(error: BaseException) -> str:
        parts: list[str] = []
        todo: list[BaseException | None] = [error]
        while todo:
            one = todo.pop()
            if one is not None:
                parts += [*traceback.format_exception(one), str(one), repr(one), repr(one.args)]
                todo += [one.__cause__, one.__context__]
        return "\n".join(parts)

    return collect


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """A Spotify whose clock stands at NOW, with an app that can be called back."""
    redirect_uri = f"http://127.0.0.1:{free_port()}/callback"
    elsewhere = "https://plays.example.org/callback"  # an address that we cannot serve
    config = SandboxConfig(now=NOW, speed=0, redirect_uris=(redirect_uri, elsewhere))
    with Sandbox(config) as running:
        yield running


def settings_for(sandbox: Sandbox, data: Path, **changes: str) -> Settings:
    environ = {**sandbox.environment(), "SPOTIFY_ASSETS_DATA": str(data), **changes}
    return Settings.load(environ, env_file=None)


@pytest.fixture
def settings(sandbox: Sandbox, tmp_path: Path) -> Settings:
    """Settings of an empty data folder and the sandbox."""
    return settings_for(sandbox, tmp_path / "data")


@pytest.fixture
def state(settings: Settings) -> State:
    """The state database of the settings; not created yet."""
    return State(settings.state_path)


@pytest.fixture
def store(settings: Settings) -> TokenStore:
    """The token store of the settings; not created yet."""
    return TokenStore(settings.tokens)


@pytest.fixture
def warehouse(settings: Settings) -> Warehouse:
    """The warehouse of the settings; not created yet."""
    return Warehouse(settings.warehouse_path)


@pytest.fixture
def log_in(settings: Settings, state: State, store: TokenStore) -> Callable[..., Account]:
    """Log a listener of the sandbox in."""

    def log_in(
        listener: str = "mira", account_id: str | None = None, agree: bool = True
    ) -> Account:
        return login(
            settings,
            state,
            store,
            account_id=account_id,
            open_browser=lambda address: consent(address, listener, agree),
        )

    return log_in


@pytest.fixture(scope="session")
def page_body(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A recently-played page of the sandbox, as received."""
    config = SandboxConfig(
        now=NOW, speed=0, redirect_uris=(f"http://127.0.0.1:{free_port()}/callback",)
    )
    with Sandbox(config) as running:
        settings = settings_for(running, tmp_path_factory.mktemp("page") / "data")
        store = TokenStore(settings.tokens)
        login(
            settings,
            State(settings.state_path),
            store,
            open_browser=lambda address: consent(address, "mira"),
        )
        token = store.load("mira")
        assert token is not None
        api = SpotifyClient(settings, FreshLogin(token), Retrying.never())
        return api.get(recently_played.PATH, limit=50).text


@pytest.fixture
def items(page_body: str) -> list[Any]:
    """The fifty items of that page, newest first; each test gets its own."""
    listed: list[Any] = json.loads(page_body)["items"]
    return listed


def page_of(items: list[Any], page_id: str = "page-1", account_id: str = "mira") -> LandedPage:
    moment = times.to_text(NOW)
    return LandedPage(page_id, account_id, moment, moment, json.dumps({"items": items}))


@pytest.fixture
def new_page() -> Callable[..., LandedPage]:
    """A landed page of these items."""
    return page_of


@pytest.fixture
def new_load() -> Callable[..., Load]:
    """These items as a load: a page, flattened and split."""

    def make(items: list[Any], page_id: str = "page-1", account_id: str = "mira") -> Load:
        return load_of(page_of(items, page_id, account_id))

    return make
