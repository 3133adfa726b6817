"""Periods by their names: which days they are of, and what they are compared with."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotify_assets.outputs.periods import LAST_DAYS, period

TODAY = date(2026, 3, 31)
DAY = timedelta(days=1)
DATES = st.dates(date(2006, 1, 1), date(2100, 12, 31))


@pytest.mark.parametrize(
    ("name", "first", "last", "before"),
    [
        ("7", "2026-03-25", "2026-03-31", ("2026-03-18", "2026-03-24")),
        ("month", "2026-03-01", "2026-03-31", ("2026-02-01", "2026-02-28")),
        ("year", "2026-01-01", "2026-03-31", ("2025-01-01", "2025-03-31")),
        ("2024", "2024-01-01", "2024-12-31", ("2023-01-01", "2023-12-31")),
        ("2024-02", "2024-02-01", "2024-02-29", ("2024-01-01", "2024-01-31")),
        ("2026-01", "2026-01-01", "2026-01-31", ("2025-12-01", "2025-12-31")),
        ("2026-03-10..2026-03-10", "2026-03-10", "2026-03-10", ("2026-03-09", "2026-03-09")),
        ("all", "2006-01-01", "2026-03-31", None),
    ],
)
def test_a_name_is_of_these_days(
    name: str, first: str, last: str, before: tuple[str, str] | None
) -> None:
    found = period(name, TODAY)
    assert (found.first.isoformat(), found.last.isoformat()) == (first, last)
    assert (found.before and tuple(map(date.isoformat, found.before))) == before


@pytest.mark.parametrize(
    "name",
    [
        "",
        "x",
        "8",
        "2026-13",
        "2026-3",
        "20260301..20260302x",
        "..",
        "2026-03-02..2026-03-01",
        "9999-12",
        "0001",
        "0001-01-01..9999-12-31",
    ],
)
def test_another_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError):
        period(name, TODAY)


@given(DATES, st.sampled_from([*map(str, LAST_DAYS), "month", "year"]))
def test_what_comes_before_ends_before_and_is_no_longer(today: date, name: str) -> None:
    found = period(name, today)
    assert found.last == today
    assert found.before is not None
    first, last = found.before
    assert first <= last < found.first
    assert (last - first) <= (found.last - found.first)
    if name.isdecimal():
        assert last == found.first - DAY
        assert last - first == found.last - found.first


@given(DATES)
def test_a_month_and_a_year_of_the_calendar_are_whole(day: date) -> None:
    for name in (f"{day:%Y-%m}", f"{day:%Y}"):
        found = period(name, day)
        assert found.first <= day <= found.last
        assert (found.last + DAY).day == found.first.day == 1
        assert found.before is not None
        assert found.before[1] == found.first - DAY
