"""The contract of `raw_streaming_history`, and the way of an export's rows to its columns.

Required: when the stream ended and how long it was. All else may be null or absent, since Spotify
changes what it tells, but where it is there it must be of its type.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from operator import itemgetter
from typing import Any

import orjson
import pandas as pd
import pandera.pandas as pa

from spotify_assets import times
from spotify_assets.contracts import values
from spotify_assets.spotify.export.fields import FIELDS, NAMES, utc_text
from spotify_assets.spotify.export.names import Kind

IN_THE_FUTURE = "in the future"
# A machine's clock may be in another's time zone by mistake.
LATEST_END_AFTER_NOW = timedelta(days=1)
# A time of the player in ms since 1970 is below, in any year.
LARGEST_TIMESTAMP = 2**53

VARIANT_LENGTH = 16
SECONDS = len("2026-01-01T00:00:00")


# What a row is known by: the first URI that it has, or else all of these names.
URIS = ("spotify_track_uri", "spotify_episode_uri")
NAMING = (
    "master_metadata_track_name",
    "master_metadata_album_artist_name",
    "master_metadata_album_album_name",
    "episode_name",
    "episode_show_name",
)


class StreamingHistory(pa.DataFrameModel):
    """One row per row of an export, fields as received under our names."""

    ts: object
    ms_played: object
    platform: object = pa.Field(nullable=True)
    conn_country: object = pa.Field(nullable=True)
    master_metadata_track_name: object = pa.Field(nullable=True)
    master_metadata_album_artist_name: object = pa.Field(nullable=True)
    master_metadata_album_album_name: object = pa.Field(nullable=True)
    spotify_track_uri: object = pa.Field(nullable=True)
    episode_name: object = pa.Field(nullable=True)
    episode_show_name: object = pa.Field(nullable=True)
    spotify_episode_uri: object = pa.Field(nullable=True)
    audiobook_title: object = pa.Field(nullable=True)
    audiobook_uri: object = pa.Field(nullable=True)
    audiobook_chapter_uri: object = pa.Field(nullable=True)
    audiobook_chapter_title: object = pa.Field(nullable=True)
    audiobook_author_name: object = pa.Field(nullable=True)
    reason_start: object = pa.Field(nullable=True)
    reason_end: object = pa.Field(nullable=True)
    shuffle: object = pa.Field(nullable=True)
    skipped: object = pa.Field(nullable=True)
    offline: object = pa.Field(nullable=True)
    offline_timestamp: object = pa.Field(nullable=True)
    incognito_mode: object = pa.Field(nullable=True)

    @pa.check(
        "platform|conn_country|.*_name|.*_title|.*_uri|reason_start|reason_end",
        regex=True,
        ignore_na=False,
        error="not text that can be stored",
    )
    def is_text(cls, column: "pd.Series[Any]") -> "pd.Series[bool]":
        return values.are_texts(column)

    @pa.check("ms_played", ignore_na=False, error="not an integer from 0 to 2^31 - 1")
    def is_length(cls, column: "pd.Series[Any]") -> "pd.Series[bool]":
        return values.are_integers(column)

    @pa.check("offline_timestamp", ignore_na=False, error="not an integer below 2^53")
    def is_timestamp(cls, column: "pd.Series[Any]") -> "pd.Series[bool]":
        return values.are_integers(column, -LARGEST_TIMESTAMP, LARGEST_TIMESTAMP)

    @pa.check(
        "(shuffle|skipped|offline|incognito_mode)$",
        regex=True,
        ignore_na=False,
        error="not true or false",
    )
    def is_boolean(cls, column: "pd.Series[Any]") -> "pd.Series[bool]":
        return values.are_booleans(column)

    @pa.dataframe_check(error="ts: not a time since 2006")
    def is_time(cls, frame: pd.DataFrame) -> "pd.Series[bool]":
        return frame["ended_at"].notna() | frame["ts"].isna()

    @pa.dataframe_check(error=f"ts: {IN_THE_FUTURE}")
    def is_past(cls, frame: pd.DataFrame) -> "pd.Series[bool]":
        latest = times.to_text(times.now() + LATEST_END_AFTER_NOW)
        return (frame["ended_at"].fillna("") <= latest).astype(bool)


def flatten(kind: Kind, rows: Sequence[Any]) -> pd.DataFrame:
    """An export's rows as a frame of objects, one row per row, values as received.

    Returns:
        The contract's columns; `ended_at`, the end as our UTC text, None where `ts` is no time
        since 2006; and `payload`, the place of the row in the list.
    """
    columns: dict[str, Sequence[Any]] = {name: [None] * len(rows) for name in FIELDS}
    columns |= dict(zip(NAMES[kind].values(), _columns(tuple(NAMES[kind]), rows), strict=True))
    columns["ended_at"] = [utc_text(value) for value in columns["ts"]]
    columns["payload"] = list(range(len(rows)))
    # dtype=object from the start: pandas would make floats of integers beside a null.
    return pd.DataFrame({name: pd.Series(column, dtype=object) for name, column in columns.items()})


def _columns(names: tuple[str, ...], rows: Sequence[Any]) -> list[Sequence[Any]]:
    """The values of each name in all rows, None where a row has none."""
    try:
        return list(zip(*map(itemgetter(*names), rows), strict=True)) or [()] * len(names)
    except (KeyError, TypeError):  # older exports lack some fields
        records = [row if isinstance(row, dict) else {} for row in rows]
        return [[record.get(name) for record in records] for name in names]


def keyed(
    account_id: str, kind: Kind, accepted: pd.DataFrame, seen: Counter[bytes]
) -> pd.DataFrame:
    """Rows that keep the contract, with what makes each the same row in every download.

    An extended row is known by when it ended, how long it was, and what was played; nothing else
    stays the same between downloads. Rows of the account data are to the minute, so that repeats
    look alike: the n-th of them in its download is a row of its own.

    Args:
        accepted: of `flatten`.
        seen: how often each row of the account data was in its download so far.

    Returns:
        The columns of `raw_streaming_history` but `load_id`, and `payload` as it was.
    """
    columns = {name: accepted[name].tolist() for name in (*FIELDS, "ended_at")}
    columns["ts"] = columns["ended_at"]
    identities = [
        [account_id, kind, end[:SECONDS], ms_played, track_uri or episode_uri or naming]
        for end, ms_played, track_uri, episode_uri, *naming in zip(
            *(columns[name] for name in ("ts", "ms_played", *URIS, *NAMING)), strict=True
        )
    ]
    if kind is not Kind.EXTENDED:
        books = zip(columns["audiobook_title"], columns["audiobook_author_name"], strict=True)
        for identity, book in zip(identities, books, strict=True):
            identity.extend(book)
            written = orjson.dumps(identity)
            seen[written] += 1
            identity.append(seen[written])
    row_keys = [_digest(orjson.dumps(identity)) for identity in identities]
    kept = zip(*(columns[name] for name in FIELDS), strict=True)
    return accepted.assign(
        account_id=account_id,
        row_key=row_keys,
        # A field that comes to FIELDS belongs at its end, and is left out here where it is null:
        # what is stored must stay the same variant.
        variant=[_digest(orjson.dumps(fields))[:VARIANT_LENGTH] for fields in kept],
        kind=str(kind),
        ts=columns["ts"],
    )


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
