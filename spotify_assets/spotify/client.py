"""Spotify's Web API for one login: requests out, checked JSON or a typed error back.

Knows HTTP and Spotify's error bodies; what a play is, it does not know.
"""

import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn
from urllib.parse import urlencode

import requests
import urllib3
from requests.adapters import HTTPAdapter

from spotify_assets.settings import is_loopback
from spotify_assets.spotify.authorization import Authorization
from spotify_assets.spotify.errors import (
    BadAnswer,
    Forbidden,
    NeedsLogin,
    RateLimited,
    Unreachable,
)
from spotify_assets.spotify.paging import Paging
from spotify_assets.spotify.retrying import Retrying, retry_after_seconds
from spotify_assets.times import from_http_date

CONNECT_SECONDS = 5
READ_SECONDS = 10
DEADLINE_SECONDS = 20  # for one attempt with its whole body, however slowly it drips
LARGEST_BODY_BYTES = 16 * 2**20  # fifty plays of the widest known shape are 0.4 MB
LONGEST_REASON = 200  # characters of what Spotify says in an error
DEEPEST_NESTING = 100  # real answers nest 7 deep; Python's own limit moves with the caller's stack


@dataclass(frozen=True)
class Answer:
    """A 200 as received: its text, the JSON object in it, and Spotify's own clock."""

    text: str
    json: dict[str, Any]
    date: datetime | None


class SpotifyClient:
    """Calls on behalf of one account."""

    def __init__(self, api_url: str, authorization: Authorization, retrying: Retrying) -> None:
        self._api_url = api_url
        self._authorization = authorization
        self._session = requests.Session()
        self._session.trust_env = not is_loopback(api_url)
        for prefix in ("https://", "http://"):
            self._session.mount(prefix, HTTPAdapter(max_retries=retrying))

    def get(self, path: str, **parameters: str | int) -> Answer:
        """One GET below the API's base address.

        Raises:
            NeedsLogin, Forbidden, RateLimited, Unreachable, BadAnswer: see `errors`.
        """
        return self._get(self._address(path, parameters))

    def pages(self, path: str, **parameters: str | int) -> Iterator[Answer]:
        """All pages of a paged resource, in order. Raises as `get` does."""
        paging = Paging(self._address(path, parameters))
        while paging.url is not None:
            answer = self._get(paging.url)
            yield answer
            paging.advance(answer.json)

    def _address(self, path: str, parameters: dict[str, str | int]) -> str:
        return f"{self._api_url}/{path}" + (f"?{urlencode(parameters)}" if parameters else "")

    def _get(self, url: str) -> Answer:
        response, text = self._attempt(url)
        if response.status_code == requests.codes.unauthorized and self._authorization.renew():
            response, text = self._attempt(url)
        if response.status_code != requests.codes.ok:
            raise _error(response, text)
        return Answer(text, _json_object(text), from_http_date(response.headers.get("Date")))

    def _attempt(self, url: str) -> tuple[requests.Response, str]:
        try:
            with self._session.get(
                url,
                auth=self._authorization,
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                allow_redirects=False,
                stream=True,
            ) as response:
                return response, _text(response)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            # `from None`: the chained errors quote whole requests.
            raise Unreachable(
                f"Spotify did not answer ({type(error).__name__}). "
                "Check the network; the next look tries again."
            ) from None


def _text(response: requests.Response) -> str:
    deadline = time.monotonic() + DEADLINE_SECONDS
    body = bytearray()
    # read1 hands over what has come so far; read would sit in its loop while a body drips.
    while chunk := response.raw.read1(64 * 1024, decode_content=True):
        body += chunk
        if len(body) > LARGEST_BODY_BYTES:
            raise BadAnswer(f"Spotify's answer is larger than {LARGEST_BODY_BYTES:,} bytes.")
        if time.monotonic() > deadline:
            raise BadAnswer(f"Spotify's answer took longer than {DEADLINE_SECONDS} s.")
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        raise BadAnswer("Spotify's answer is not UTF-8 text.") from None


def _json_object(text: str) -> dict[str, Any]:
    try:
        answer = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except (ValueError, RecursionError):
        raise BadAnswer("Spotify's answer is not JSON; the next look tries again.") from None
    if not isinstance(answer, dict) or _nested_deeper_than(answer, DEEPEST_NESTING):
        raise BadAnswer("Spotify's answer is JSON of another shape; the next look tries again.")
    return answer


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    # 1e400 would become an infinity, which cannot be written as JSON again.
    number = float(digits)
    return number if math.isfinite(number) else _refuse_constant(digits)


def _nested_deeper_than(value: object, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        level = [
            child
            for parent in level
            if isinstance(parent, dict | list)
            for child in (parent.values() if isinstance(parent, dict) else parent)
        ]
        if not level:
            return False
    return True


def _error(response: requests.Response, text: str) -> Exception:
    status, (message, reason) = response.status_code, _error_body(text)
    if status == requests.codes.unauthorized:
        return NeedsLogin("Spotify does not accept this login any more. Run: spotify-assets login")
    if status == requests.codes.forbidden:
        return Forbidden(
            f"Spotify refuses the call: {message or 'no reason given'}. Check in Spotify's "
            "dashboard that the app's owner has Premium and that the account's address is under "
            "User Management."
        )
    if status == requests.codes.too_many_requests:
        seconds = retry_after_seconds(response.headers.get("Retry-After"))
        wait = f"{seconds:,} s" if seconds else "a while"
        return RateLimited(
            f"Spotify asks us to wait {wait} ({reason or message or 'rate limit'}). "
            "Nothing is lost meanwhile as long as fewer than 50 plays pass.",
            retry_after_seconds=seconds,
        )
    if status >= requests.codes.internal_server_error:
        return Unreachable(f"Spotify has an outage (HTTP {status}); the next look tries again.")
    return BadAnswer(f"Spotify answered HTTP {status}: {message or 'no reason given'}.")


def _error_body(text: str) -> tuple[str, str]:
    """The message and reason of an error body, which may be JSON, plain text, HTML or nothing."""
    try:
        error = json.loads(text)["error"]
        return _line(error.get("message")), _line(error.get("reason"))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return ("" if "<" in text else _line(text)), ""


def _line(words: object) -> str:
    """One short line: it is printed and stored, neither of which takes a lone surrogate."""
    text = " ".join(str(words or "")[:LONGEST_REASON].split())
    return "".join(filter(str.isprintable, text))
