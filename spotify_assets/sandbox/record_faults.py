"""The faults of what recently-played says of a single play: its time, and its fields.

Belongs here: the table of these faults, and what they make of a play's record. Does not belong
here: which plays are listed (`world_faults`), how a record is written (`objects`).

Users report all of these of Spotify, also in 2026.
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import datetime, timedelta
from typing import Any

from spotify_assets import times
from spotify_assets.sandbox.clock import to_ms
from spotify_assets.sandbox.faults import Fault, Faults, Parameter, is_number
from spotify_assets.sandbox.listener import Listener, Play

Json = dict[str, Any]

LONGEST_PAUSE = timedelta(hours=1)
SHORTEST_PAUSE = timedelta(minutes=1)


def _share(default: float) -> Parameter:
    return Parameter(
        default, lambda value: is_number(value, 1), "the part of all plays, from 0 to 1"
    )


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and bool(re.fullmatch(r"[a-z_]+(\.[a-z_]+)*", value))


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except (UnicodeEncodeError, TypeError, ValueError):
        return False
    return True


TOLD_BY_START = Fault(
    "told_by_start", "`played_at` of some plays is their start", {"share": _share(0.05)}
)
LATE_BY_A_PAUSE = Fault(
    "late_by_a_pause",
    "`played_at` of some plays is one to some minutes after their end, and they are listed then",
    {
        "minutes": Parameter(
            10,
            lambda value: is_number(value, LONGEST_PAUSE / timedelta(minutes=1)),
            "a number of minutes up to 60, the longest",
        ),
        "share": _share(0.05),
    },
)
CHANGED_FIELD = Fault(
    "changed_field",
    "a field of some plays, named by the path to it, holds something else",
    {
        "field": Parameter(
            "track.duration_ms", _is_path, "the names on the way to a field, with dots between"
        ),
        "value": Parameter({"totalMilliseconds": 200_000}, _is_json, "any JSON"),
        "share": _share(1),
    },
)
RECORD_FAULTS = (TOLD_BY_START, LATE_BY_A_PAUSE, CHANGED_FIELD)


def played_at(listener: Listener, play: Play, faults: Faults) -> datetime:
    """When Spotify says that the play was; no play is told by its start and late as well."""
    start, late = faults.get(TOLD_BY_START.name), faults.get(LATE_BY_A_PAUSE.name)
    if not (start or late):
        return play.ended_at
    draw = _draw(listener, play, "played_at")
    if start and draw < start.values["share"]:
        return play.started_at
    if late and draw >= 1 - late.values["share"]:
        longest = timedelta(minutes=late.values["minutes"])
        shortest = min(SHORTEST_PAUSE, longest)
        pause = shortest + _draw(listener, play, "pause") * (longest - shortest)
        return play.ended_at + timedelta(milliseconds=pause // timedelta(milliseconds=1))
    return play.ended_at


def told(listener: Listener, play: Play, record: Json, faults: Faults) -> Json:
    """What Spotify makes of the record of a play."""
    record["played_at"] = times.to_text(played_at(listener, play, faults))
    changed = faults.get(CHANGED_FIELD.name)
    if changed and _draw(listener, play, "field") < changed.values["share"]:
        *way, name = changed.values["field"].split(".")
        inner: Any = record
        for step in way:
            inner = inner.get(step) if isinstance(inner, dict) else None
        if isinstance(inner, dict):
            inner[name] = changed.values["value"]
    return record


def _draw(listener: Listener, play: Play, what: str) -> float:
    """A number from 0 to 1, always the same for the same play."""
    digest = hashlib.sha256(f"{listener.id}/{to_ms(play.ended_at)}/{what}".encode()).digest()
    return int.from_bytes(digest[:6]) / 2**48
