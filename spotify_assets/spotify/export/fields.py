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


def payload(kind: Kind, row: object) -> str:
    """What is kept of a row, as JSON that is the same for the same row.

    Of fields that are not known it holds the names. A list or an object is kept as an empty one:
    a text in its place would be a value when the row is put through its contract again.
    """
    if not isinstance(row, dict):
        return _json({"not_an_object": type(row).__name__})
    names = NAMES[kind]
    kept = {
        name: type(value)() if isinstance(value := row[name], list | dict) else value
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


def kind_of_row(row: object) -> Kind:
    """Which kind of history a row is of, by its fields."""
    names = row.keys() if isinstance(row, dict) else set[str]()
    likeness = {kind: len(NAMES[kind].keys() & names) for kind in Kind}
    return max(likeness, key=likeness.__getitem__)


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


def _json(value: object) -> str:
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    except TypeError:  # half a character, or an integer of more than 64 bits
        return json.dumps(value, sort_keys=True, separators=(",", ":"))
