"""What a listener likes: favourites for life, phases, seasons, and what they skip.

Belongs here: which music a person puts on at a date. Does not belong here: when and for how long
they listen (`listener`).

A taste is a pure function of seed, person and date: no date needs the one before it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import accumulate
from typing import TypeVar

from spotify_assets.sandbox.catalogue import Album, Artist, Catalogue, Track, spotify_id

T = TypeVar("T")

# Of the artists, the first ones are liked for life, and one each in summer and in winter only. All
# others come and go: a phase, then more than a year without them. Whoever comes for the first time
# is a discovery, whoever comes again returns.
FOR_LIFE = 12
SUMMER, WINTER = (6, 7, 8), (12, 1)
SHORTEST_CYCLE, LONGEST_CYCLE = 800, 1_200  # days
SHORTEST_PHASE, SHORTEST_ABSENCE = 150, 420  # days
NEW_FOR = 45  # days in which an artist who has just come is played a lot
OF_A_MONTH = 3  # artists
SKIPPED_OFTEN = 0.05  # of all tracks


@dataclass(frozen=True)
class Context:
    """From where a track was played: album, artist, playlist or collection (liked songs)."""

    type: str
    id: str
    uri: str


@dataclass(frozen=True)
class _Cycle:
    """The days on which an artist is heard: a phase, an absence, and again."""

    days: int
    phase: int
    offset: int

    def age(self, day: date) -> int | None:
        """For how many days the phase has lasted on that day; None during an absence."""
        age = (day.toordinal() + self.offset) % self.days
        return age if age < self.phase else None


class Taste:
    """One person's taste."""

    def __init__(self, listener_id: str, catalogue: Catalogue, seed: int) -> None:
        """Make it up."""
        rng = random.Random(f"{seed}/{listener_id}/likes")
        self._id, self._seed, self._catalogue = listener_id, seed, catalogue
        # A few favourites take most of the time, a long tail takes the rest.
        self._albums = rng.sample(catalogue.albums, k=len(catalogue.albums))
        self._artists = rng.sample(catalogue.artists, k=len(catalogue.artists))
        self._tracks = rng.sample(catalogue.tracks, k=len(catalogue.tracks))
        # Compilations come last: an export knows all their tracks as by Various Artists.
        self._albums.sort(key=_is_compilation)
        self._tracks.sort(key=lambda track: _is_compilation(track.album))
        self._liked = tuple(self._tracks[:120])
        self._playlists = tuple(
            (spotify_id(rng), tuple(rng.sample(self._tracks[:300], k=rng.randint(15, 60))))
            for _ in range(5)
        )
        self._skipped_often = frozenset(
            rng.sample(self._tracks, k=round(SKIPPED_OFTEN * len(self._tracks)))
        )
        self._summer, self._winter, *others = self._artists[FOR_LIFE:]
        self._cycles = {artist: _cycle(rng) for artist in others}
        self._albums_of = {
            artist: [album for album in self._albums if album.artists[0] is artist]
            for artist in self._artists
        }
        self.month = lru_cache(maxsize=256)(self._make_month)
        self.album_of_the_week = lru_cache(maxsize=256)(self._make_album_of_the_week)

    def often_skips(self, track: Track) -> bool:
        """Whether the person skips the track more often than not."""
        return track in self._skipped_often

    def queue(self, rng: random.Random, day: date) -> Iterator[tuple[Track, Context | None]]:
        """What comes next, without end: one thing after another that the person puts on."""
        heard = self._heard(day)
        while True:
            kind = rng.choices(
                ("album", "playlist", "artist", "collection", None), (40, 24, 14, 14, 8)
            )[0]
            context, tracks = self._put_on(rng, kind, day, heard)
            for track in tracks:
                if track.artists[0] not in heard:
                    continue
                yield track, context
                if rng.random() < 0.03:  # once more
                    yield track, context

    def _heard(self, day: date) -> frozenset[Artist]:
        """The artists whom the person listens to on that day."""
        heard = set(self._artists[:FOR_LIFE])
        heard |= {artist for artist, cycle in self._cycles.items() if cycle.age(day) is not None}
        if day.month in SUMMER:
            heard.add(self._summer)
        if day.month in WINTER:
            heard.add(self._winter)
        return frozenset(heard)

    def _make_month(self, year: int, month: int) -> tuple[Artist, ...]:
        """The artists of that month: who is new, who belongs to the season, and some favourites."""
        first = date(year, month, 1)
        heard = self._heard(first)
        chosen = [
            artist
            for artist, cycle in self._cycles.items()
            if (age := cycle.age(first)) is not None and age < NEW_FOR
        ]
        chosen += [artist for artist in (self._summer, self._winter) if artist in heard]
        rng = random.Random(f"{self._seed}/{self._id}/{year}-{month}")
        others = [artist for artist in self._artists if artist in heard and artist not in chosen]
        return tuple(chosen + rng.sample(others, k=OF_A_MONTH))

    def _make_album_of_the_week(self, year: int, week: int) -> Album | None:
        """The album that the person cannot stop playing that week, if there is one."""
        rng = random.Random(f"{self._seed}/{self._id}/{year}-W{week}")
        if rng.random() < 0.5:
            return None
        monday = date.fromisocalendar(year, week, 1)
        artist = rng.choice(self.month(monday.year, monday.month))
        return rng.choice(self._albums_of[artist])

    def _put_on(
        self, rng: random.Random, kind: str | None, day: date, heard: frozenset[Artist]
    ) -> tuple[Context | None, Sequence[Track]]:
        if kind == "album":
            album = self._album(rng, day)
            on_it = self._catalogue.by_album[album]
            start = rng.randrange(len(on_it)) if rng.random() < 0.2 else 0
            return _context("album", album.shelf_id), on_it[start:]
        if kind == "playlist":
            playlist_id, on_it = rng.choice(self._playlists)
            start = rng.randrange(len(on_it))
            return _context("playlist", playlist_id), on_it[start : start + rng.randint(4, 20)]
        if kind == "artist":
            month = self.month(day.year, day.month)
            artist = rng.choice(month) if rng.random() < 0.5 else _favour(rng, self._artists)
            theirs = self._catalogue.by_artist[artist]
            some = rng.sample(theirs, k=min(len(theirs), rng.randint(3, 12)))
            return _context("artist", artist.id), some
        if kind == "collection":
            liked = Context("collection", self._id, f"spotify:user:{self._id}:collection")
            return liked, rng.sample(self._liked, k=rng.randint(4, 25))
        return None, [_favour(rng, self._tracks) for _ in range(rng.randint(1, 5))]

    def _album(self, rng: random.Random, day: date) -> Album:
        year, week, _ = day.isocalendar()
        draw, of_the_week = rng.random(), self.album_of_the_week(year, week)
        if draw < 0.25 and of_the_week:
            return of_the_week
        if draw < 0.6:
            artist = rng.choice(self.month(day.year, day.month))
            return _favour(rng, self._albums_of[artist])
        return _favour(rng, self._albums)


def _is_compilation(album: Album) -> bool:
    return album.album_type == "compilation"


def _cycle(rng: random.Random) -> _Cycle:
    days = rng.randint(SHORTEST_CYCLE, LONGEST_CYCLE)
    phase = rng.randint(SHORTEST_PHASE, days - SHORTEST_ABSENCE)
    return _Cycle(days, phase, rng.randrange(days))


def _context(kind: str, spotify_id: str) -> Context:
    return Context(kind, spotify_id, f"spotify:{kind}:{spotify_id}")


@lru_cache(maxsize=64)
def _favour_weights(count: int) -> list[float]:
    return list(accumulate(1 / (place + 3) for place in range(count)))


def _favour(rng: random.Random, ranked: Sequence[T]) -> T:
    """One of the things, the higher in the ranking the likelier."""
    return rng.choices(ranked, cum_weights=_favour_weights(len(ranked)))[0]
