"""Which albums should have a cover, and what is known of where it is.

Spotify's answers list the images of each track's album, and raw keeps the answers as received.
Exports name tracks only: of their albums a track is known, for which Spotify can be asked.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import bindparam, text

from spotify_assets import times
from spotify_assets.warehouse.tables import raw_recently_played
from spotify_assets.warehouse.warehouse import Warehouse

MOST_ALBUMS = 5_000  # that have a cover: at 25 kB each, 125 MB
RECENT = timedelta(days=90)
AT_ONCE = 100  # albums of one query


@dataclass(frozen=True)
class Wanted:
    """An album without a cover.

    `images` are those that Spotify listed with it, as received. `track_uri` is a track on it.
    """

    album_key: str
    images: object
    track_uri: str | None


def albums(warehouse: Warehouse) -> list[str]:
    """The keys of the albums that should have a cover, the most wanted first.

    What was played lately comes before what was played most: that is what pages show.
    """
    if not warehouse.has_table("fct_track_days"):
        return []
    query = text("""
        select tracks.album_key
        from fct_track_days as days
        inner join dim_tracks as tracks on tracks.track_key = days.track_key
        where days.content_type = 'track' and tracks.album_key <> 'unknown'
        group by tracks.album_key
        order by
            case when max(days.local_date) >= :recent then 0 else 1 end,
            sum(days.plays) desc,
            tracks.album_key
        limit :most
    """)
    recent = (times.now() - RECENT).date().isoformat()
    rows = warehouse.read(query.bindparams(recent=recent, most=MOST_ALBUMS))
    return [key for (key,) in rows]


def look_up(warehouse: Warehouse, keys: Sequence[str]) -> Iterator[Wanted]:
    """What is known of where these albums' covers are, in the same order."""
    # An account that was only imported has no table of listed plays before its first look.
    listed = warehouse.has_table(raw_recently_played.name)
    payload = """
        select listed.payload from raw_recently_played as listed
        where listed.track_uri = tracks.track_uri and listed.album_uri = tracks.album_key
        order by listed.played_at desc limit 1
    """
    query = text(f"""
        select
            tracks.album_key, tracks.track_uri, ({payload if listed else "null"}) as payload
        from dim_tracks as tracks
        where tracks.album_key in :keys and tracks.content_type = 'track'
        order by tracks.album_key, tracks.track_uri
    """)  # noqa: S608 # ours
    for start in range(0, len(keys), AT_ONCE):
        some = list(keys[start : start + AT_ONCE])
        rows = warehouse.read(query.bindparams(bindparam("keys", some, expanding=True)))
        found = {key: list(of_album) for key, of_album in groupby(rows, lambda row: row.album_key)}
        for key in some:
            tracks = found.get(key, [])
            payloads = (row.payload for row in tracks if row.payload is not None)
            uris = (row.track_uri for row in tracks if row.track_uri is not None)
            yield Wanted(key, images_of(next(payloads, None)), next(uris, None))


def images_of(payload: str | None) -> object:
    """The images of the album in a stored play, as received; None where there are none."""
    if payload is None:
        return None
    item: Any = json.loads(payload)
    for name in ("track", "album", "images"):
        item = item.get(name) if isinstance(item, dict) else None
    return item
