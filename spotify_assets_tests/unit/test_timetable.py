"""On the nights on which clocks are moved: what a daemon does each day comes once each day."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise, takewhile
from zoneinfo import ZoneInfo

import pytest

# What the daemon itself asks; nothing public tells.
from dagster._utils.schedules import cron_string_iterator

from spotify_assets import times, timetable
from spotify_assets.settings import Settings

EACH_DAY = {
    "daily refresh": timetable.DAILY_REFRESH,
    "backup": timetable.DAILY_BACKUP,
    "housekeeping": timetable.HOUSEKEEPING,
}
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def moves_of_the_clock(zone: ZoneInfo) -> Iterator[datetime]:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    while moment.year == 2026:
        if moment.astimezone(zone).utcoffset() != (moment + HOUR).astimezone(zone).utcoffset():
            yield moment
        moment += HOUR


def ticks(cron: str, zone: str, begin: datetime, end: datetime) -> list[datetime]:
    """In UTC: times of one zone are compared by what their clock shows."""
    each = (tick.astimezone(UTC) for tick in cron_string_iterator(begin.timestamp(), cron, zone))
    return list(takewhile(lambda tick: tick < end, each))


@pytest.mark.parametrize(
    "name",
    [
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "Africa/Casablanca",
        "Asia/Beirut",
    ],
)
def test_where_clocks_are_moved_each_day_has_one_tick_and_status_names_it(
    name: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone, there = ZoneInfo(name), replace(settings, timezone=name)
    moves = list(moves_of_the_clock(zone))
    assert len(moves) >= 2
    for moved in moves:
        first = (moved - 2 * DAY).astimezone(zone).date()
        dates = [first + number * DAY for number in range(4)]
        begin, end = (
            datetime.combine(date, datetime.min.time(), zone).astimezone(UTC)
            for date in (first, dates[-1] + DAY)
        )
        for which, cron in EACH_DAY.items():
            found = ticks(cron, name, begin, end)
            assert [tick.astimezone(zone).date() for tick in found] == dates
            for hours in range((found[-1] - begin) // HOUR):
                now = begin + hours * HOUR
                monkeypatch.setattr(times, "now", lambda now=now: now)
                following = next(tick for tick in found if tick > now)
                assert timetable.next_ticks(there, None)[which] == times.to_text(following)
        # The hourly one comes each hour, whatever the clock shows.
        hourly = ticks(timetable.MODELS, name, begin, end)
        assert {after - before for before, after in pairwise(hourly)} == {HOUR}
