"""The span of days that a page is about, as it stands in the page's address."""

import re
from dataclasses import dataclass
from datetime import date, timedelta

from spotify_assets.outputs import figures

LAST_DAYS = (7, 28, 90, 365)
DAY = timedelta(days=1)
SPOTIFY_BEGAN = date(2006, 1, 1)


@dataclass(frozen=True)
class Period:
    """Days from `first` to `last`, both in it.

    Attributes:
        name: as in an address: 28, month, year, 2026, 2026-03, all, 2026-03-01..2026-03-15.
        before: what it is compared with; None for all time.
        title: what it is called on a page.
        title_before: what the period before is called.
    """

    name: str
    first: date
    last: date
    before: tuple[date, date] | None
    title: str
    title_before: str


def period(name: str, today: date) -> Period:
    """The period of a name.

    Raises:
        ValueError: there is none of this name, or it ends before it begins.
    """
    try:
        return _period(name, today)
    except OverflowError:
        raise ValueError(f"{name} is outside the calendar.") from None


def _period(name: str, today: date) -> Period:
    if name == "all":
        return Period(name, SPOTIFY_BEGAN, today, None, "all time", "")
    if name in map(str, LAST_DAYS):
        first = today - (int(name) - 1) * DAY
        return _beside(name, first, today, f"the last {name} days", f"the {name} days before")
    if name in ("month", "year"):
        return _up_to(name, today)
    if re.fullmatch(r"\d{4}(-\d\d)?", name):
        return _of_calendar(name)
    first_text, dots, last_text = name.partition("..")
    if not dots:
        raise ValueError(f"There is no period {name!r}.")
    first, last = date.fromisoformat(first_text), date.fromisoformat(last_text)
    if last < first:
        raise ValueError(f"{last} is before {first}.")
    title = figures.long_day(first)
    if last != first:
        title += f" to {figures.long_day(last)}"
    return _beside(name, first, last, title, "as many days before")


def _up_to(name: str, today: date) -> Period:
    """The month or the year that is not over, and as much of the one before."""
    first = today.replace(day=1) if name == "month" else today.replace(month=1, day=1)
    before = (first - DAY).replace(day=1)
    if name == "year":
        before = before.replace(month=1)
    end = min(before + (today - first), first - DAY)
    return Period(name, first, today, (before, end), f"this {name}", f"last {name} up to this day")


def _of_calendar(name: str) -> Period:
    """A whole year or month, and the one before."""
    if "-" not in name:
        first = date(int(name), 1, 1)
        before, last = first.replace(year=first.year - 1), first.replace(month=12, day=31)
        return Period(name, first, last, (before, first - DAY), name, str(before.year))
    first = date.fromisoformat(f"{name}-01")
    before, last = (first - DAY).replace(day=1), (first + 31 * DAY).replace(day=1) - DAY
    return Period(
        name, first, last, (before, first - DAY), figures.month(first), figures.month(before)
    )


def _beside(name: str, first: date, last: date, title: str, title_before: str) -> Period:
    before = (first - (last - first) - DAY, first - DAY)
    return Period(name, first, last, before, title, title_before)
