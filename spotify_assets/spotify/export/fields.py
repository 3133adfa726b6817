"""The fields of an export's rows: which are kept, and what they are called here.

Only the fields that are named here are kept. What else a row has may be about the person, as the IP
address is, so of unknown fields nothing but the names goes anywhere.
"""

import json
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson

from spotify_assets import times
from spotify_assets.spotify.export.names import Kind

SPOTIFY_BEGAN = "2006"
PERSONAL = frozenset({"ip_addr", "ip_addr_decrypted", "user_agent_decrypted", "username"})

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
# Our name of a field by the row's, in the two forms that rows have.
OF_EXTENDED = {name: name for name in FIELDS if name != "audiobook_author_name"}
OF_ACCOUNT_DATA = {
    "endTime": "ts",
    "msPlayed": "ms_played",
    "artistName": "master_metadata_album_artist_name",
    "trackName": "master_metadata_track_name",
    "podcastName": "episode_show_name",
    "episodeName": "episode_name",
    "audiobookName": "audiobook_title",
    "authorName": "audiobook_author_name",
}
# What makes a row of the account data a row of its kind; all other rows of it are music.
OF_PODCAST = frozenset({"podcastName", "episodeName"})
OF_AUDIOBOOK = frozenset({"audiobookName", "authorName"})
# The fields that a row cannot be without, in either form.
REQUIRED = (("ts", "ms_played"), ("endTime", "msPlayed"))
TITLES = (
    "master_metadata_track_name",
    "trackName",
    "episode_name",
    "episodeName",
    "audiobook_title",
    "audiobookName",
)

_SECOND = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}Z")
_MINUTE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} ([01][0-9]|2[0-3]):[0-9]{2}")


def names_of(kind: Kind) -> dict[str, str]:
    """Our name of a field by the row's, for rows of a kind."""
    return OF_EXTENDED if kind is Kind.EXTENDED else OF_ACCOUNT_DATA


def payload(row: object) -> str:
    """What is kept of a row, as JSON that is the same for the same row in whatever file.

    Of fields that are not known it holds the names. A list or an object is kept as an empty one:
    a text in its place would be a value when the row is put through its contract again.
    """
    if not isinstance(row, dict):
        return canonical_json({"not_an_object": type(row).__name__})
    names = names_of(kind_of_row(row))
    kept = {
        name: type(value)() if isinstance(value := row[name], list | dict) else value
        for name in names
        if row.get(name) is not None
    }
    strange = sorted(row.keys() - names.keys() - PERSONAL)
    return canonical_json(kept | {"unknown_fields": strange} if strange else kept)


def unknown_fields(rows: Sequence[Any]) -> set[str]:
    """The names of the rows' fields that are neither kept nor known to be personal."""
    return _distinct_names(rows) - OF_EXTENDED.keys() - OF_ACCOUNT_DATA.keys() - PERSONAL


def has_history(rows: Sequence[Any]) -> bool:
    """Whether any of the rows has the fields that a row of a history cannot be without."""
    return any(
        isinstance(row, dict) and any(row.keys() >= set(names) for names in REQUIRED)
        for row in rows
    )


def kind_of_row(row: object) -> Kind:
    """Which kind of row it is, by the fields that it fills; the name of its file does not count.

    Other programs write files in which all rows have the fields of all kinds, most of them null.
    """
    if not isinstance(row, dict):
        return Kind.EXTENDED
    filled = {name for name, value in row.items() if value is not None and value != ""}
    if len(filled & OF_ACCOUNT_DATA.keys()) <= len(filled & OF_EXTENDED.keys()):
        return Kind.EXTENDED
    if filled & OF_PODCAST:
        return Kind.PODCAST
    return Kind.AUDIOBOOK if filled & OF_AUDIOBOOK else Kind.MUSIC


def kinds_of_rows(rows: Sequence[Any]) -> list[Kind]:
    """The kind of each row."""
    # Nearly all files have extended rows only, and the names of their fields tell that quickly.
    if set(map(type, rows)) == {dict}:
        names = _distinct_names(rows)
        if not names & OF_ACCOUNT_DATA.keys():
            return [Kind.EXTENDED] * len(rows)
    return list(map(kind_of_row, rows))


def names_in(rows: Sequence[Any]) -> list[str]:
    """The names of the rows' fields, in a fixed order."""
    return sorted(_distinct_names(rows))


def _distinct_names(rows: Sequence[Any]) -> set[str]:
    # The names of a row as a tuple: most rows of a file have the same, and it is quick to see.
    return set().union(*{tuple(row) for row in rows if isinstance(row, dict)})


def ended_at(row: object) -> str | None:
    """When the stream of a row ended as UTC text, where the row tells it."""
    if not isinstance(row, dict):
        return None
    return utc_text(row.get("ts") or row.get("endTime"))


def title(row: object) -> str | None:
    """What was played, where the row tells it."""
    if not isinstance(row, dict):
        return None
    known = (row.get(name) for name in TITLES)
    return next((name for name in known if isinstance(name, str)), None)


def utc_text(value: object) -> str | None:
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


def canonical_json(value: object) -> str:
    """The value as JSON that can be stored and is the same for the same value.

    A number that is too large to be one is written as its digits, as a text.
    """
    try:
        return orjson.dumps(value, str, orjson.OPT_SORT_KEYS).decode()
    except TypeError:  # half a character, or an integer of more than 64 bits
        return json.dumps(
            value, sort_keys=True, separators=(",", ":"), allow_nan=False, default=str
        )
