"""What a refusal of the Web API means, and what its reader would do next.

Spotify refuses in JSON, plain text, HTML and with nothing at all; each becomes one short line.
"""

import json
import re

import requests

from spotify_assets.spotify.errors import (
    BadAnswer,
    Forbidden,
    NeedsLogin,
    RateLimited,
    ScopeRefused,
    SpotifyError,
    Unreachable,
)
from spotify_assets.spotify.retrying import retry_after_seconds

LONGEST_REASON = 200  # characters of what Spotify says in an error
LONGEST_READ = 10_000  # characters in which these are looked for
MAY_BE_A_TOKEN = re.compile(r"[\w~+=-]{32,}")  # Spotify's have over a hundred letters, its ids 22

# A 403 is told apart by words in its message alone (seen until September 2026).
FORBIDDEN = {
    "registered": "This Spotify account is not on the app's list. Add its name and e-mail address "
    "in Spotify's dashboard, in the app's Settings under User Management.",
    "premium subscription": "The account that owns the app needs Premium. After it was renewed, "
    "Spotify takes a few hours to notice.",
    "forbidden": "Spotify does not offer this call to apps like this one (any more): see whether "
    "there is a newer spotify-assets.",
}
FORBIDDEN_OTHERWISE = (
    "Check in Spotify's dashboard that the app's owner has Premium and that the account's address "
    "is under User Management."
)


def error_of(response: requests.Response, text: str) -> SpotifyError:
    """The error that an answer other than 200 stands for."""
    status, (message, reason) = response.status_code, _error_body(text)
    if status == requests.codes.unauthorized:
        return NeedsLogin(
            "Spotify does not accept the access token, not even a new one; the next refresh tries "
            "again. If it stays so, run: spotify-assets login"
        )
    if status == requests.codes.forbidden:
        return _forbidden(message)
    if status == requests.codes.too_many_requests:
        return rate_limited(response, reason or message)
    if status >= requests.codes.internal_server_error:
        return Unreachable(f"Spotify has an outage (HTTP {status}); the next refresh tries again.")
    return BadAnswer(
        f"Spotify answered HTTP {status}: {message or 'no reason given'}; "
        "the next refresh tries again."
    )


def rate_limited(response: requests.Response, reason: str = "") -> RateLimited:
    """The error of a 429, with the seconds for which Spotify asks us to stay away."""
    seconds = retry_after_seconds(response.headers.get("Retry-After"))
    wait = f"{seconds:,} s" if seconds else "a while"
    reason = reason or "rate limit"
    return RateLimited(
        f"Spotify asks us to wait {wait} ({reason}). "
        "Nothing is lost meanwhile as long as fewer than 50 plays pass.",
        retry_after_seconds=seconds,
        reason=reason,
    )


def _forbidden(message: str) -> Forbidden:
    said = f"Spotify refuses the call: {message or 'no reason given'}"
    if "client scope" in message.lower():
        return ScopeRefused(f"{said}. Spotify also says so in error; the next refresh tries again.")
    advice = (advice for words, advice in FORBIDDEN.items() if words in message.lower())
    return Forbidden(f"{said.removesuffix('.')}. {next(advice, FORBIDDEN_OTHERWISE)}")


def _error_body(text: str) -> tuple[str, str]:
    """The message and reason of an error body, which may be JSON, plain text, HTML or nothing."""
    try:
        error = json.loads(text)["error"]
        return line(error.get("message")), line(error.get("reason"))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return ("" if "<" in text else line(text)), ""


def line(words: object) -> str:
    """Spotify's words as one short line, fit to be printed and stored.

    Without a lone surrogate, which no database takes, and without what may be a token that the
    words quote.
    """
    text = "".join(filter(str.isprintable, " ".join(str(words or "")[:LONGEST_READ].split())))
    return MAY_BE_A_TOKEN.sub("…", text)[:LONGEST_REASON]
