"""Sessions for all talk with Spotify: where the way goes, and that every exchange ends in time.

requests' own timeouts are for one wait on the socket: headers or a body that drip byte by byte
pass them for ever. Here each exchange, from its request to the last byte of its answer, has an end.
"""

import io
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3 import Retry
from urllib3.connection import HTTPConnection, HTTPSConnection

from spotify_assets.settings import is_loopback

CONNECT_SECONDS = 5
READ_SECONDS = 10  # without a single byte
EXCHANGE_SECONDS = 20
LARGEST_BODY_BYTES = 16 * 2**20  # fifty plays of the widest known shape are 0.4 MB
SHORTEST_SECONDS = 0.01  # a deadline that has passed still is one

ALARM = "alarm_of_spotify_assets"  # an attribute of a response

SecondsLeft = Callable[[], float]


def per_exchange() -> float:
    """Each exchange has its own time: for whoever waits for the answer."""
    return EXCHANGE_SECONDS


def for_all_exchanges() -> SecondsLeft:
    """All exchanges together have the time of one, from now on: for a poller that comes again."""
    end = time.monotonic() + EXCHANGE_SECONDS
    return lambda: max(end - time.monotonic(), SHORTEST_SECONDS)


class TooLarge(requests.RequestException):
    """An answer that nothing of Spotify's is as large as."""


def body_of(response: requests.Response, largest: int | None = None) -> bytes:
    """The body of a response that was asked for as a stream, unpacked.

    Of a refusal that breaks off or has no end, what has come: its status says enough.

    Args:
        largest: the most bytes that it may have [LARGEST_BODY_BYTES].

    Raises:
        TooLarge, urllib3.exceptions.HTTPError: of a 200.
    """
    largest, body = largest or LARGEST_BODY_BYTES, bytearray()
    try:
        # read1 hands over what has come so far; read would sit in its loop while a body drips.
        while len(body) <= largest and (
            chunk := response.raw.read1(64 * 1024, decode_content=True)
        ):
            body += chunk
    except urllib3.exceptions.HTTPError:
        if response.status_code == requests.codes.ok:
            raise
    finally:
        if alarm := getattr(response.raw, ALARM, None):
            alarm.cancel()  # or its thread would wait for the end of the time
    if len(body) > largest and response.status_code == requests.codes.ok:
        raise TooLarge(f"an answer of over {largest:,} bytes")
    return bytes(body)


def prepare(
    session: requests.Session,
    base_url: str,
    seconds_left: SecondsLeft,
    retrying: Retry | int = 0,
) -> None:
    """Make the session fit for talk with the host of `base_url`."""
    session.trust_env = not is_loopback(base_url)  # no proxy knows the way to 127.0.0.1
    for prefix in ("https://", "http://"):
        session.mount(prefix, TimedAdapter(seconds_left, retrying))


class TimedAdapter(HTTPAdapter):
    """Hangs up on an exchange that takes longer than there is time for it."""

    def __init__(self, seconds_left: SecondsLeft, retrying: Retry | int = 0) -> None:
        super().__init__(max_retries=retrying)
        self._classes = {
            "http": _timed(HTTPConnection, seconds_left),
            "https": _timed(HTTPSConnection, seconds_left),
        }

    def send(
        self, request: requests.PreparedRequest, stream: bool = False, *args: Any, **kwargs: Any
    ) -> requests.Response:
        """An answer, whose body is read here unless it is asked for as a stream."""
        response = super().send(request, True, *args, **kwargs)
        if not stream:
            try:
                response.raw = io.BytesIO(body_of(response))
            except urllib3.exceptions.HTTPError as error:
                raise requests.ConnectionError(type(error).__name__) from None
        return response

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        """The pool for a request, whose connections keep the time."""
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        pool.ConnectionCls = self._classes[pool.scheme or "http"]
        return pool


def _timed(base: type[HTTPConnection], seconds_left: SecondsLeft) -> type[HTTPConnection]:
    class Timed(base):  # type: ignore[misc, valid-type] # one class over each of the two
        """A connection that is shut down when the time of its exchange is over."""

        _alarm: threading.Timer | None = None
        _answering: socket.socket | None = None
        _hung_up = False

        def request(self, *args: Any, **kwargs: Any) -> None:
            if self._alarm is not None:
                self._alarm.cancel()
            self._answering, self._hung_up = None, False
            self._alarm = threading.Timer(seconds_left(), self._hang_up)
            self._alarm.daemon = True
            self._alarm.start()
            with self._or_no_alarm():
                super().request(*args, **kwargs)

        def getresponse(self) -> Any:
            # http.client lets go of it where the answer is the connection's last, body unread.
            self._answering = self.sock
            with self._or_no_alarm():
                response = None if self._hung_up else super().getresponse()
                if self._hung_up:  # http.client takes headers that break off for whole ones
                    raise TimeoutError
            setattr(response, ALARM, self._alarm)  # for whoever reads the body
            return response

        @contextmanager
        def _or_no_alarm(self) -> Iterator[None]:
            try:
                yield
            except BaseException:
                if self._alarm is not None:
                    self._alarm.cancel()
                raise

        def _hang_up(self) -> None:
            # Whoever reads meets the end of the stream. Where the exchange is over it does no harm:
            # the socket is closed, or urllib3 sees that it was dropped and opens another.
            self._hung_up = True
            waiting_on = self._answering or self.sock
            if waiting_on is not None:
                with suppress(OSError):
                    waiting_on.shutdown(socket.SHUT_RDWR)

    return Timed
