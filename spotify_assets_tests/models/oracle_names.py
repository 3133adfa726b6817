"""The names of tracks, artists and albums, worked out once more: in Python, from the rules.

It was written from the rule of names and from the models' descriptions, not from their SQL: plain
loops over all rows of all accounts, without watermarks and without what is known already.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from spotify_assets_tests.models.oracle import Raw, Row, exported_plays

API, EXPORT, ONLY_THE_ALBUMS_ARTIST = 3, 2, 1
VARIOUS_ARTISTS = ("Various Artists", "Blandade Artister", "Çeşitli Sanatçılar")
UNKNOWN = "unknown"

# A name or URI with the rank of its source, its time and its row: the greatest is the best known.
Known = tuple[int, str, str, str]


@dataclass
class Track:
    """All that any source says about a track."""

    key: str
    uri: str | None = None
    content_type: str = ""
    known: dict[str, list[Known]] = field(default_factory=lambda: defaultdict(list))

    def best(self, what: str) -> Known | None:
        return max(self.known[what], default=None)

    def value(self, what: str) -> str | None:
        best = self.best(what)
        return best[-1] if best else None

    def is_from_api(self, what: str) -> bool:
        best = self.best(what)
        return best is not None and best[0] == API


def name_key(title: str | None, artist: str | None = None) -> str | None:
    """The key of what has no URI; None without a title. Of an artist there is only one name."""
    if not title:
        return None
    return f"{len(title)} characters: {title}" + ("" if artist is None else f", {artist}")


def tracks(raw: Raw) -> list[Row]:
    """The rows of `dim_tracks`, ordered by their key."""
    found = list(_tracks(raw))
    artists, albums, songs = _uris(found)
    keys = {track.key: _keys(track, artists, albums, songs) for track in found}
    names = _names(found, keys)
    rows = []
    for track in sorted(found, key=lambda track: track.key):
        artist_key, album_key = keys[track.key]
        rows.append(
            {
                "track_key": track.key,
                "track_uri": track.uri,
                "content_type": track.content_type,
                "track_name": track.value("track"),
                "artist_key": artist_key,
                "artist_name": names.get(("artist", artist_key)),
                "album_key": album_key,
                "album_name": names.get(("album", album_key)),
                "album_artist_name": names.get(("album_artist", album_key)),
            }
        )
    return rows


def _tracks(raw: Raw) -> Iterable[Track]:
    found: dict[str, Track] = {}

    def learn(key: str, uri: str | None, content: str, values: dict[str, Any], *at: Any) -> None:
        track = found.setdefault(key, Track(key))
        track.uri = track.uri or uri
        track.content_type = max(track.content_type, content)
        rank, time, row_key = at
        for what, value in values.items():
            if value and key != UNKNOWN:
                is_none = what == "artist" and rank == EXPORT and value in VARIOUS_ARTISTS
                own = ONLY_THE_ALBUMS_ARTIST if is_none else rank
                track.known[what].append((own, time, row_key[:20], value))

    for row in (row for rows in raw.listed.values() for row in rows):
        values = {
            "track": row["track_name"],
            "artist": row["artist_name"],
            "artist_uri": row["artist_uri"],
            "album": row["album_name"],
            "album_artist": row["album_artist_name"],
            "album_uri": row["album_uri"],
        }
        uri = row["track_uri"]
        content = "episode" if uri.startswith("spotify:episode:") else "track"
        learn(uri, uri, content, values, API, row["played_at"], row["row_key"])
    for row in (row for rows in raw.exported.values() for row in exported_plays(rows)):
        title, artist = row["track"], row["artist"]
        key = row["uri"] or name_key(title, artist or "") or UNKNOWN
        values = {"track": title, "artist": artist, "album": row["album"], "album_artist": artist}
        learn(key, row["uri"], row["content"], values, EXPORT, row["ts"], row["row_key"])
    return found.values()


def _uris(found: Iterable[Track]) -> tuple[dict[Any, str], dict[Any, str], dict[Any, str]]:
    """What has one URI only in the API: artists by name, albums, and artists by song and album."""
    artists, albums, songs = (defaultdict[Any, set[str]](set) for _ in range(3))
    for track in found:
        artist_uri, album_uri = track.value("artist_uri"), track.value("album_uri")
        names = (track.value("album"), track.value("album_artist") or "")
        if artist_uri and track.is_from_api("artist"):
            artists[track.content_type, track.value("artist")].add(artist_uri)
        if album_uri and track.is_from_api("album"):
            albums[track.content_type, *names].add(album_uri)
        if artist_uri and track.is_from_api("track") and names[0]:
            songs[track.content_type, track.value("track"), *names].add(artist_uri)
    one_of_each = [
        {key: next(iter(uris)) for key, uris in each.items() if len(uris) == 1}
        for each in (artists, albums, songs)
    ]
    return one_of_each[0], one_of_each[1], one_of_each[2]


def _keys(
    track: Track, artists: dict[Any, str], albums: dict[Any, str], songs: dict[Any, str]
) -> tuple[str, str]:
    artist, content = track.best("artist"), track.content_type
    names = (track.value("album"), track.value("album_artist") or "")
    artist_key = track.value("artist_uri")
    if artist_key is None and artist is not None:
        if artist[0] == ONLY_THE_ALBUMS_ARTIST:
            artist_key = songs.get((content, track.value("track"), *names))
        artist_key = artist_key or artists.get((content, artist[-1])) or name_key(artist[-1])
    album_key = track.value("album_uri") or albums.get((content, *names)) or name_key(*names)
    return artist_key or UNKNOWN, album_key or UNKNOWN


def _names(found: Iterable[Track], keys: dict[str, tuple[str, str]]) -> dict[Any, str]:
    known: dict[tuple[str, str], list[Known]] = defaultdict(list)
    for track in found:
        artist_key, album_key = keys[track.key]
        for what, key in (
            ("artist", artist_key),
            ("album", album_key),
            ("album_artist", album_key),
        ):
            best = track.best(what)
            if best is not None and key != UNKNOWN:
                known[what, key].append(best)
    return {key: max(values)[-1] for key, values in known.items()}
