"""What the client makes of each answer, and what it never lets out: the access token."""

from __future__ import annotations

import gzip
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from threading import Timer
from typing import TYPE_CHECKING

import pytest

from spotify_assets.spotify import transport
from spotify_assets.spotify.client import SpotifyClient
from spotify_assets.spotify.errors import (
    BadAnswer,
    Forbidden,
    NeedsLogin,
    RateLimited,
    ScopeRefused,
    SpotifyError,
    Unreachable,
)
from spotify_assets_tests.support import wait_for

if TYPE_CHECKING:
    from spotify_assets_tests.unit.conftest import Reply, Serve

    NewClient = Callable[..., SpotifyClient]

ACCESS_TOKEN = "BQ-secret-access-token"
NOT_REGISTERED = (
    "Check settings on developer.spotify.com/dashboard, the user may not be registered."
)
PREMIUM = "Active premium subscription required for the owner of the app."


def api_error(status: int, **more: object) -> bytes:
    return json.dumps({"error": {"status": status, **more}}).encode()


def test_an_answer_is_its_text_its_json_and_spotifys_clock(serve: Serve, client: NewClient) -> None:
    body = '{ "items" : [ ],\r\n "name": "größer \\u00e9 🎧" }\n'
    server = serve((200, {"Date": "Wed, 25 Feb 2026 20:15:20 GMT"}, body.encode()))
    answer = client(f"{server.url}/v1").get("me/player/recently-played", limit=50, after=1)
    assert answer.text == body
    assert answer.json == {"items": [], "name": "größer é 🎧"}
    assert answer.date == datetime(2026, 2, 25, 20, 15, 20, tzinfo=UTC)
    (seen,) = server.seen
    assert seen.path == "/v1/me/player/recently-played?limit=50&after=1"
    assert seen.headers["Authorization"] == f"Bearer {ACCESS_TOKEN}"


@pytest.mark.parametrize("headers", [{}, {"Date": "some day"}])
def test_an_answer_without_a_readable_date_has_none(
    headers: dict[str, str], serve: Serve, client: NewClient
) -> None:
    assert client(serve((200, headers, b"{}")).url).get("me").date is None


ERRORS: list[tuple[Reply, type[SpotifyError], str]] = [
    ((401, {}, api_error(401, message="The access token expired")), NeedsLogin, "login"),
    (
        (
            401,
            {"WWW-Authenticate": 'Bearer realm="spotify", error="invalid_token"'},
            api_error(401, message="Missing/invalid/expired access token"),
        ),
        NeedsLogin,
        "login",
    ),
    ((401, {}, b""), NeedsLogin, "login"),
    ((403, {"Content-Type": "text/plain"}, NOT_REGISTERED.encode()), Forbidden, NOT_REGISTERED),
    ((403, {}, api_error(403, message=NOT_REGISTERED)), Forbidden, NOT_REGISTERED),
    ((403, {}, api_error(403, message="Forbidden")), Forbidden, "Forbidden"),
    ((403, {}, api_error(403)), Forbidden, "no reason given"),
    ((403, {}, api_error(403, message=None)), Forbidden, "no reason given"),
    ((403, {}, api_error(403, message="Insufficient client scope")), ScopeRefused, "client scope"),
    ((403, {}, api_error(403, message=PREMIUM)), Forbidden, PREMIUM),
    (
        (403, {}, api_error(403, message="Player", reason="PREMIUM_REQUIRED")),
        Forbidden,
        "Player",
    ),
    ((403, {}, b""), Forbidden, "no reason given"),
    ((403, {}, b"<html><h1>Forbidden</h1></html>"), Forbidden, "no reason given"),
    ((403, {}, b'{"error": "invalid_scope"}'), Forbidden, "invalid_scope"),
    ((404, {}, api_error(404, message="Resource not found")), BadAnswer, "404.*not found"),
    ((400, {}, api_error(400, message="Invalid limit")), BadAnswer, "400.*Invalid limit"),
    ((429, {}, api_error(429, message="API rate limit exceeded")), RateLimited, "API rate limit"),
    ((429, {}, b"Too many requests"), RateLimited, "Too many requests"),
    (
        (
            429,
            {"Retry-After": "79892"},
            api_error(429, message="Too many requests", reason="QUOTA_EXCEEDED"),
        ),
        RateLimited,
        "stay away until .*QUOTA_EXCEEDED",
    ),
    ((429, {}, b""), RateLimited, "rate limit"),
    ((500, {}, b""), Unreachable, "500"),
    ((502, {}, b"<html><h1>Bad gateway</h1></html>"), Unreachable, "502"),
    ((503, {}, b"upstream connect error"), Unreachable, "503"),
    ((503, {}, api_error(503, message="Service unavailable")), Unreachable, "503"),
    ((501, {}, b"\xff\xfe"), Unreachable, "501"),
    ((429, {"Retry-After": "7200"}, b"\xfc"), RateLimited, "stay away until"),
    ((429, {"Retry-After": "7200", "Content-Length": "9"}, b"{"), RateLimited, "stay away until"),
    ((429, {"Retry-After": "7200", "Content-Encoding": "gzip"}, b"no"), RateLimited, "stay away"),
    ((204, {}, b""), BadAnswer, "204"),
    ((304, {}, b""), BadAnswer, "304"),
    ((418, {}, b"I am a teapot"), BadAnswer, "418.*teapot"),
]


@pytest.mark.parametrize(("reply", "error", "says"), ERRORS)
def test_each_refusal_has_its_error(
    reply: Reply,
    error: type[SpotifyError],
    says: str,
    serve: Serve,
    client: NewClient,
    all_text_of: Callable[[BaseException], str],
) -> None:
    with pytest.raises(SpotifyError, match=says) as caught:
        client(serve(reply).url).get("me")
    assert type(caught.value) is error
    assert "<h1>" not in str(caught.value)
    assert ACCESS_TOKEN not in all_text_of(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        b'{"error":{"status":403,"message":"' + b"long " * 100_000 + b'"}}',
        b"long " * 100_000,
        b'{"error":{"status":403,"message":"\\ud800 \\u0000 in a name"}}',
        b'{"error":{"status":403,"message":{"a":["b"]},"reason":7}}',
        b'{"error":{"status":403,"message":' + b"[" * 100_000,
        b'{"error":[]}',
        b"[]",
        b"null",
        b"12",
    ],
)
def test_an_odd_reason_still_is_a_short_line_that_can_be_stored(
    body: bytes, serve: Serve, client: NewClient
) -> None:
    # The message goes into `accounts.last_look_error`; a lone surrogate cannot be stored there.
    with pytest.raises(Forbidden) as caught:
        client(serve((403, {}, body)).url).get("me")
    message = str(caught.value)
    assert len(message.encode("utf-8")) < 2000
    assert "\0" not in message


def test_a_reason_that_quotes_the_token_is_told_without_it(serve: Serve, client: NewClient) -> None:
    token = "BQ" + "abc-DEF_123" * 12
    words = f"Invalid access token {token}, see https://developer.spotify.com/documentation"
    for body in (words.encode(), api_error(403, message=words), api_error(403, message=[words])):
        with pytest.raises(Forbidden, match="Invalid access token …, see https://dev") as caught:
            client(serve((403, {}, body)).url).get("me")
        assert token[:20] not in str(caught.value)
    for between in ("\u200b", "\0", "\x1b"):  # not to be seen, and gone from what is told
        split = words.replace(token, token[:30] + between + token[30:])
        with pytest.raises(Forbidden, match="Invalid access token …,"):
            client(serve((403, {}, split.encode())).url).get("me")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b'{"items": [',
        b'{"items": []}}',
        b"<html></html>",
        b"{'items': []}",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": [-Infinity]}',
        b'{"a": 1e400}',
        b'{"a": ' + b"9" * 10_000 + b"}",
        b"\xef\xbb\xbf{}",
        b'{"a": "\0"}',
        b"{" * 200_000,
        b'{"a": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
    ],
)
def test_what_is_not_json_is_a_bad_answer(body: bytes, serve: Serve, client: NewClient) -> None:
    with pytest.raises(BadAnswer, match="not JSON"):
        client(serve((200, {}, body)).url).get("me")


@pytest.mark.parametrize("body", [b"[]", b"null", b"7", b"true", b'"{}"'])
def test_json_of_another_shape_is_a_bad_answer(
    body: bytes, serve: Serve, client: NewClient
) -> None:
    with pytest.raises(BadAnswer, match="another shape"):
        client(serve((200, {}, body)).url).get("me")


@pytest.mark.parametrize(("deep", "too_deep"), [(99, False), (100, True), (500, True)])
def test_json_that_nests_deeper_than_any_real_answer_is_a_bad_answer(
    deep: int, too_deep: bool, serve: Serve, client: NewClient
) -> None:
    # What nests to Python's own limit can be read here and break in a deeper call later.
    body = b'{"a": ' + b"[" * deep + b"]" * deep + b"}"
    api = client(serve((200, {}, body)).url)
    if too_deep:
        with pytest.raises(BadAnswer, match="another shape"):
            api.get("me")
    else:
        assert api.get("me").json


@pytest.mark.parametrize("body", [b'{"a": "\xff"}', '{"a": 1}'.encode("utf-16"), b'{"a":"\xc3'])
def test_what_is_not_utf_8_is_a_bad_answer(body: bytes, serve: Serve, client: NewClient) -> None:
    with pytest.raises(BadAnswer, match="UTF-8"):
        client(serve((200, {}, body)).url).get("me")


def test_an_answer_that_is_too_large_is_not_read_to_its_end(
    serve: Serve, client: NewClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "LARGEST_BODY_BYTES", 1000)
    assert client(serve((200, {}, b"{" + b" " * 998 + b"}")).url).get("me").json == {}
    with pytest.raises(BadAnswer, match="larger than 1,000 bytes"):
        client(serve((200, {}, b"{" + b" " * 999 + b"}")).url).get("me")


def test_an_answer_that_unpacks_to_something_huge_is_refused(
    serve: Serve, client: NewClient
) -> None:
    bomb = gzip.compress(b"{" + b" " * transport.LARGEST_BODY_BYTES + b"}")
    assert len(bomb) < 100_000
    with pytest.raises(BadAnswer, match="larger than"):
        client(serve((200, {"Content-Encoding": "gzip"}, bomb)).url).get("me")


def test_a_compressed_answer_is_unpacked(serve: Serve, client: NewClient) -> None:
    body = gzip.compress('{"name": "größer"}'.encode())
    answer = client(serve((200, {"Content-Encoding": "gzip"}, body)).url).get("me")
    assert answer.json == {"name": "größer"}


def chunked(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response_only(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    body = '{"name": "größer"}'.encode()
    for byte in body:  # so a character is cut in half
        handler.wfile.write(b"1\r\n" + bytes([byte]) + b"\r\n")
    handler.wfile.write(b"0\r\n\r\n")


def test_a_chunked_answer_is_put_together(serve: Serve, client: NewClient) -> None:
    assert client(serve(chunked).url).get("me").json == {"name": "größer"}


@contextmanager
def dripping(started: bytes, length: int) -> Iterator[Callable[[BaseHTTPRequestHandler], None]]:
    """A reply that begins and then stands still until the block ends."""
    over = threading.Event()

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response_only(200)
        handler.send_header("Content-Length", str(length))
        handler.end_headers()
        handler.wfile.write(started)
        over.wait(30)

    try:
        yield drip
    finally:
        over.set()


def drip(started: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
    """A reply that goes on byte by byte until we hang up."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        try:
            handler.wfile.write(started)
            for _ in range(10_000):
                handler.wfile.write(b" ")
                handler.wfile.flush()
                hung_up.wait(0.01)
        except OSError:
            pass

    hung_up = threading.Event()
    return reply


@pytest.mark.parametrize(
    "started",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{",
        b"HTTP/1.0 200 OK\r\nContent-Length: 100000\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 100000\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nX-Endless: ",
        b"HTTP/1.1 ",
    ],
    ids=["body", "HTTP/1.0", "last of its connection", "header", "status"],
)
def test_an_answer_that_drips_ends_at_a_deadline(
    started: bytes, serve: Serve, client: NewClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A time-out of the socket never comes: each byte begins it anew.
    monkeypatch.setattr(transport, "EXCHANGE_SECONDS", 0.1)
    with pytest.raises(Unreachable):
        client(serve(drip(started)).url).get("me")


@pytest.mark.parametrize("started", [b"", b'{"a'])
def test_an_answer_that_stands_still_is_given_up(
    started: bytes, serve: Serve, client: NewClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "READ_SECONDS", 0.05)
    with dripping(started, length=1000) as reply, pytest.raises(Unreachable):
        client(serve(reply).url).get("me")


def broken_chunk(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response_only(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b'b\r\n{"items": []\r\n')


def no_http(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"SSH-2.0-OpenSSH_9.6\r\n")


@pytest.mark.parametrize(
    "reply",
    [
        (200, {"Content-Length": "1000"}, b'{"items": []'),
        (200, {"Content-Encoding": "gzip"}, b"no gzip at all"),
        (200, {"Content-Encoding": "gzip"}, gzip.compress(b'{"items": []}')[:-12]),
        broken_chunk,
        no_http,
    ],
)
def test_an_answer_that_breaks_off_is_an_error_of_ours(
    reply: Reply, serve: Serve, client: NewClient, all_text_of: Callable[[BaseException], str]
) -> None:
    with pytest.raises((Unreachable, BadAnswer)) as caught:
        client(serve(reply).url).get("me")
    assert ACCESS_TOKEN not in all_text_of(caught.value)


def test_nobody_there_is_an_error_of_ours(
    client: NewClient, all_text_of: Callable[[BaseException], str]
) -> None:
    with pytest.raises(Unreachable) as caught:
        client("http://127.0.0.1:1").get("me")
    assert ACCESS_TOKEN not in all_text_of(caught.value)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_the_bearer_is_not_carried_to_another_host(
    status: int, serve: Serve, client: NewClient
) -> None:
    other = serve((200, {}, b"{}"))
    server = serve((status, {"Location": f"{other.url}/v1/me"}, b""))
    with pytest.raises(BadAnswer, match=str(status)):
        client(server.url).get("me")
    assert other.seen == []
    assert len(server.seen) == 1


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    "reply",
    [
        (200, {}, b"{}"),
        (200, {"Connection": "keep-alive"}, b"{}"),
        (403, {}, api_error(403)),
        (200, {}, b"no JSON"),
        (200, {"Content-Length": "1000"}, b"cut off"),
        hang_up,
    ],
    ids=["well", "kept alive", "refused", "no JSON", "cut off", "no answer"],
)
def test_no_exchange_leaves_a_thread_that_waits_for_the_end_of_its_time(
    reply: Reply, serve: Serve, client: NewClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "EXCHANGE_SECONDS", 3600)
    server = serve(reply)
    for _ in range(10):
        with suppress(SpotifyError):
            client(server.url).get("me")
    wait_for(lambda: not [each for each in threading.enumerate() if isinstance(each, Timer)])
