"""Why there is no cover: of one album, or of none any more for now."""

from datetime import timedelta

AGAIN_AFTER = timedelta(days=30)  # there is no image, or none that is one
AGAIN_SOON = timedelta(hours=6)  # there was no answer


class NoCoverError(Exception):
    """An album's cover cannot be had; `again_after` says for how long to leave it alone."""

    def __init__(self, why: str, again_after: timedelta = AGAIN_AFTER) -> None:
        super().__init__(why)
        self.again_after = again_after


class NotAskedError(Exception):
    """The Web API takes no call now: the album waits for another time."""


class StoppedError(Exception):
    """Nothing more can be fetched this time."""
