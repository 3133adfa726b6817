"""When to ask again: connection errors, 5xx, and 429 with a Retry-After worth waiting for.

Only GET is repeated. A token request is not: with rotation the first one may have spent the
refresh token although its answer never came.
"""

from types import TracebackType
from typing import Self

from urllib3 import BaseHTTPResponse, Retry
from urllib3.connectionpool import ConnectionPool
from urllib3.exceptions import MaxRetryError

from spotify_assets.spotify.errors import LONGEST_WAIT_SECONDS

LONGEST_HEADER = 9  # digits; thirty years of seconds, and more counts as so many
WORTH_RETRYING = frozenset({429, 500, 502, 503, 504})


class Retrying(Retry):
    """urllib3's retry policy, which gives up at once where Spotify asks for over a minute.

    The minute is for all waits of one call together. It also gives up where Spotify asks for a time
    that we cannot read.
    """

    waited_seconds = 0

    @classmethod
    def patient(cls) -> Self:
        """Four attempts within seconds, for a person or a run that waits for the answer."""
        return cls._policy(total=3)

    @classmethod
    def never(cls) -> Self:
        """One attempt, for a poller that comes again anyway."""
        return cls._policy(total=0)

    @classmethod
    def _policy(cls, total: int) -> Self:
        return cls(
            total=total,
            backoff_factor=0.5,
            status_forcelist=WORTH_RETRYING,
            allowed_methods=frozenset({"GET"}),
            respect_retry_after_header=True,
            raise_on_status=False,
        )

    def get_retry_after(self, response: BaseHTTPResponse) -> float:
        """Seconds to wait; 0 where the header is missing, so that we back off."""
        return retry_after_seconds(response.headers.get("Retry-After"))

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: ConnectionPool | None = None,
        _stacktrace: TracebackType | None = None,
    ) -> Self:
        """The policy after one more failed attempt; raises MaxRetryError to hand it back."""
        wish = None if response is None else response.headers.get("Retry-After")
        waited = self.waited_seconds + retry_after_seconds(wish)
        if waited > LONGEST_WAIT_SECONDS or not _is_readable(wish):
            raise MaxRetryError(_pool, url or "", None)  # type: ignore[arg-type]
        policy = super().increment(method, url, response, error, _pool, _stacktrace)
        policy.waited_seconds = waited
        return policy


def retry_after_seconds(header: str | None) -> int:
    """Spotify sends whole seconds; 0 where the header is missing or says anything else."""
    text = (header or "").strip()
    if not _is_number(text):
        return 0
    return int(text) if len(text) <= LONGEST_HEADER else 10**LONGEST_HEADER - 1


def _is_readable(header: str | None) -> bool:
    # A wish that we cannot read is not ignored: each call in vain counts against the quota.
    return header is None or _is_number(header.strip())


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
