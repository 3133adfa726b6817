"""Figures as a listener's locale writes them."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from spotify_assets.outputs import figures


@pytest.fixture(autouse=True)
def _default_again() -> Iterator[None]:
    yield
    figures.use("")


@pytest.mark.parametrize(
    ("locale", "number", "decimal", "day", "time", "hour", "week"),
    [
        ("", "1,284", "1.4", "2 Nov 2026", "19:05", "0:00", "Mon"),
        ("en-GB", "1,284", "1.4", "2 Nov 2026", "19:05", "0:00", "Mon"),
        ("en_US", "1,284", "1.4", "Nov 2, 2026", "7:05 pm", "12 am", "Sun"),
        ("de-DE", "1.284", "1,4", "2 Nov 2026", "19:05", "0:00", "Mon"),
        ("de", "1.284", "1,4", "2 Nov 2026", "19:05", "0:00", "Mon"),
        ("de_CH", "1’284", "1.4", "2 Nov 2026", "19:05", "0:00", "Mon"),
        ("fr-FR", "1\u202f284", "1,4", "2 Nov 2026", "19:05", "0:00", "Mon"),
        ("sv-SE", "1\u00a0284", "1,4", "2 Nov 2026", "19:05", "0:00", "Mon"),
        ("pt-BR", "1.284", "1,4", "2 Nov 2026", "19:05", "0:00", "Sun"),
        ("es-MX", "1,284", "1.4", "2 Nov 2026", "19:05", "0:00", "Sun"),
        ("ar-EG", "1,284", "1.4", "2 Nov 2026", "7:05 pm", "12 am", "Sat"),
        ("en-AU", "1,284", "1.4", "2 Nov 2026", "7:05 pm", "12 am", "Mon"),
        ("zh-Hant-TW", "1,284", "1.4", "2 Nov 2026", "7:05 pm", "12 am", "Sun"),
    ],
)
def test_a_locale_decides_separators_order_clock_and_week(
    locale: str, number: str, decimal: str, day: str, time: str, hour: str, week: str
) -> None:
    figures.use(locale)
    assert figures.number(1284) == number
    assert figures.duration(1284 * 3_600_000) == f"{number} h"
    assert figures.decimal(1.44) == decimal
    assert figures.day(date(2026, 11, 2)) == day
    assert figures.time("19:05") == time
    assert figures.hour(0) == hour
    assert figures.short_weekday(figures.week()[0]) == week
    assert sorted(figures.week()) == [1, 2, 3, 4, 5, 6, 7]
    begin = figures.begin_of_week(date(2026, 11, 4))
    assert begin.isoweekday() == figures.week()[0]
    assert 0 <= (date(2026, 11, 4) - begin).days < len(figures.week())
    yesterday = figures.ago(
        "2026-11-01T19:05:00.000Z", datetime(2026, 11, 2, 8, tzinfo=UTC), ZoneInfo("UTC")
    )
    assert yesterday == f"yesterday {time}"


def test_noon_and_midnight_are_told_apart() -> None:
    figures.use("en-US")
    hours = [figures.hour(hour) for hour in (0, 1, 11, 12, 13, 23)]
    assert hours == ["12 am", "1 am", "11 am", "12 pm", "1 pm", "11 pm"]


@pytest.mark.parametrize(
    ("part", "whole", "said"),
    [
        (0, 0, "0 %"),
        (0, 9, "0 %"),
        (1, 1000, "under 1 %"),
        (335, 1000, "34 %"),
        (999, 1000, "99 %"),
        (9, 9, "100 %"),
    ],
)
def test_a_share_is_rounded_and_neither_nothing_nor_all_where_it_is_not(
    part: int, whole: int, said: str
) -> None:
    assert figures.percent(part, whole) == said
