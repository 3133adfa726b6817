"""A made-up catalogue of music, the same for the same seed, on any machine.

Belongs here: which artists, albums and tracks exist. Does not belong here: how the Web API
writes them (`objects`), who listens to them (`listener`).
"""

from __future__ import annotations

import random
import string
from dataclasses import dataclass, replace

from spotify_assets.sandbox.names import (
    AWKWARD_ALBUMS,
    AWKWARD_ARTISTS,
    AWKWARD_TITLES,
    SCRIPTS,
    phrase,
    title,
)

BASE62 = string.digits + string.ascii_lowercase + string.ascii_uppercase
ARTISTS = 40
COMPILATIONS = 6


@dataclass(frozen=True)
class Artist:
    """An artist; `script` is the one that most of their titles are written in."""

    id: str
    name: str
    script: str


@dataclass(frozen=True)
class Album:
    """An album. `shelf_id` is the id under which people open it.

    For one album in eight it differs from the id that its tracks carry, as it does on Spotify
    when another edition is streamed than the one that was opened.
    """

    id: str
    shelf_id: str
    name: str
    album_type: str
    artists: tuple[Artist, ...]
    release_date: str
    release_date_precision: str
    image: str
    total_tracks: int


@dataclass(frozen=True)
class Track:
    """A track on one album; the same recording elsewhere has another id and the same ISRC."""

    id: str
    name: str
    artists: tuple[Artist, ...]
    album: Album
    disc_number: int
    track_number: int
    duration_ms: int
    explicit: bool
    isrc: str


def spotify_id(rng: random.Random) -> str:
    """An id of Spotify's form: 128 bits in base 62, always 22 characters."""
    number, digits = rng.getrandbits(128), ""
    for _ in range(22):
        number, digit = divmod(number, 62)
        digits = BASE62[digit] + digits
    return digits


class Catalogue:
    """All the music there is: 40 artists, 120 albums and about 900 tracks."""

    def __init__(self, seed: int) -> None:
        """Make the catalogue of this seed up."""
        self._rng = random.Random(f"{seed}/catalogue")
        self.artists = self._make_artists()
        tracks: list[Track] = []
        for number, artist in enumerate(self.artists):
            for kind in ("album", "album", "single") if number % 7 else ("album", "single"):
                tracks += self._make_album(artist, kind)
        self._give_awkward_titles(tracks)
        self._various = Artist(spotify_id(self._rng), "Various Artists", "english")
        for _ in range(COMPILATIONS):
            tracks += self._make_compilation(tracks)
        self.tracks = tuple(tracks)
        by_album: dict[Album, list[Track]] = {}
        by_artist: dict[Artist, list[Track]] = {}
        for track in tracks:
            by_album.setdefault(track.album, []).append(track)
            for performer in track.artists:
                by_artist.setdefault(performer, []).append(track)
        self.by_album = {album: tuple(on_it) for album, on_it in by_album.items()}
        self.by_artist = {performer: tuple(theirs) for performer, theirs in by_artist.items()}
        self.albums = tuple(self.by_album)
        self._by_id = {track.id: track for track in tracks}

    def track(self, track_id: str) -> Track | None:
        """The track of this id, or None."""
        return self._by_id.get(track_id)

    def _make_artists(self) -> tuple[Artist, ...]:
        rng, artists = self._rng, []
        for number in range(ARTISTS):
            script = SCRIPTS[number % len(SCRIPTS)]
            awkward = number < len(AWKWARD_ARTISTS)
            name = AWKWARD_ARTISTS[number] if awkward else phrase(rng, script)
            artists.append(Artist(spotify_id(rng), name, script))
        return tuple(artists)

    def _make_album(self, artist: Artist, kind: str) -> list[Track]:
        rng = self._rng
        size = rng.randint(7, 12) if kind == "album" else rng.randint(1, 3)
        name = title(rng, artist.script)
        if kind == "album" and rng.random() < 0.1:
            name = rng.choice(AWKWARD_ALBUMS)
        album = self._new_album(name, kind, (artist,), size)
        tracks = []
        for number in range(1, size + 1):
            guests = rng.sample(self.artists, k=rng.randint(1, 3)) if rng.random() < 0.15 else []
            tracks.append(
                Track(
                    id=spotify_id(rng),
                    name=title(rng, artist.script),
                    artists=(artist, *(guest for guest in guests if guest is not artist)),
                    album=album,
                    disc_number=1,
                    track_number=number,
                    duration_ms=self._duration_ms(),
                    explicit=rng.random() < 0.12,
                    isrc=f"ZZSBX{rng.randint(0, 26):02}{rng.randrange(100_000):05}",
                )
            )
        return tracks

    def _make_compilation(self, tracks: list[Track]) -> list[Track]:
        """Recordings of several artists once more, on two discs under another album artist."""
        rng = self._rng
        chosen = rng.sample(tracks, k=16)
        album = self._new_album(
            f"{phrase(rng, 'english')} {rng.randint(1, 30)}",
            "compilation",
            (self._various,),
            len(chosen),
        )
        return [
            replace(
                track,
                id=spotify_id(rng),
                album=album,
                disc_number=1 + place // 8,
                track_number=1 + place % 8,
            )
            for place, track in enumerate(chosen)
        ]

    def _new_album(
        self, name: str, kind: str, artists: tuple[Artist, ...], total_tracks: int
    ) -> Album:
        rng = self._rng
        day = f"{rng.randint(1962, 2025)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"
        precision, length = rng.choices((("day", 10), ("month", 7), ("year", 4)), (16, 1, 3))[0]
        album_id = spotify_id(rng)
        return Album(
            id=album_id,
            shelf_id=spotify_id(rng) if rng.random() < 0.125 else album_id,
            name=name,
            album_type=kind,
            artists=artists,
            release_date=day[:length],
            release_date_precision=precision,
            image=f"{rng.getrandbits(96):024x}",
            total_tracks=total_tracks,
        )

    def _duration_ms(self) -> int:
        """Mostly two to six minutes; one in 25 a sketch, one in 25 a long piece."""
        rng, kind = self._rng, self._rng.random()
        if kind < 0.04:
            return rng.randint(35_000, 60_000)
        if kind < 0.08:
            return rng.randint(480_000, 720_000)
        return round(rng.triangular(120_000, 360_000, 215_000))

    def _give_awkward_titles(self, tracks: list[Track]) -> None:
        places = self._rng.sample(range(len(tracks)), k=len(AWKWARD_TITLES))
        for place, name in zip(places, AWKWARD_TITLES, strict=True):
            tracks[place] = replace(tracks[place], name=name)
