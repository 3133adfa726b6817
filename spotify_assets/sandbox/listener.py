"""People who listen: taste, habits, and so every play they ever made or will make.

Belongs here: who plays what and when, as pure functions of seed, person and day. Does not
belong here: the clock, what the Web API shows of it.

A listener's day runs from 04:00 to 04:00 UTC and everything in it follows from its date alone,
so the same plays come out whatever window is asked for, in whatever order.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import accumulate
from typing import TypeVar

from spotify_assets.sandbox.catalogue import BASE62, Catalogue, Track, spotify_id
from spotify_assets.sandbox.clock import from_ms, to_ms

T = TypeVar("T")

DAY_STARTS_HOUR = 4
SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
# Spotify lists a play once it has lasted longer than this.
SHORTEST_LISTED_MS = 30 * SECOND
# Nobody here is silent for longer; it bounds the search for the newest plays.
LONGEST_SILENCE_DAYS = 60

# When a session may start (hours after midnight UTC, give or take half an hour), how long it
# lasts (minutes), and how likely it is. Two sessions can never touch, and with a shift of up to
# 90 minutes either way all of them lie between 04:00 and 04:00.
WEEKDAY = ((7.5, 15, 35, 0.85), (9.5, 40, 150, 0.6), (17.25, 15, 40, 0.8), (20.0, 30, 120, 0.65))
WEEKEND = ((10.5, 40, 120, 0.7), (15.0, 20, 90, 0.4), (20.5, 60, 240, 0.75))
SATURDAY = 5
QUIET_DAY = 0.1

QUIRKS = ("Ó Súilleabháin", "van 't Hoff", "Nováková-Łuczak", "🎧", "Ngũgĩ & Söhne", "<3")


@dataclass(frozen=True)
class Context:
    """From where a track was played: album, artist, playlist or collection (liked songs)."""

    type: str
    id: str
    uri: str


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
        """Make up the person's taste: what they like, their playlists and their hours."""
        rng = random.Random(f"{seed}/{listener_id}/taste")
        self.id = listener_id
        self.display_name = f"{listener_id.capitalize()} {rng.choice(QUIRKS)}"
        self.account_id = "".join(rng.choices(BASE62, k=10))
        self._seed, self._catalogue, self._always_on = seed, catalogue, always_on
        self._shift_ms = rng.randint(-90, 90) * MINUTE
        # A few favourites take most of the time, a long tail takes the rest.
        self._albums = rng.sample(catalogue.albums, k=len(catalogue.albums))
        self._artists = rng.sample(catalogue.artists, k=len(catalogue.artists))
        self._tracks = rng.sample(catalogue.tracks, k=len(catalogue.tracks))
        self._liked = tuple(self._tracks[:120])
        self._playlists = tuple(
            (spotify_id(rng), tuple(rng.sample(self._tracks[:300], k=rng.randint(15, 60))))
            for _ in range(5)
        )
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
            play for start, end in sessions for play in self._play_session(rng, start, end)
        )

    def _sessions(self, rng: random.Random, day: date) -> Iterator[tuple[int, int]]:
        """When the person listens on that day, as milliseconds since 1970."""
        day_starts = to_ms(datetime.combine(day, time(DAY_STARTS_HOUR), UTC))
        if self._always_on:
            yield day_starts, day_starts + 24 * HOUR
        elif rng.random() >= QUIET_DAY:
            for hour, shortest, longest, chance in (
                WEEKEND if day.weekday() >= SATURDAY else WEEKDAY
            ):
                start = day_starts + round((hour - DAY_STARTS_HOUR) * HOUR) + self._shift_ms
                start += rng.randint(-30 * MINUTE, 30 * MINUTE)
                if rng.random() < chance:
                    yield start, start + rng.randint(shortest * MINUTE, longest * MINUTE)

    def _play_session(self, rng: random.Random, start: int, end: int) -> Iterator[Play]:
        """Play from the queue, one after the other; the last play is cut off at the end."""
        queue = self._queue(rng)
        while end - start > SHORTEST_LISTED_MS:
            track, context = next(queue)
            mood, played = rng.random(), track.duration_ms
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

    def _queue(self, rng: random.Random) -> Iterator[tuple[Track, Context | None]]:
        """What comes next, without end: one thing after another that the person puts on."""
        while True:
            kind = rng.choices(
                ("album", "playlist", "artist", "collection", None), (34, 28, 14, 16, 8)
            )[0]
            context, tracks = self._put_on(rng, kind)
            for track in tracks:
                yield track, context
                if rng.random() < 0.03:  # once more
                    yield track, context

    def _put_on(
        self, rng: random.Random, kind: str | None
    ) -> tuple[Context | None, tuple[Track, ...]]:
        if kind == "album":
            album = _favour(rng, self._albums)
            on_it = self._catalogue.by_album[album]
            start = rng.randrange(len(on_it)) if rng.random() < 0.25 else 0
            return _context("album", album.shelf_id), on_it[start:]
        if kind == "playlist":
            playlist_id, on_it = rng.choice(self._playlists)
            start = rng.randrange(len(on_it))
            return _context("playlist", playlist_id), on_it[start : start + rng.randint(4, 20)]
        if kind == "artist":
            artist = _favour(rng, self._artists)
            theirs = self._catalogue.by_artist[artist]
            some = rng.sample(theirs, k=min(len(theirs), rng.randint(3, 12)))
            return _context("artist", artist.id), tuple(some)
        if kind == "collection":
            liked = Context("collection", self.id, f"spotify:user:{self.id}:collection")
            return liked, tuple(rng.sample(self._liked, k=rng.randint(4, 25)))
        return None, tuple(_favour(rng, self._tracks) for _ in range(rng.randint(1, 5)))


def _listening_day(moment: datetime) -> date:
    return (moment - timedelta(hours=DAY_STARTS_HOUR)).date()


def _context(kind: str, spotify_id: str) -> Context:
    return Context(kind, spotify_id, f"spotify:{kind}:{spotify_id}")


@lru_cache(maxsize=8)
def _favour_weights(count: int) -> list[float]:
    return list(accumulate(1 / (place + 3) for place in range(count)))


def _favour(rng: random.Random, ranked: list[T]) -> T:
    """One of the things, the higher in the ranking the likelier."""
    return rng.choices(ranked, cum_weights=_favour_weights(len(ranked)))[0]
