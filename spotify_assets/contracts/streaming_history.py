"""The contract of `raw_streaming_history`, and the way of an export's rows to its columns.

Required: when the stream ended and how long it was. All else may be null or absent, since Spotify
changes what it tells, but where it is there it must be of its type. Only the fields that are named
here are kept: what else a row has may be about the person (the IP address is), so of that not even
the values of rejected rows are.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any

import orjson
import pandas as pd
import pandera.pandas as pa

from spotify_assets import times
from spotify_assets.contracts import values
from spotify_assets.spotify.export.names import Kind

SPOTIFY_BEGAN = "2006"
IN_THE_FUTURE = "in the future"
# A machine's clock may be in another's time zone by mistake.
LATEST_END_AFTER_NOW = timedelta(days=1)
# A time of the player in ms since 1970 is below, in any year.
LARGEST_TIMESTAMP = 2**53
PERSONAL = frozenset({"ip_addr", "ip_addr_decrypted", "user_agent_decrypted", "username"})

VARIANT_LENGTH = 16
SECONDS = len("2026-01-01T00:00:00")

FIELDS = (
    "ts",
    "ms_played",
    "platform",
    "conn_country",
    "master_metadata_track_name",
    "master_metadata_album_artist_name",
    "master_metadata_album_album_name",
    "spotify_track_uri",
    "episode_name",
    "episode_show_name",
    "spotify_episode_uri",
    "audiobook_title",
    "audiobook_uri",
    "audiobook_chapter_uri",
    "audiobook_chapter_title",
    "audiobook_author_name",
    "reason_start",
    "reason_end",
    "shuffle",
    "skipped",
    "offline",
    "offline_timestamp",
    "incognito_mode",
)
# Our name of a field by the file's, for each kind of history.
OF_ACCOUNT_DATA = {"endTime": "ts", "msPlayed": "ms_played"}
NAMES: dict[Kind, dict[str, str]] = {
    Kind.EXTENDED: {name: name for name in FIELDS if name != "audiobook_author_name"},
    Kind.MUSIC: OF_ACCOUNT_DATA
    | {
        "artistName": "master_metadata_album_artist_name",
        "trackName": "master_metadata_track_name",
    },
    Kind.PODCAST: OF_ACCOUNT_DATA
    | {"podcastName": "episode_show_name", "episodeName": "episode_name"},
    Kind.AUDIOBOOK: OF_ACCOUNT_DATA
    | {"audiobookName": "audiobook_title", "authorName": "audiobook_author_name"},
}
# What a row is known by: the first URI that it has, or else all of these names.
URIS = ("spotify_track_uri", "spotify_episode_uri")
NAMING = (
    "master_metadata_track_name",
    "master_metadata_album_artist_name",
    "master_metadata_album_album_name",
    "episode_name",
    "episode_show_name",
)

_SECOND = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}Z")
_MINUTE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} ([01][0-9]|2[0-3]):[0-9]{2}")


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
    columns["ended_at"] = [_utc_text(value) for value in columns["ts"]]
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


def payload(kind: Kind, row: object) -> str:
    """What is kept of a row, as JSON that is the same for the same row.

    Of fields that are not known, and of values that are none, it holds the names.
    """
    if not isinstance(row, dict):
        return _json({"not_an_object": type(row).__name__})
    names = NAMES[kind]
    kept = {
        name: value
        if isinstance(value := row[name], str | int | float)
        else f"({type(value).__name__})"
        for name in names
        if row.get(name) is not None
    }
    strange = sorted(row.keys() - names.keys() - PERSONAL)
    return _json(kept | {"unknown_fields": strange} if strange else kept)


def unknown_fields(kind: Kind, rows: Sequence[Any]) -> set[str]:
    """The names of the rows' fields that are neither kept nor known to be personal."""
    known = NAMES[kind].keys() | PERSONAL
    return {
        name
        for row in rows
        if isinstance(row, dict) and not known >= row.keys()
        for name in row.keys() - known
    }


def needed(kind: Kind) -> list[str]:
    """The names of the fields that a row of this kind cannot be without."""
    return [theirs for theirs, ours in NAMES[kind].items() if ours in ("ts", "ms_played")]


def has_shape(kind: Kind, rows: Sequence[Any]) -> bool:
    """Whether any of the rows has the fields that it cannot be without."""
    fields = set(needed(kind))
    return any(isinstance(row, dict) and fields <= row.keys() for row in rows)


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


def _json(value: object) -> str:
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    except TypeError:  # half a character, or an integer of more than 64 bits
        return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _utc_text(value: object) -> str | None:
    """The end of a stream as our UTC text, or None where the value is no time since 2006."""
    if not isinstance(value, str):
        return None
    try:
        if _SECOND.fullmatch(value):
            datetime.fromisoformat(value)  # is there such a day?
            text = f"{value[:-1]}.000Z"
        elif _MINUTE.fullmatch(value):
            datetime.fromisoformat(value)
            text = f"{value[:10]}T{value[11:]}:00.000Z"
        else:  # "2016-07-01 10:00:00 UTC" in files before 2021
            text = times.to_text(times.from_text(value.replace(" UTC", "Z")))
    except ValueError:
        return None
    return text if text >= SPOTIFY_BEGAN else None
