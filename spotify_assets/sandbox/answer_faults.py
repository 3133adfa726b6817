"""The faults of answers: what a client may get instead of what it asked for, or of its half.

Belongs here: the table of these faults, and the one place where they are applied. Does not belong
here: which are on (`faults`), what becomes of a real answer (`damage`), what there is to tell
(`world_faults`).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Flask, Response, g, jsonify, request

from spotify_assets.sandbox import damage
from spotify_assets.sandbox.errors import (
    accounts_error,
    api_error,
    not_listed,
    plain,
    unauthorized,
)
from spotify_assets.sandbox.faults import (
    Fault,
    Faults,
    Parameter,
    Switched,
    Values,
    is_number,
    is_whole,
)
from spotify_assets.sandbox.grants import Grants

API, TOKENS, ADMIN = "/v1", "/api/token", "/sandbox"
A_DAY = 86_400  # seconds
HTML = "text/html; charset=utf-8"
A_PAGE = "<!doctype html>\n<html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>\n"
# What the accounts host calls a refusal of this status. RFC 6749's words; Spotify's are unknown.
ACCOUNTS_CODES = {
    401: "invalid_client",
    403: "access_denied",
    429: "temporarily_unavailable",
    500: "server_error",
}

Instead = Callable[[Values], Response]
Altered = Callable[[Response, Values, threading.Event], Response]


@dataclass(frozen=True)
class AnswerFault(Fault):
    """A fault of answers: either one that takes the place of the request, or a change of its own.

    `instead` leaves the request undone; `altered` gets the real answer after it was done.
    """

    instead: Instead | None = None
    altered: Altered | None = None


def install(app: Flask, faults: Faults, grants: Grants, stopping: threading.Event) -> None:
    """Let the faults that are on act on every answer of the app but the administration's.

    Must be called before anything else hooks into the app's answers, to have the last word.
    """

    @app.before_request
    def instead() -> Response | None:
        g.fault = None
        if request.path.startswith(ADMIN):
            return None
        request.get_data()  # a client that is not read to its end gets a reset for an answer
        switched = g.fault = faults.claim(request.path, lambda: _whose(grants))
        fault = switched and switched.fault
        if not (switched and isinstance(fault, AnswerFault) and fault.instead):
            return None
        return fault.instead(switched.values)

    @app.after_request
    def altered(response: Response) -> Response:
        switched: Switched | None = g.get("fault")
        fault = switched and switched.fault
        if not (switched and isinstance(fault, AnswerFault) and fault.altered):
            return response
        return fault.altered(response, switched.values, stopping)


def _whose(grants: Grants) -> str | None:
    """Whose request this is, by whatever token or code it brings."""
    bearer = request.headers.get("Authorization", "").partition(" ")[2].strip()
    brought = (bearer, request.form.get("refresh_token", ""), request.form.get("code", ""))
    return next(filter(None, map(grants.listener_of, brought)), None)


def _error(
    status: int,
    message: str | None = None,
    reason: str | None = None,
    of_api: Instead | None = None,
) -> Instead:
    """A refusal in the form of the host that was asked; `of_api` writes the Web API's."""

    def answer(values: Values) -> Response:
        if not request.path.startswith(API):
            response = accounts_error(ACCOUNTS_CODES[status], message, status)
        else:
            response = of_api(values) if of_api else api_error(status, message, reason)
        return _retry_later(response, values)

    return answer


def _retry_later(response: Response, values: Values) -> Response:
    if values.get("retry_after") is not None:
        response.headers["Retry-After"] = str(values["retry_after"])
    return response


def _empty(status: int) -> Response:
    response = Response(b"", status)
    del response.headers["Content-Type"]
    return response


def _text(value: Any) -> bool:
    return isinstance(value, str) and _can_be_sent(value)


def _can_be_sent(value: Any) -> bool:
    """Whether JSON is UTF-8 too: it can hold half a character."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except (UnicodeEncodeError, TypeError, ValueError):
        return False
    return True


def _common(path: str) -> dict[str, Parameter]:
    return {
        "path": Parameter(
            path,
            lambda value: _text(value) and value.startswith("/"),
            "how the path of a request begins, from its first slash on",
        ),
        "times": Parameter(
            None,
            lambda value: value is None or (is_whole(value) and value > 0),
            "a number of answers, or null for all until it is switched off",
        ),
        "listener": Parameter(
            None,
            lambda value: value is None or _text(value),
            "the id of a listener, or null for everybody",
        ),
    }


def _retry_after(seconds: int) -> Parameter:
    return Parameter(
        seconds,
        lambda value: value is None or is_whole(value),
        "a whole number of seconds, or null for no header",
    )


def _words(words: str) -> Parameter:
    return Parameter(words, _text, "text")


SECONDS = Parameter(30, lambda value: is_number(value, A_DAY), "a number of seconds up to a day")
ANY_JSON = Parameter({"data": []}, _can_be_sent, "any JSON of whole characters")


def _answer(
    name: str,
    description: str,
    /,
    instead: Instead | None = None,
    altered: Altered | None = None,
    path: str = API,
    **parameters: Parameter,
) -> AnswerFault:
    return AnswerFault(
        name, description, _common(path) | parameters, instead=instead, altered=altered
    )


ANSWER_FAULTS = (
    _answer(
        "rate_limited",
        "429 with a Retry-After of seconds",
        _error(429, "API rate limit exceeded"),
        retry_after=_retry_after(2),
    ),
    _answer(
        "rate_limited_for_a_day",
        "429 with a Retry-After of most of a day",
        _error(429, "API rate limit exceeded"),
        retry_after=_retry_after(79_892),  # seen in 2024
    ),
    _answer(
        "rate_limited_plain",
        "429 in plain text, as Spotify wrote it until 2021",
        lambda values: _retry_later(plain(429, "Too many requests"), values),
        retry_after=_retry_after(2),
    ),
    _answer(
        "quota_exceeded",
        "429 whose reason is QUOTA_EXCEEDED: the day's quota of the developer is used up",
        _error(429, "Too many requests", "QUOTA_EXCEEDED"),
        retry_after=_retry_after(43_200),
    ),
    _answer(
        "unauthorized",
        "401, as for a token that is not valid (any more)",
        _error(401, of_api=lambda _: unauthorized("invalid_token", "Invalid access token")),
    ),
    _answer(
        "forbidden_scope",
        "403: the scope is missing, which Spotify has also said where it was granted",
        _error(403, "Insufficient client scope"),
    ),
    _answer(
        "forbidden_not_listed",
        "403 in plain text: the user is not on the app's list",
        lambda _: not_listed(),
    ),
    _answer(
        "forbidden_premium",
        "403: the owner of the app has no Premium any more",
        _error(
            403,
            "Active premium subscription required for the owner of the app. When the subscription "
            "status changes, it can take a few hours before requests are allowed again.",
        ),
    ),
    _answer("forbidden", "403 with the message Forbidden", _error(403, "Forbidden")),
    _answer("forbidden_no_message", "403 without any message", _error(403)),
    _answer(
        "forbidden_premium_required",
        "403 whose reason is PREMIUM_REQUIRED, as for the player",
        _error(403, "Player command failed: Premium required", "PREMIUM_REQUIRED"),
    ),
    _answer(
        "server_error_html",
        "502 with an HTML page",
        lambda _: Response(A_PAGE.format("502 Bad Gateway"), 502, content_type=HTML),
    ),
    _answer("server_error_empty", "503 without a body", lambda _: _empty(503)),
    _answer("server_error_json", "500 in the API's error form", _error(500, "Server error")),
    _answer(
        "truncated",
        "the real answer, its body cut in the middle, its Content-Length that of the cut",
        altered=damage.truncated,
    ),
    _answer(
        "cut_off",
        "the real answer, its connection closed half-way through the body",
        altered=damage.cut_off,
    ),
    _answer(
        "other_shape",
        "200 with valid JSON of another shape",
        lambda values: jsonify(values["body"]),
        body=ANY_JSON,
    ),
    _answer(
        "not_json",
        "200 with an HTML page, as a hotel's network gives",
        lambda _: Response(A_PAGE.format("Welcome"), 200, content_type=HTML),
    ),
    _answer(
        "slow", "the real answer, after some real seconds", altered=damage.slow, seconds=SECONDS
    ),
    _answer(
        "dripping",
        "the real answer, its body byte by byte over some real seconds",
        altered=damage.dripping,
        seconds=SECONDS,
    ),
    _answer(
        "reset",
        "the connection is reset (TCP RST) and the request not done",
        lambda values: damage.reset(Response(), values, threading.Event()),
    ),
    _answer(
        "answer_lost",
        "the request is done, then the connection is reset instead of an answer",
        altered=damage.reset,
    ),
    _answer(
        "invalid_grant",
        "400 of the accounts host: the code or refresh token is dead",
        lambda values: accounts_error("invalid_grant", values["description"]),
        path=TOKENS,
        description=_words("Refresh token revoked"),
    ),
    _answer(
        "invalid_client",
        "400 of the accounts host: it does not know the app, or not its secret",
        lambda values: accounts_error("invalid_client", values["description"]),
        path=TOKENS,
        description=_words("Invalid client"),
    ),
)
