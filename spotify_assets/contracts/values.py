"""What a value must be to be stored, whatever table it is for, and how an odd one is read.

Columns are given whole, as objects, nulls and all, and a null is never wrong. A column is looked
at value by value only where it does not pass as a whole: that is many times slower, and so is
leaving the nulls to Pandera.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from spotify_assets.spotify.export.fields import PERSONAL, canonical_json

# 24 days of ms. Sums of larger numbers overflow in every database, and none has been seen.
LARGEST_INTEGER = 2**31 - 1
DIGITS = re.compile("-?[0-9]{1,16}")

# What is kept of a value that cannot be read. Real values have fewer than 200 bytes.
LONGEST_UNREAD_BYTES = 1_000
DEEPEST_UNREAD = 5

# The values of a column as they are stored, and by place those that could not be read.
Read = tuple[Sequence[Any], dict[int, Any]]


def is_storable(value: object) -> bool:
    """Whether it is text without a lone surrogate (no UTF-8) and NUL (not in PostgreSQL)."""
    return (
        isinstance(value, str)
        and "\0" not in value
        and value == value.encode("utf-8", "ignore").decode("utf-8")
    )


def are_texts(values: "pd.Series[Any]") -> "pd.Series[bool]":
    """Which values are texts that can be stored."""
    if _all_are_texts(values.tolist()):
        return pd.Series(True, index=values.index)
    return values.map(lambda value: value is None or is_storable(value)).astype(bool)


def are_integers(
    values: "pd.Series[Any]", least: int = 0, largest: int = LARGEST_INTEGER
) -> "pd.Series[bool]":
    """Which values are integers of this range; true and false are none."""
    if _all_are_integers(values.tolist(), least, largest):
        return pd.Series(True, index=values.index)
    return values.map(
        lambda value: value is None or (type(value) is int and least <= value <= largest)
    ).astype(bool)


def read_texts(column: Sequence[Any]) -> Read:
    """Read texts that can be stored."""
    if _all_are_texts(column):
        return column, {}
    return _read(column, lambda value: value if is_storable(value) else None)


def read_integers(column: Sequence[Any], least: int = 0, largest: int = LARGEST_INTEGER) -> Read:
    """Read integers of this range, also those that come as 200000.0 or "200000"."""
    if _all_are_integers(column, least, largest):
        return column, {}

    def integer(value: Any) -> int | None:
        is_text = isinstance(value, str) and DIGITS.fullmatch(value)
        if is_text or (isinstance(value, float) and value.is_integer()):
            value = int(value)
        return value if type(value) is int and least <= value <= largest else None

    return _read(column, integer)


def read_booleans(column: Sequence[Any]) -> Read:
    """Read true and false, also those that come as 1 and 0."""
    if set(map(type, column)) <= {bool, type(None)}:
        return column, {}
    return _read(column, lambda v: bool(v) if isinstance(v, int | float) and v in (0, 1) else None)


def unread_as_json(unread: Mapping[str, Mapping[int, Any]], rows: int) -> list[str | None]:
    """What could not be read of each row, as JSON of field and value; None where all could.

    Values are as received, but bounded: fields that are personal are left out at any depth, what
    is nested deeper than five levels is left empty, and so is what is longer than 1,000 bytes.

    Args:
        unread: by field and place, values that could not be read.
        rows: how many rows there are.
    """
    found: dict[int, dict[str, Any]] = {}
    for name, values in unread.items():
        for place, value in values.items():
            found.setdefault(place, {})[name] = _bounded(value)
    texts: list[str | None] = [None] * rows
    for place, of_row in found.items():
        texts[place] = canonical_json(of_row)
    return texts


def _read(column: Sequence[Any], read: Callable[[Any], Any]) -> Read:
    values = [None if value is None else read(value) for value in column]
    pairs = zip(column, values, strict=True)
    unread = {
        place: received
        for place, (received, value) in enumerate(pairs)
        if value is None and received is not None
    }
    return values, unread


def _bounded(value: Any) -> Any:
    kept = _without_personal(value, DEEPEST_UNREAD)
    if isinstance(kept, str | list | dict) and len(canonical_json(kept)) > LONGEST_UNREAD_BYTES:
        return type(kept)()
    return kept


def _without_personal(value: Any, depth: int) -> Any:
    if isinstance(value, dict):
        items = value.items() if depth else ()
        return {
            name: _without_personal(inner, depth - 1)
            for name, inner in items
            if name.lower() not in PERSONAL
        }
    if isinstance(value, list):
        return [_without_personal(inner, depth - 1) for inner in (value if depth else ())]
    return value


def _all_are_texts(column: Sequence[Any]) -> bool:
    known = [value for value in column if value is not None]
    return not known or (_all_are(str, known) and is_storable("".join(known)))


def _all_are_integers(column: Sequence[Any], least: int, largest: int) -> bool:
    known = [value for value in column if value is not None]
    return not known or (_all_are(int, known) and least <= min(known) and max(known) <= largest)


def _all_are(kind: type, known: list[Any]) -> bool:
    return set(map(type, known)) == {kind}
