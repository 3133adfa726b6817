"""Spotify's Web API for one login: requests out, checked JSON or a typed error back.

Knows HTTP and JSON; what a refusal means is `refusals`' part, and what a play is, it does not know.
"""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn
from urllib.parse import urlencode, urlsplit

import requests
import urllib3

from spotify_assets.settings import Settings
from spotify_assets.spotify import transport
from spotify_assets.spotify.authorization import Authorization
from spotify_assets.spotify.blocks import Blocks
from spotify_assets.spotify.errors import BadAnswer, RateLimited, Unreachable
from spotify_assets.spotify.paging import Paging
from spotify_assets.spotify.refusals import error_of
from spotify_assets.spotify.retrying import Retrying
from spotify_assets.times import from_http_date

ID = re.compile("/[0-9A-Za-z]{22}")  # a wait that is asked for one track is for all of them
DEEPEST_NESTING = 100  # real answers nest 7 deep; Python's own limit moves with the caller's stack


@dataclass(frozen=True)
class Answer:
    """A 200 as received: its text, the JSON object in it, and Spotify's own clock."""

    text: str
    json: dict[str, Any]
    date: datetime | None


class SpotifyClient:
    """Calls on behalf of one account."""

    def __init__(
        self,
        settings: Settings,
        authorization: Authorization,
        retrying: Retrying,
        seconds_left: transport.SecondsLeft = transport.per_exchange,
    ) -> None:
        self._api_url = settings.api_url
        self._authorization = authorization
        self._blocks = Blocks(settings)
        self._session = requests.Session()
        transport.prepare(self._session, self._api_url, seconds_left, retrying)

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
        endpoint = ID.sub("/{id}", urlsplit(url.removeprefix(f"{self._api_url}/")).path)
        self._blocks.check(endpoint)
        response, text = self._attempt(url)
        if response.status_code == requests.codes.unauthorized and self._authorization.renew():
            response, text = self._attempt(url)
        if response.status_code != requests.codes.ok:
            error = error_of(response, text)
            if isinstance(error, RateLimited):
                self._blocks.keep(endpoint, error)
            raise error
        return Answer(text, _json_object(text), from_http_date(response.headers.get("Date")))

    def _attempt(self, url: str) -> tuple[requests.Response, str]:
        try:
            with self._session.get(
                url,
                auth=self._authorization,
                timeout=(transport.CONNECT_SECONDS, transport.READ_SECONDS),
                allow_redirects=False,
                stream=True,
            ) as response:
                return response, _text(response)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            # `from None`: the chained errors quote whole requests.
            raise Unreachable(
                f"{urlsplit(url).netloc} did not answer, or not to the end "
                f"({type(error).__name__}). "
                "Check the network; the next refresh tries again."
            ) from None


def _text(response: requests.Response) -> str:
    try:
        body = transport.body_of(response)
    except transport.TooLarge:
        raise BadAnswer(
            f"Spotify's answer is larger than {transport.LARGEST_BODY_BYTES:,} bytes; "
            "the next refresh tries again."
        ) from None
    if response.status_code != requests.codes.ok:
        return body.decode("utf-8", "replace")  # its status says enough
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        raise BadAnswer(
            "Spotify's answer is not UTF-8 text; the next refresh tries again."
        ) from None


def _json_object(text: str) -> dict[str, Any]:
    try:
        answer = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except (ValueError, RecursionError):
        raise BadAnswer("Spotify's answer is not JSON; the next refresh tries again.") from None
    if not isinstance(answer, dict) or _nested_deeper_than(answer, DEEPEST_NESTING):
        raise BadAnswer("Spotify's answer is JSON of another shape; the next refresh tries again.")
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
