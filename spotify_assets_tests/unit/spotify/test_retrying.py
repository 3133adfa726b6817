"""When to ask again, and when to hand an answer back at once."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from requests.adapters import HTTPAdapter

from spotify_assets.spotify.client import SpotifyClient
from spotify_assets.spotify.errors import RateLimited, Unreachable
from spotify_assets.spotify.retrying import Retrying, retry_after_seconds

if TYPE_CHECKING:
    from spotify_assets_tests.unit.conftest import Reply, Serve

    NewClient = Callable[..., SpotifyClient]

GOOD: Any = (200, {}, b'{"items": []}')


def reset(handler: BaseHTTPRequestHandler) -> None:
    """End the connection with a RST and no answer."""
    linger = struct.pack("ii", 1, 0)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    handler.connection.close()


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    """End the connection in good order and without an answer."""
    handler.connection.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    "failure",
    [
        (500, {}, b""),
        (502, {}, b"<html>Bad gateway</html>"),
        (503, {}, b"upstream connect error"),
        (504, {}, b""),
        reset,
        hang_up,
    ],
)
def test_an_outage_is_asked_again_until_it_is_over(
    failure: Reply, serve: Serve, client: NewClient, waits: list[float]
) -> None:
    server = serve(failure, failure, failure, GOOD)
    assert client(server.url, Retrying.patient()).get("me").json == {"items": []}
    assert len(server.seen) == 4
    assert sum(waits) <= 10  # the first repeat is at once


@pytest.mark.parametrize("failure", [(503, {}, b""), reset])
def test_an_outage_that_does_not_end_is_reported(
    failure: Reply, serve: Serve, client: NewClient, waits: list[float]
) -> None:
    server = serve(failure)
    with pytest.raises(Unreachable):
        client(server.url, Retrying.patient()).get("me")
    assert len(server.seen) == 4


@pytest.mark.parametrize("status", [400, 401, 403, 404, 501])
def test_an_answer_that_would_not_change_is_not_asked_again(
    status: int, serve: Serve, client: NewClient, waits: list[float]
) -> None:
    server = serve((status, {}, b""), GOOD)
    with pytest.raises(Exception, match="Spotify"):
        client(server.url, Retrying.patient()).get("me")
    assert len(server.seen) == 1
    assert waits == []


@pytest.mark.parametrize(("header", "seconds"), [("1", 1), ("7", 7), (" 51 ", 51), ("60", 60)])
def test_a_short_retry_after_is_waited_out_to_the_second(
    header: str, seconds: int, serve: Serve, client: NewClient, waits: list[float]
) -> None:
    server = serve((429, {"Retry-After": header}, b""), GOOD)
    assert client(server.url, Retrying.patient()).get("me").json == {"items": []}
    assert waits == [seconds]
    assert len(server.seen) == 2


def test_each_wish_is_waited_out(serve: Serve, client: NewClient, waits: list[float]) -> None:
    server = serve((429, {"Retry-After": "2"}, b""), (429, {"Retry-After": "5"}, b""), GOOD)
    client(server.url, Retrying.patient()).get("me")
    assert waits == [2, 5]


def test_the_waits_of_one_call_are_a_minute_together(
    serve: Serve, client: NewClient, waits: list[float]
) -> None:
    server = serve((429, {"Retry-After": "40"}, b""), (429, {"Retry-After": "21"}, b""), GOOD)
    with pytest.raises(RateLimited):
        client(server.url, Retrying.patient()).get("me")
    assert waits == [40]
    assert len(server.seen) == 2


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "0"}])
def test_a_429_without_a_wish_is_asked_again_with_growing_pauses(
    headers: dict[str, str], serve: Serve, client: NewClient, waits: list[float]
) -> None:
    server = serve((429, headers, b""))
    with pytest.raises(RateLimited) as caught:
        client(server.url, Retrying.patient()).get("me")
    assert caught.value.retry_after_seconds == 0
    assert len(server.seen) == 4
    assert waits == sorted(waits)
    assert 0 < sum(waits) <= 10


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("61", 61),
        ("79892", 79_892),
        ("86000", 86_000),
        ("999999999", 999_999_999),
        ("1000000000", 999_999_999),
        ("9" * 5000, 999_999_999),
        ("-5", 0),
        ("soon", 0),
        ("1.5", 0),
        ("1e9", 0),
        ("0x10", 0),
        ("Wed, 25 Feb 2026 20:15:20 GMT", 0),
    ],
)
def test_a_long_or_unreadable_retry_after_is_handed_back_at_once(
    header: str, seconds: int, serve: Serve, client: NewClient, waits: list[float]
) -> None:
    # A Retry-After of a day has been seen. Every call in vain counts against the quota.
    server = serve((429, {"Retry-After": header}, b""), GOOD)
    with pytest.raises(RateLimited) as caught:
        client(server.url, Retrying.patient()).get("me")
    assert caught.value.retry_after_seconds == seconds
    assert len(server.seen) == 1
    assert waits == []


def test_an_outage_with_a_long_retry_after_is_handed_back_at_once(
    serve: Serve, client: NewClient, waits: list[float]
) -> None:
    server = serve((503, {"Retry-After": "3600"}, b""), GOOD)
    with pytest.raises(Unreachable):
        client(server.url, Retrying.patient()).get("me")
    assert len(server.seen) == 1
    assert waits == []


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        ((503, {}, b""), Unreachable),
        ((503, {"Retry-After": "1"}, b""), Unreachable),
        ((429, {"Retry-After": "1"}, b""), RateLimited),
        ((429, {}, b""), RateLimited),
        ((429, {"Retry-After": "soon"}, b""), RateLimited),
        (reset, Unreachable),
        (hang_up, Unreachable),
    ],
)
def test_never_asks_exactly_once(
    failure: Reply,
    error: type[Exception],
    serve: Serve,
    client: NewClient,
    waits: list[float],
) -> None:
    server = serve(failure, GOOD)
    with pytest.raises(error):
        client(server.url, Retrying.never()).get("me")
    assert len(server.seen) == 1
    assert waits == []


@pytest.mark.parametrize(
    "failure", [(500, {}, b""), (503, {}, b""), (429, {"Retry-After": "1"}, b""), reset]
)
def test_a_post_is_never_repeated(failure: Reply, serve: Serve, waits: list[float]) -> None:
    # With rotation the first one may have spent the refresh token.
    server = serve(failure, GOOD)
    session = requests.Session()
    session.mount("http://", HTTPAdapter(max_retries=Retrying.patient()))
    try:
        assert session.post(server.url, data={"a": "b"}, timeout=10).status_code != 200
    except requests.ConnectionError:
        pass
    assert len(server.seen) == 1
    assert waits == []


@given(st.integers(min_value=0, max_value=10**9 - 1))
def test_whole_seconds_are_read(seconds: int) -> None:
    assert retry_after_seconds(str(seconds)) == seconds


@given(st.none() | st.text())
def test_no_header_is_fatal_or_negative(header: str | None) -> None:
    assert 0 <= retry_after_seconds(header) < 10**9
