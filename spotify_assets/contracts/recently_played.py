"""The contract of `raw_recently_played`, and the flattening of a landed page to its columns.

Required: what makes a play a play (rules of identity), and the track's name. Everything else may
be null or absent, since Spotify removed fields before. Where it is there and not of its type, its
column is null. What we do not know, or cannot read, stays in `payload`.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pandera.pandas as pa

from spotify_assets import times
from spotify_assets.contracts import values
from spotify_assets.spotify import recently_played
from spotify_assets.spotify.state import LandedPage

# Spotify's clock and ours play no part: both times are Spotify's, a few minutes are its own slack.
LATEST_PLAY_AFTER_ANSWER = timedelta(minutes=5)
# A landed page that cannot be flattened would stop its account for good.
LATEST_ANSWER = datetime.max.replace(tzinfo=UTC) - LATEST_PLAY_AFTER_ANSWER
SPOTIFY_BEGAN = "2006"  # no play ended before, whatever an answer says


_Reader = Callable[[Sequence[Any]], values.Read]
INTEGERS = ("duration_ms", "album_total_tracks", "disc_number", "track_number")
BOOLEANS = ("explicit", "is_local")
TEXTS = (
    *("track_id", "artist_name", "artist_uri", "artist_names", "album_name", "album_uri"),
    *("album_artist_name", "album_type", "release_date", "release_date_precision", "isrc"),
    *("context_type", "context_uri"),
)
_OPTIONAL: dict[str, _Reader] = {
    **dict.fromkeys(INTEGERS, values.read_integers),
    **dict.fromkeys(BOOLEANS, values.read_booleans),
    **dict.fromkeys(TEXTS, values.read_texts),
}
# What holds other values, by its path in an item; where it is something else, all of them are null.
_CONTAINERS: dict[str, tuple[tuple[str | int, ...], type]] = {
    "artists": (("track", "artists"), list),
    "artists[0]": (("track", "artists", 0), dict),
    "album": (("track", "album"), dict),
    "album.artists": (("track", "album", "artists"), list),
    "album.artists[0]": (("track", "album", "artists", 0), dict),
    "external_ids": (("track", "external_ids"), dict),
    "context": (("context",), dict),
}


class RecentlyPlayed(pa.DataFrameModel):
    """One row per play that Spotify lists. Times are UTC text, durations ms."""

    account_id: object
    played_at: object
    track_uri: object
    row_key: object
    track_id: object = pa.Field(nullable=True)
    track_name: object
    artist_name: object = pa.Field(nullable=True)
    artist_uri: object = pa.Field(nullable=True)
    artist_names: object = pa.Field(nullable=True)
    album_name: object = pa.Field(nullable=True)
    album_uri: object = pa.Field(nullable=True)
    album_artist_name: object = pa.Field(nullable=True)
    album_type: object = pa.Field(nullable=True)
    album_total_tracks: object = pa.Field(nullable=True)
    release_date: object = pa.Field(nullable=True)
    release_date_precision: object = pa.Field(nullable=True)
    duration_ms: object = pa.Field(nullable=True)
    explicit: object = pa.Field(nullable=True)
    is_local: object = pa.Field(nullable=True)
    isrc: object = pa.Field(nullable=True)
    disc_number: object = pa.Field(nullable=True)
    track_number: object = pa.Field(nullable=True)
    context_type: object = pa.Field(nullable=True)
    context_uri: object = pa.Field(nullable=True)
    payload: object

    @pa.check(
        "account_id|played_at|track_uri|row_key|track_name|payload",
        regex=True,
        ignore_na=False,
        error="not text that can be stored",
    )
    def is_text(cls, column: "pd.Series[Any]") -> "pd.Series[bool]":
        return values.are_texts(column)

    @pa.check("track_uri", element_wise=True, error="empty")
    def is_not_empty(cls, value: Any) -> bool:
        return bool(value != "")

    @pa.check("played_at", element_wise=True, error="not a time")
    def is_time(cls, value: Any) -> bool:
        return _is_time(value)

    @pa.dataframe_check(error=recently_played.LATER_THAN_ANSWER)
    def is_past(cls, frame: pd.DataFrame) -> "pd.Series[bool]":
        pairs = zip(frame["played_at"], frame["latest_played_at"], strict=True)
        past = [not _is_time(played_at) or played_at <= latest for played_at, latest in pairs]
        return pd.Series(past, index=frame.index, dtype=bool)


def flatten(page: LandedPage, items: Sequence[object]) -> pd.DataFrame:
    """The page's items as a frame of objects, one row per item.

    `played_at` is in our text form where it is a time at all, and as received where it is not.

    Returns:
        The contract's columns, optional values read or null; `unread`, JSON of those that could
        not be read, by field; and `latest_played_at`, the latest time that can be true.
    """
    answered = min(times.from_text(page.answered_at), LATEST_ANSWER)
    latest = times.to_text(answered + LATEST_PLAY_AFTER_ANSWER)
    records = [_flatten(page.account_id, item) | {"latest_played_at": latest} for item in items]
    names = [*RecentlyPlayed.to_schema().columns, "latest_played_at"]
    columns: dict[str, Sequence[Any]] = {
        name: [record[name] for record in records] for name in names
    }
    unread = {
        name: {
            place: value
            for place, item in enumerate(items)
            if (value := _at(item, *path)) is not None and not isinstance(value, kind)
        }
        for name, (path, kind) in _CONTAINERS.items()
    }
    for name, read in _OPTIONAL.items():
        columns[name], unread[name] = read(columns[name])
    columns["unread"] = values.unread_as_json(unread, len(items))
    # dtype=object from the start: pandas would make floats of integers beside a null.
    return pd.DataFrame({name: pd.Series(each, dtype=object) for name, each in columns.items()})


def ends(frame: pd.DataFrame) -> tuple[str, ...]:
    """The ends of a flattened page's plays that can be true, ascending, whatever else is wrong."""
    pairs = zip(frame["played_at"], frame["latest_played_at"], strict=True)
    return tuple(
        sorted({end for end, latest in pairs if _is_time(end) and SPOTIFY_BEGAN <= end <= latest})
    )


def _flatten(account_id: str, item: object) -> dict[str, object]:
    artists = _at(item, "track", "artists")
    return {
        "account_id": account_id,
        "played_at": recently_played.played_at(item) or _at(item, "played_at"),
        "track_uri": _at(item, "track", "uri"),
        "row_key": recently_played.row_key(account_id, item),
        "track_id": _at(item, "track", "id"),
        "track_name": _at(item, "track", "name"),
        "artist_name": _at(artists, 0, "name"),
        "artist_uri": _at(artists, 0, "uri"),
        "artist_names": _names(artists),
        "album_name": _at(item, "track", "album", "name"),
        "album_uri": _at(item, "track", "album", "uri"),
        "album_artist_name": _at(item, "track", "album", "artists", 0, "name"),
        "album_type": _at(item, "track", "album", "album_type"),
        "album_total_tracks": _at(item, "track", "album", "total_tracks"),
        "release_date": _at(item, "track", "album", "release_date"),
        "release_date_precision": _at(item, "track", "album", "release_date_precision"),
        "duration_ms": _at(item, "track", "duration_ms"),
        "explicit": _at(item, "track", "explicit"),
        "is_local": _at(item, "track", "is_local"),
        "isrc": _at(item, "track", "external_ids", "isrc"),
        "disc_number": _at(item, "track", "disc_number"),
        "track_number": _at(item, "track", "track_number"),
        "context_type": _at(item, "context", "type"),
        "context_uri": _at(item, "context", "uri"),
        "payload": recently_played.payload(item),
    }


def _at(value: object, *path: str | int) -> Any:
    """The value at a path through objects and arrays, None where the path ends early."""
    for step in path:
        if isinstance(step, str) and isinstance(value, dict):
            value = value.get(step)
        elif isinstance(step, int) and isinstance(value, list) and step < len(value):
            value = value[step]
        else:
            return None
    return value


def _names(artists: object) -> str | None:
    if not isinstance(artists, list):
        return None
    return recently_played.payload([_at(artist, "name") for artist in artists])


def _is_time(value: object) -> bool:
    return isinstance(value, str) and recently_played.played_at({"played_at": value}) == value
