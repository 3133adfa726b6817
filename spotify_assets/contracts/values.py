"""What a value must be to be stored, whatever table it is for.

Checks are given whole columns of objects, nulls and all, and find nothing wrong with a null. A
column is looked at value by value only where it does not pass as a whole: that is many times
slower, and so is leaving the nulls to Pandera.
"""

from typing import Any

import pandas as pd

# 24 days of ms. Sums of larger numbers overflow in every database, and none has been seen.
LARGEST_INTEGER = 2**31 - 1


def is_storable(value: object) -> bool:
    """Whether it is text without a lone surrogate (no UTF-8) and NUL (not in PostgreSQL)."""
    return (
        isinstance(value, str)
        and "\0" not in value
        and value == value.encode("utf-8", "ignore").decode("utf-8")
    )


def are_texts(values: "pd.Series[Any]") -> "pd.Series[bool]":
    """Which values are texts that can be stored."""
    known = [value for value in values.tolist() if value is not None]
    if not known or (_all_are(str, known) and is_storable("".join(known))):
        return pd.Series(True, index=values.index)
    return values.map(lambda value: value is None or is_storable(value)).astype(bool)


def are_integers(
    values: "pd.Series[Any]", least: int = 0, largest: int = LARGEST_INTEGER
) -> "pd.Series[bool]":
    """Which values are integers of this range; true and false are none."""
    known = [value for value in values.tolist() if value is not None]
    if not known or (_all_are(int, known) and least <= min(known) and max(known) <= largest):
        return pd.Series(True, index=values.index)
    return values.map(
        lambda value: value is None or (type(value) is int and least <= value <= largest)
    ).astype(bool)


def are_booleans(values: "pd.Series[Any]") -> "pd.Series[bool]":
    """Which values are true or false."""
    if set(map(type, values.tolist())) <= {bool, type(None)}:
        return pd.Series(True, index=values.index)
    return values.map(lambda value: value is None or isinstance(value, bool)).astype(bool)


def _all_are(kind: type, known: list[Any]) -> bool:
    return set(map(type, known)) == {kind}
