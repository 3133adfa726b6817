"""The faults of what recently-played tells, whatever way its answers take.

Belongs here: the table of these faults, and the plays that can be seen while they are on. Does
not belong here: who played what (`listener`), how it is written (`web_api`).
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from spotify_assets.sandbox.clock import to_ms
from spotify_assets.sandbox.faults import Fault, Faults, Parameter, Values, is_number
from spotify_assets.sandbox.listener import Listener, Play
from spotify_assets.sandbox.record_faults import LONGEST_PAUSE, played_at

MONTH = 30 * 24  # hours; listeners are searched for plays over twice as long


def _hours(values: Values) -> timedelta | None:
    return None if values["hours"] is None else timedelta(hours=values["hours"])


LATE_ARRIVALS = Fault(
    "late_arrivals",
    "some plays are listed only hours after they ended, then at the place of their end",
    {
        "hours": Parameter(
            72, lambda value: is_number(value, MONTH), "a number of hours up to 720, the longest"
        ),
        "share": Parameter(
            0.2, lambda value: is_number(value, 1), "the late part of all plays, from 0 to 1"
        ),
    },
)
FROZEN = Fault(
    "frozen",
    "the list stands still from now on, for some hours of the sandbox's clock or for ever",
    {
        "hours": Parameter(
            None,
            lambda value: value is None or is_number(value, MONTH),
            "a number of hours up to 720, or null until it is switched off",
        )
    },
    lasts=_hours,
)
SHORT_PLAYS = Fault("short_plays", "plays of up to 30 seconds are listed too", {})
WORLD_FAULTS = (LATE_ARRIVALS, FROZEN, SHORT_PLAYS)


def newest(listener: Listener, now: datetime, count: int, faults: Faults) -> list[Play]:
    """The newest plays of the listener that can be seen, newest first."""
    if frozen := faults.get(FROZEN.name):
        now = min(now, frozen.since)
    late = faults.get(LATE_ARRIVALS.name)

    def has_arrived(play: Play) -> bool:
        delay = _delay(listener, play, late.values) if late else timedelta()
        if play.ended_at + max(delay, LONGEST_PAUSE) <= now:
            return True
        return max(play.ended_at + delay, played_at(listener, play, faults)) <= now

    return listener.newest(now, count, tells_short_plays(faults), has_arrived)


def tells_short_plays(faults: Faults) -> bool:
    """Whether plays are listed that are too short to be listed."""
    return faults.get(SHORT_PLAYS.name) is not None


def _delay(listener: Listener, play: Play, values: Values) -> timedelta:
    """How long a play stays away: always the same for the same play and the same values."""
    digest = hashlib.sha256(f"{listener.id}/{to_ms(play.ended_at)}".encode()).digest()
    lot, length = (int.from_bytes(digest[at : at + 6]) / 2**48 for at in (0, 6))
    return length * timedelta(hours=values["hours"]) if lot < values["share"] else timedelta()
