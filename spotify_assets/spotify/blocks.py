"""Calls that Spotify asked to be spared: stored, so that every process stays away until then.

A Retry-After of up to a day has been seen, and each call in vain counts against the quota. Spotify
counts per app and groups its endpoints in ways that it does not publish, so a block is of one app
and one endpoint.
"""

from datetime import timedelta

from spotify_assets import times
from spotify_assets.settings import Settings
from spotify_assets.spotify.errors import LONGEST_WAIT_SECONDS, RateLimited
from spotify_assets.spotify.state import Block, State

# The longest that was ever seen is 86,000 s; who asks for more is asked again once a day.
LONGEST_BLOCK = timedelta(days=1)


class Blocks:
    """The blocks of the app that the settings name."""

    def __init__(self, settings: Settings) -> None:
        self._state = State(settings.state_path)
        self._client_id = settings.client_id
        self._zone = settings.timezone

    def check(self, endpoint: str) -> None:
        """Return where the endpoint may be called.

        Raises:
            RateLimited: not yet; no call was made.
        """
        block = self.present(endpoint)
        if block is not None:
            left = times.from_text(block.blocked_until) - times.now()
            raise RateLimited(self._told(block), int(left.total_seconds()), block.reason)

    def present(self, endpoint: str) -> Block | None:
        """The endpoint's block that is not over yet, or None."""
        block = self._state.block(self._client_id, endpoint)
        # A clock that was set back would honour a block for longer than Spotify asked.
        is_on = block is not None and block.blocked_at <= times.now_text() < block.blocked_until
        return block if is_on else None

    def keep(self, endpoint: str, error: RateLimited) -> None:
        """Remember what Spotify asked for, where it is too long to be waited out.

        The error then tells until when, as those of the calls that are not made will.
        """
        if error.retry_after_seconds > LONGEST_WAIT_SECONDS:
            length = min(timedelta(seconds=error.retry_after_seconds), LONGEST_BLOCK)
            block = self._state.keep_block(self._client_id, endpoint, length, error.reason)
            error.args = (self._told(block),)

    def _told(self, block: Block) -> str:
        until = times.local(block.blocked_until, self._zone)
        return (
            f"Spotify asks us to stay away until {until} ({block.reason}); nobody calls it before. "
            "Nothing is lost meanwhile as long as fewer than 50 plays pass."
        )
