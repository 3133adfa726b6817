"""The contract of `raw_streaming_history`, and the way of an export's rows to its columns.

Required: when the stream ended and how long it was. All else may be null or absent, since Spotify
changes what it tells. Where it is there and not of its type, its column is null, and the value is
kept in `unread`.
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
from spotify_assets.spotify.export.fields import FIELDS, kinds_of_rows, names_of, utc_text
from spotify_assets.spotify.export.names import Kind

IN_THE_FUTURE = "in the future"
# A machine's clock may be in another's time zone by mistake.
LATEST_END_AFTER_NOW = timedelta(days=1)
LONGEST_PLAY_MS = 24 * 60 * 60 * 1000
# A time of the player in ms since 1970 is below, in any year.
LARGEST_TIMESTAMP = 2**53

VARIANT_LENGTH = 16
SECONDS = len("2026-01-01T00:00:00")

BOOLEANS = ("shuffle", "skipped", "offline", "incognito_mode")

# What a row is known by: the first URI that it has, or else all of these names.
URIS = ("spotify_track_uri", "spotify_episode_uri", "audiobook_chapter_uri")
NAMING = (
    "master_metadata_track_name",
    "master_metadata_album_artist_name",
    "master_metadata_album_album_name",
    "episode_name",
    "episode_show_name",
)
# Beside these, only in rows that have any of them: older downloads do not know audiobooks.
NAMING_OF_BOOKS = ("audiobook_uri", "audiobook_title", "audiobook_chapter_title")


class StreamingHistory(pa.DataFrameModel):
    """One row per row of an export. `unread` is JSON of what could not be read, by field."""

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
    unread: object = pa.Field(nullable=True)

    @pa.check("ms_played", ignore_na=False, error="not an integer from 0 to 24 hours")
    def is_length(cls, column: "pd.Series[Any]") -> "pd.Series[bool]":
        return values.are_integers(column, largest=LONGEST_PLAY_MS)

    @pa.dataframe_check(error="ts: not a time since 2006")
    def is_time(cls, frame: pd.DataFrame) -> "pd.Series[bool]":
        return frame["ended_at"].notna() | frame["ts"].isna()

    @pa.dataframe_check(error=f"ts: {IN_THE_FUTURE}")
    def is_past(cls, frame: pd.DataFrame) -> "pd.Series[bool]":
        latest = times.to_text(times.now() + LATEST_END_AFTER_NOW)
        return (frame["ended_at"].fillna("") <= latest).astype(bool)


def flatten(rows: Sequence[Any]) -> pd.DataFrame:
    """An export's rows as a frame of objects, one row per row.

    Returns:
        The contract's columns, optional values read or null; `kind`, decided by the row's fields;
        `ended_at`, the end as our UTC text, None where `ts` is no time since 2006; and `payload`,
        the place of the row in the list.
    """
    kinds = kinds_of_rows(rows)
    columns: dict[str, Sequence[Any]] = {name: [None] * len(rows) for name in FIELDS}
    columns |= _received(kinds, rows)
    lengths, bad = values.read_integers(columns["ms_played"], largest=LONGEST_PLAY_MS)
    # A length that cannot be read stays as it is, for the contract to reject.
    columns["ms_played"] = [bad.get(n, ms) for n, ms in enumerate(lengths)] if bad else lengths
    columns["unread"] = values.unread_as_json(_read_optional(columns), len(rows))
    columns["kind"] = kinds
    columns["ended_at"] = [utc_text(value) for value in columns["ts"]]
    columns["payload"] = list(range(len(rows)))
    # dtype=object from the start: pandas would make floats of integers beside a null.
    return pd.DataFrame({name: pd.Series(column, dtype=object) for name, column in columns.items()})


def _received(kinds: Sequence[Kind], rows: Sequence[Any]) -> dict[str, Sequence[Any]]:
    """The values as received, under our names."""
    if set(kinds) == {Kind.EXTENDED}:
        names = names_of(Kind.EXTENDED)
        return dict(zip(names.values(), _columns(tuple(names), rows), strict=True))
    records: list[dict[str, Any]] = [
        {
            ours: row.get(theirs)
            for theirs, ours in names_of(kind).items()
            # An empty name of the account data is none: what one file leaves out, another leaves
            # empty.
            if kind is Kind.EXTENDED or row.get(theirs) != ""
        }
        if isinstance(row, dict)
        else {}
        for kind, row in zip(kinds, rows, strict=True)
    ]
    return {name: [record.get(name) for record in records] for name in FIELDS}


def _read_optional(columns: dict[str, Sequence[Any]]) -> dict[str, dict[int, Any]]:
    """Read the optional fields in place. Returns what could not be read, by field and place."""
    unread: dict[str, dict[int, Any]] = {}
    for name in FIELDS:
        if name in ("ts", "ms_played"):
            continue
        if name == "offline_timestamp":
            read = values.read_integers(columns[name], -LARGEST_TIMESTAMP, LARGEST_TIMESTAMP)
        else:
            read = (values.read_booleans if name in BOOLEANS else values.read_texts)(columns[name])
        columns[name], unread[name] = read
    return unread


def _columns(names: tuple[str, ...], rows: Sequence[Any]) -> list[Sequence[Any]]:
    """The values of each name in all rows, None where a row has none."""
    try:
        return list(zip(*map(itemgetter(*names), rows), strict=True)) or [()] * len(names)
    except (KeyError, TypeError):  # older exports lack some fields
        records = [row if isinstance(row, dict) else {} for row in rows]
        return [[record.get(name) for record in records] for name in names]


def keyed(account_id: str, accepted: pd.DataFrame, seen: Counter[bytes]) -> pd.DataFrame:
    """Rows that keep the contract, with what makes each the same row in every download.

    An extended row is known by when it ended, how long it was, and what was played; nothing else
    stays the same between downloads. Rows of the account data are to the minute, so that repeats
    look alike: the n-th of them in its download is a row of its own.

    Args:
        account_id: whose plays they are.
        accepted: of `flatten`.
        seen: how often each row of the account data was in its download so far.

    Returns:
        The columns of `raw_streaming_history` but `load_id`, and `payload` as it was.
    """
    columns = {name: accepted[name].tolist() for name in (*FIELDS, "unread", "kind", "ended_at")}
    columns["ts"] = columns["ended_at"]
    identities = [
        [account_id, kind, end[:SECONDS], ms_played, track or episode or chapter or naming]
        for kind, end, ms_played, track, episode, chapter, *naming in zip(
            *(columns[name] for name in ("kind", "ts", "ms_played", *URIS, *NAMING)), strict=True
        )
    ]
    if any(any(columns[name]) for name in (*NAMING_OF_BOOKS, "audiobook_author_name")) or (
        set(columns["kind"]) - {Kind.EXTENDED}
    ):
        _tell_books_and_repeats_apart(identities, columns, seen)
    row_keys = [_digest(orjson.dumps(identity)) for identity in identities]
    kept = zip(*(columns[name] for name in FIELDS), strict=True)
    variants = [_digest(orjson.dumps(fields))[:VARIANT_LENGTH] for fields in kept]
    for place, unread in enumerate(columns["unread"]):
        # A field that comes to FIELDS belongs at its end, and is left out here where it is null,
        # as this one is: what is stored must stay the same variant.
        if unread is not None:
            fields = [*(columns[name][place] for name in FIELDS), unread]
            variants[place] = _digest(orjson.dumps(fields))[:VARIANT_LENGTH]
    return accepted.assign(
        account_id=account_id,
        row_key=row_keys,
        variant=variants,
        kind=list(map(str, columns["kind"])),
        ts=columns["ts"],
    )


def _tell_books_and_repeats_apart(
    identities: list[list[Any]], columns: dict[str, list[Any]], seen: Counter[bytes]
) -> None:
    """Add to the identities what tells books apart, and which of its repeats a row is."""
    names = (*NAMING_OF_BOOKS, "audiobook_author_name")
    books = zip(*(columns[name] for name in names), strict=True)
    for identity, (uri, title, chapter, author) in zip(identities, books, strict=True):
        if identity[1] is not Kind.EXTENDED:
            identity += [title, author]
            written = orjson.dumps(identity)
            seen[written] += 1
            identity.append(seen[written])
        elif isinstance(identity[-1], list) and (uri or title or chapter):
            identity += [uri, title, chapter]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
