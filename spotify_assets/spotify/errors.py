"""What can go wrong between us and Spotify, one class for each thing a person would do next.

Every message names what was being done, what was found and the next step; none holds a token,
a code or an address with a query.
"""

# Retry-After of 19,056 to 86,000 s has been seen: nobody sleeps that out inside a process.
LONGEST_WAIT_SECONDS = 60


class SpotifyError(Exception):
    """Anything that kept us from an answer. Stored data is never touched because of one."""


class NeedsLogin(SpotifyError):
    """No usable login for this account; only its owner can mend that."""


class LoginEnded(NeedsLogin):
    """Spotify has ended the login for good: expired, revoked (`invalid_grant`)."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"Spotify no longer accepts this login ({reason}). Run: spotify-assets login"
        )
        self.reason = reason


class LoginFailed(SpotifyError):
    """An attempt to log in came to nothing; nothing that was stored has changed."""


class AppRefused(SpotifyError):
    """Spotify does not accept the app: its id, its secret. No account can mend that."""


class Forbidden(SpotifyError):
    """Spotify knows the login and refuses the call (403)."""


class ScopeRefused(Forbidden):
    """Spotify says that the login was not given the permission for this call.

    It also says so in error: SpotifyStatsTracker (2026-08) saw it for logins that had the scope,
    and the next call with the same token was answered.
    """


class RateLimited(SpotifyError):
    """Spotify asks us to stay away for longer than is worth waiting for (429)."""

    def __init__(self, message: str, retry_after_seconds: int, reason: str = "") -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds
        self.reason = reason


class Unreachable(SpotifyError):
    """No answer, or a 5xx, after all retries."""


class BadAnswer(SpotifyError):
    """An answer that is not what was asked for: no JSON, not a page, too large."""
