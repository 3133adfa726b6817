"""What can go wrong between us and Spotify, one class for each thing a person would do next.

Every message names what was being done, what was found and the next step; none holds a token,
a code or an address with a query.
"""


class SpotifyError(Exception):
    """Anything that kept us from an answer. Stored data is never touched because of one."""


class NeedsLogin(SpotifyError):
    """No usable login for this account; only its owner can mend that."""


class LoginFailed(SpotifyError):
    """An attempt to log in came to nothing; nothing that was stored has changed."""


class Forbidden(SpotifyError):
    """Spotify knows the login and refuses the call (403)."""


class RateLimited(SpotifyError):
    """Spotify asks us to stay away for longer than is worth waiting for (429)."""

    def __init__(self, message: str, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class Unreachable(SpotifyError):
    """No answer, or a 5xx, after all retries."""


class BadAnswer(SpotifyError):
    """An answer that is not what was asked for: no JSON, not a page, too large, too slow."""
