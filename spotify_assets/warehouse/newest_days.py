"""How many rows a raw table has of each of its newest days, and on which ones plays may be missing.

Days are those of one clock, the settings': local days are the models' part.
"""

from collections import Counter
from datetime import date, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Column, func, select

from spotify_assets import times
from spotify_assets.warehouse.tables import open_gaps
from spotify_assets.warehouse.warehouse import Warehouse

DAY = timedelta(days=1)


class DayOfRows(NamedTuple):
    """Rows that ended on a day; `is_at_least` where a gap is open on it."""

    date: date
    rows: int
    is_at_least: bool


def newest_days(warehouse: Warehouse, end: Column[str], zone: str, days: int) -> list[DayOfRows]:
    """The days up to that of the newest row, ascending, all accounts together; none without rows.

    Reads the rows of these days by an index, however many there are before them.

    Args:
        end: the column of a raw table that says when a play ended.
        zone: an IANA name.
        days: how many.
    """
    of_account: Any = end.table.c.account_id
    clock, accounts = ZoneInfo(zone), sorted(warehouse.accounts_with_plays())
    newest = [
        found
        for account in accounts
        for (found,) in warehouse.read(select(func.max(end)).where(of_account == account))
        if found is not None
    ]
    if not newest:
        return []
    last = times.from_text(max(newest)).astimezone(clock).date()
    # Two days more: no clock is further than that from UTC.
    since = f"{last - (days + 2) * DAY}"
    ends = (
        found
        for account in accounts
        for (found,) in warehouse.read(select(end).where(of_account == account, end >= since))
    )
    counts = Counter(times.from_text(found).astimezone(clock).date() for found in ends)
    gaps = [
        tuple(times.from_text(edge).astimezone(clock).date() for edge in gap)
        for gap in warehouse.read(
            select(open_gaps.c.open_from, open_gaps.c.open_to).where(open_gaps.c.open_to >= since)
        )
    ]
    shown = [last - ago * DAY for ago in reversed(range(days))]
    return [
        DayOfRows(day, counts[day], any(begin <= day <= until for begin, until in gaps))
        for day in shown
    ]
