"""The callback server and clients that are no browser: rude, silent, slow, or not meant for us."""

from __future__ import annotations

import random
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from threading import Event
from urllib.parse import urlsplit

import pytest
import requests

from spotify_assets.sandbox.server import Sandbox
from spotify_assets.settings import Settings
from spotify_assets.spotify import callback
from spotify_assets.spotify import login as login_module
from spotify_assets.spotify.callback import served
from spotify_assets.spotify.login import login
from spotify_assets.spotify.state import State
from spotify_assets.spotify.token_store import TokenStore
from spotify_assets_tests.support import free_port

A_WHOLE_PAGE = 2_000  # bytes, with its headers
FEW, MANY = 10, 200
SEEDS = [*range(FEW), *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(FEW, MANY))]


@pytest.fixture
def redirect_uri() -> str:
    return f"http://127.0.0.1:{free_port()}/callback"


@pytest.fixture
def connect(redirect_uri: str) -> Iterator[Callable[[], socket.socket]]:
    """Open a connection to the callback server."""
    parts = urlsplit(redirect_uri)
    with ExitStack() as stack:
        yield lambda: stack.enter_context(
            socket.create_connection((parts.hostname, parts.port or 0), timeout=20)
        )


def connected(_: str) -> tuple[bool, str]:
    return True, "mira is connected."


def request(address: str) -> bytes:
    parts = urlsplit(address)
    return f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode()


def drop_while_sending(address: str, sent: int) -> None:
    """Send so many bytes of a request, then reset the connection."""
    _reset(address, request(address)[:sent], read=0)


def drop_while_reading(address: str, read: int) -> None:
    """Send a request, read so many bytes of the answer, then reset the connection."""
    _reset(address, request(address), read)


def _reset(address: str, sent: bytes, read: int) -> None:
    parts = urlsplit(address)
    with socket.create_connection((parts.hostname, parts.port or 0), timeout=20) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.sendall(sent)
        while read > 0 and (some := client.recv(read)):
            read -= len(some)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_login_ends_whenever_its_client_drops_the_connection(
    seed: int,
    settings: Settings,
    sandbox: Sandbox,
    state: State,
    store: TokenStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(login_module, "WAIT_SECONDS", 20)
    rng = random.Random(seed)

    def drop(address: str) -> None:
        form = {"listener": "mira", "decision": "agree"}
        answer = requests.post(address, data=form, allow_redirects=False, timeout=10)
        final = answer.headers["Location"]
        drop_while_sending(final, rng.randrange(len(request(final)) - 1))
        drop_while_reading(final, rng.choice([0, rng.randrange(A_WHOLE_PAGE)]))

    assert login(settings, state, store, open_browser=drop).account_id == "mira"
    assert store.load("mira") is not None


def test_a_client_that_never_reads_the_page_keeps_nobody_waiting(
    redirect_uri: str,
    connect: Callable[[], socket.socket],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    larger_than_what_the_system_buffers = "x" * 20_000_000
    monkeypatch.setattr(callback, "PAGE", larger_than_what_the_system_buffers)
    monkeypatch.setattr(callback, "PAGE_SECONDS", 0.01)
    with served(redirect_uri, connected):
        client = connect()
        client.sendall(request(f"{redirect_uri}?code=1"))
        assert client.recv(1) == b"H"


def test_a_page_is_sent_whole_before_the_login_is_left(
    redirect_uri: str, connect: Callable[[], socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callback, "PAGE_SECONDS", 20)
    handling, leaving = Event(), Event()

    def handle(_: str) -> tuple[bool, str]:
        handling.set()
        leaving.wait(20)
        return True, "mira is connected."

    with served(redirect_uri, handle):
        client = connect()
        client.sendall(request(f"{redirect_uri}?code=1"))
        assert handling.wait(20)
        leaving.set()
    client.setblocking(False)
    assert client.recv(A_WHOLE_PAGE).endswith(b"</html>")


def test_clients_that_say_nothing_block_no_answer(
    redirect_uri: str, connect: Callable[[], socket.socket]
) -> None:
    with served(redirect_uri, connected):
        silent = [connect() for _ in range(2 * callback.MOST_CONNECTIONS)]
        for client in silent[::2]:
            client.sendall(b"GET /callback?code=1 HT")
        assert requests.get(redirect_uri, timeout=20).status_code == 200
        assert silent[0].recv(1) == b""  # the oldest one had to go


def test_a_client_that_stops_in_the_middle_is_dropped_in_time(
    redirect_uri: str, connect: Callable[[], socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callback._Handler, "timeout", 0.01)
    with served(redirect_uri, connected):
        client = connect()
        client.sendall(b"GET /callback?code=1 HTTP/1.1\r\nHos")
        assert client.recv(1) == b""


@pytest.mark.parametrize(
    ("method", "path", "host", "status"),
    [
        ("GET", "/callback?code=1", "evil.example:{port}", 403),
        ("GET", "/callback?code=1", "127.0.0.1", 403),
        ("GET", "/callback?code=1", "localhost:{port}", 403),
        ("GET", "/callback?code=1", "", 403),
        ("GET", "/callback?code=1", "127.0.0.1:{port}\r\nSec-Fetch-Site: cross-site", 403),
        ("GET", "/callback/?code=1", "127.0.0.1:{port}", 404),
        ("GET", "/?code=1", "127.0.0.1:{port}", 404),
        ("GET", "http://[/callback?code=1", "127.0.0.1:{port}", 404),
        ("HEAD", "/callback?code=1", "127.0.0.1:{port}", 501),
        ("POST", "/callback?code=1", "127.0.0.1:{port}", 501),
        ("GET", "/callback?code=1 HTTP/9 x", "127.0.0.1:{port}", 400),
        ("GET", "/callback?code=" + "a" * 70_000, "127.0.0.1:{port}", 414),
    ],
)
def test_only_a_redirect_to_us_is_handled(
    method: str,
    path: str,
    host: str,
    status: int,
    redirect_uri: str,
    connect: Callable[[], socket.socket],
    capfd: pytest.CaptureFixture[str],
) -> None:
    handled: list[str] = []

    def handle(address: str) -> tuple[bool, str]:
        handled.append(address)
        return True, ""

    host = host.format(port=urlsplit(redirect_uri).port)
    with served(redirect_uri, handle):
        client = connect()
        client.sendall(f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        answer = client.makefile("rb").read().decode()
        assert answer.split()[1] == str(status)
        assert "code=" not in answer
        assert handled == []
        requests.get(f"{redirect_uri}?code=2", timeout=20)
        assert handled == ["/callback?code=2"]
    assert capfd.readouterr() == ("", "")
