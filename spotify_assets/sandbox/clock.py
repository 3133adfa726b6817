"""The sandbox's time, and how Spotify writes moments.

Belongs here: the clock that everything in the sandbox reads, and the conversions between
moments, their milliseconds and their text. Does not belong here: what happens at which time.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

FASTEST = 1_000_000  # a year in half a minute
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Spotify was founded in 2006. Both ends keep a mistyped year out of the listeners' diaries.
EARLIEST = datetime(2006, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)


def to_ms(moment: datetime) -> int:
    """Whole milliseconds since 1970, cut and never rounded, without a float on the way."""
    return (moment - EPOCH) // timedelta(milliseconds=1)


def from_ms(milliseconds: int) -> datetime:
    """The moment, in UTC, that many milliseconds after 1970."""
    return EPOCH + timedelta(milliseconds=milliseconds)


def checked(moment: datetime) -> datetime:
    """The moment in UTC. Raises ValueError if it has no offset or lies outside 2006 to 2100."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no offset; write it with Z or +00:00")
    if not EARLIEST <= moment < LATEST:
        raise ValueError(f"{moment.isoformat()} is outside the years 2006 to 2100")
    return moment.astimezone(UTC)


class Clock:
    """A clock that can be set, moved on and run at any speed; 0 stops it. Safe across threads."""

    def __init__(self, now: datetime | None = None, speed: float = 1.0) -> None:
        """Start at `now` (this moment when None). `speed` is sandbox seconds per real second."""
        self._lock = threading.Lock()
        self._set_at = time.monotonic()
        self._base = checked(now or datetime.now(UTC))
        self._speed = _checked_speed(speed)

    def now(self) -> datetime:
        """The sandbox's present moment, in UTC."""
        with self._lock:
            return self._read()

    def set(self, now: datetime) -> None:
        """Jump to a moment; going back is allowed. Raises ValueError as `checked` does."""
        now = checked(now)
        with self._lock:
            self._rebase(now)

    def advance(self, by: timedelta) -> None:
        """Move on by a span of time. Raises ValueError when it is negative or leads too far."""
        if by < timedelta(0):
            raise ValueError("a clock advances forwards; set it to go back")
        with self._lock:
            try:
                self._rebase(checked(self._read() + by))
            except OverflowError as error:
                raise ValueError(f"{by} from now is outside the years 2006 to 2100") from error

    @property
    def speed(self) -> float:
        """Sandbox seconds per real second."""
        with self._lock:
            return self._speed

    @speed.setter
    def speed(self, speed: float) -> None:
        speed = _checked_speed(speed)
        with self._lock:
            self._rebase(self._read())
            self._speed = speed

    def _read(self) -> datetime:
        return self._base + timedelta(seconds=(time.monotonic() - self._set_at) * self._speed)

    def _rebase(self, now: datetime) -> None:
        self._base, self._set_at = now, time.monotonic()


def _checked_speed(speed: float) -> float:
    if not 0 <= speed <= FASTEST:
        raise ValueError(f"the clock's speed must be from 0 to {FASTEST:,}, not {speed}")
    return speed
