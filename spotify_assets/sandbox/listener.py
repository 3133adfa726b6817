"""People who listen: their habits, and so every play they ever made or will make.

Belongs here: when a person listens and for how long, as pure functions of seed, person and day.
Does not belong here: what they like (`taste`), the clock, what the Web API shows of it.

They sleep, commute, work, and listen for two to three hours a day: more in winter and in some
months, at other hours on weekends, less on holidays.

A listener's day runs from 04:00 to 04:00 UTC and everything in it follows from its date alone,
so the same plays come out whatever window is asked for, in whatever order.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

from spotify_assets.sandbox.catalogue import BASE62, Catalogue, Track
from spotify_assets.sandbox.clock import from_ms, to_ms
from spotify_assets.sandbox.taste import Context, Taste

DAY_STARTS_HOUR = 4
SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
# Spotify lists a play once it has lasted longer than this.
SHORTEST_LISTED_MS = 30 * SECOND
# Nobody here is silent for longer; it bounds the search for the newest plays.
LONGEST_SILENCE_DAYS = 60

# When a session may start (hours after midnight UTC, give or take half an hour), how long it
# lasts (minutes), and how likely it is. Two sessions can never touch, and with a shift of up to
# 90 minutes either way all of them lie between 04:00 and 04:00.
Hours = tuple[tuple[float, int, int, float], ...]
WEEKDAY: Hours = (
    (7.5, 15, 35, 0.8),  # on the way to work
    (9.5, 40, 150, 0.5),
    (13.5, 30, 120, 0.35),
    (17.25, 15, 40, 0.75),  # and home
    (20.0, 30, 120, 0.55),
)
WEEKEND: Hours = ((10.5, 40, 150, 0.75), (15.0, 20, 120, 0.5), (20.5, 60, 240, 0.75))
HOLIDAY: Hours = ((11.0, 20, 90, 0.6), (16.0, 15, 60, 0.35), (22.0, 30, 120, 0.45))
SATURDAY = 5
QUIET_DAY, QUIET_HOLIDAY = 0.08, 0.25
LIVELIEST, DULLEST = 1.25, 0.85  # how much likelier a session is in one month than in another
WINTER_MONTHS, SUMMER_MONTHS = (11, 12, 1, 2), (6, 7, 8)
CHRISTMAS, NEW_YEAR = (12, 23), (1, 1)
SPRING_BREAK, SUMMER_BREAK = 7, 16  # days

QUIRKS = ("Ó Súilleabháin", "van 't Hoff", "Nováková-Łuczak", "🎧", "Ngũgĩ & Söhne", "<3")


@dataclass(frozen=True)
class Play:
    """One play. `ms_played` is less than the time from start to end when there was a pause.

    Short ones are what Spotify does not list.
    """

    track: Track
    context: Context | None
    started_at: datetime
    ended_at: datetime
    ms_played: int
    is_short: bool = False


class Listener:
    """A person with an account. `always_on` ones play music around the clock."""

    def __init__(
        self, listener_id: str, catalogue: Catalogue, seed: int, always_on: bool = False
    ) -> None:
        """Make up the person: their name, taste and hours."""
        rng = random.Random(f"{seed}/{listener_id}/taste")
        self.id = listener_id
        self.display_name = f"{listener_id.capitalize()} {rng.choice(QUIRKS)}"
        self.account_id = "".join(rng.choices(BASE62, k=10))
        self._seed, self._always_on = seed, always_on
        self._shift_ms = rng.randint(-90, 90) * MINUTE
        self._taste = Taste(listener_id, catalogue, seed)
        self._breaks = lru_cache(maxsize=64)(self._make_breaks)
        self._liveliness = lru_cache(maxsize=256)(self._make_liveliness)
        self._day = lru_cache(maxsize=1024)(self._make_day)

    def plays(self, start: datetime, end: datetime, with_short: bool = False) -> list[Play]:
        """The plays that ended after `start` and not after `end`, oldest first."""
        day, last = _listening_day(start), _listening_day(end)
        found: list[Play] = []
        while day <= last:
            found += (
                play
                for play in self._day(day)
                if start < play.ended_at <= end and (with_short or not play.is_short)
            )
            day += timedelta(days=1)
        return found

    def newest(
        self,
        now: datetime,
        count: int,
        with_short: bool = False,
        has_arrived: Callable[[Play], bool] = lambda _: True,
    ) -> list[Play]:
        """The last `count` plays that had ended by `now` and have arrived, newest first."""
        day, found = _listening_day(now), list[Play]()
        for _ in range(LONGEST_SILENCE_DAYS):
            found += (
                play
                for play in reversed(self._day(day))
                if play.ended_at <= now and (with_short or not play.is_short) and has_arrived(play)
            )
            if len(found) >= count:
                break
            day -= timedelta(days=1)
        return found[:count]

    def _make_day(self, day: date) -> tuple[Play, ...]:
        rng = random.Random(f"{self._seed}/{self.id}/{day.isoformat()}")
        sessions = list(self._sessions(rng, day))
        return tuple(
            play for start, end in sessions for play in self._play_session(rng, day, start, end)
        )

    def _sessions(self, rng: random.Random, day: date) -> Iterator[tuple[int, int]]:
        """When the person listens on that day, as milliseconds since 1970."""
        day_starts = to_ms(datetime.combine(day, time(DAY_STARTS_HOUR), UTC))
        if self._always_on:
            yield day_starts, day_starts + 24 * HOUR
            return
        is_holiday = self._is_holiday(day)
        if rng.random() < (QUIET_HOLIDAY if is_holiday else QUIET_DAY):
            return
        usual = HOLIDAY if is_holiday else WEEKEND if day.weekday() >= SATURDAY else WEEKDAY
        liveliness = self._liveliness(day.year, day.month)
        for hour, shortest, longest, chance in usual:
            start = day_starts + round((hour - DAY_STARTS_HOUR) * HOUR) + self._shift_ms
            start += rng.randint(-30 * MINUTE, 30 * MINUTE)
            if rng.random() < chance * liveliness:
                yield start, start + rng.randint(shortest * MINUTE, longest * MINUTE)

    def _is_holiday(self, day: date) -> bool:
        month_and_day = (day.month, day.day)
        at_christmas = month_and_day >= CHRISTMAS or month_and_day <= NEW_YEAR
        return at_christmas or any(first <= day < end for first, end in self._breaks(day.year))

    def _make_breaks(self, year: int) -> tuple[tuple[date, date], ...]:
        """The holidays of a year besides Christmas, as half-open spans."""
        rng = random.Random(f"{self._seed}/{self.id}/{year}/breaks")
        spring = date(year, 4, 1) + timedelta(days=rng.randint(0, 45))
        summer = date(year, 7, 1) + timedelta(days=rng.randint(0, 45))
        return (
            (spring, spring + timedelta(days=SPRING_BREAK)),
            (summer, summer + timedelta(days=SUMMER_BREAK)),
        )

    def _make_liveliness(self, year: int, month: int) -> float:
        season = 1.1 if month in WINTER_MONTHS else 0.85 if month in SUMMER_MONTHS else 1.0
        rng = random.Random(f"{self._seed}/{self.id}/{year}-{month}/liveliness")
        return season * rng.uniform(DULLEST, LIVELIEST)

    def _play_session(self, rng: random.Random, day: date, start: int, end: int) -> Iterator[Play]:
        """Play from the queue, one after the other; the last play is cut off at the end."""
        queue = self._taste.queue(rng, day)
        while end - start > SHORTEST_LISTED_MS:
            track, context = next(queue)
            mood, played = rng.random(), track.duration_ms
            if self._taste.often_skips(track):
                mood /= 5
            if mood < 0.06:  # skipped at once
                played = rng.randint(1 * SECOND, SHORTEST_LISTED_MS)
                ended = start + played
                yield Play(track, context, from_ms(start), from_ms(ended), played, is_short=True)
                start = ended
                continue
            if mood < 0.18:  # skipped later on
                played = rng.randint(SHORTEST_LISTED_MS + 1, track.duration_ms)
            pause = rng.randint(20 * SECOND, 8 * MINUTE) if rng.random() < 0.04 else 0
            buffering = rng.randint(0, 1_200)
            if start + played + pause + buffering > end:
                pause = buffering = 0
                played = min(played, end - start)
            ended = start + played + pause + buffering
            yield Play(track, context, from_ms(start), from_ms(ended), played)
            start = ended


def _listening_day(moment: datetime) -> date:
    return (moment - timedelta(hours=DAY_STARTS_HOUR)).date()
