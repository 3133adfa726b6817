"""Local times of plays, worked out by hand where clocks are hard to follow.

Spotify tells when a play ended and how long its track is; it began that long before, or with the
end of the play before it. European clocks change at 1:00 UTC on the last Sundays of March and
October, American ones at 2:00 local time on the second Sunday of March and the first of November,
those of Lord Howe at 2:00 local time on the first Sundays of April and October.
"""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from spotify_assets import times
from spotify_assets.sandbox.server import Sandbox
from spotify_assets.spotify.state import LandedPage
from spotify_assets.warehouse.dbt_command import run_models
from spotify_assets.warehouse.draining import load_of
from spotify_assets.warehouse.loading import write_load
from spotify_assets.warehouse.tables import raw_recently_played
from spotify_assets.warehouse.warehouse import Warehouse
from spotify_assets.warehouse.zones import fix_zones, set_zone
from spotify_assets_tests.support import user_of

ANSWERED = "2026-12-31T12:00:00.000Z"
MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY, SATURDAY, SUNDAY = range(1, 8)

# For each account: the end of a play, the seconds of its track, when it began by the local clock.
Listed = tuple[str, int, str, int]
PLAYS: dict[str, list[Listed]] = {
    "Europe/Berlin": [
        # 00:59:59.999 UTC, the last moment before clocks leap from 2:00 to 3:00.
        ("2025-03-30T01:02:59.999Z", 180, "2025-03-30T01:59:59.999+01:00", SUNDAY),
        # 00:59:59.999 UTC, the last moment of summer time: 2:59:59.999 for the first time.
        ("2025-10-26T01:02:59.999Z", 180, "2025-10-26T02:59:59.999+02:00", SUNDAY),
        # 23:00 UTC is midnight in winter: of a new year.
        ("2025-12-31T23:03:00.000Z", 180, "2026-01-01T00:00:00.000+01:00", THURSDAY),
        # A normal day in winter: 11:00 UTC is 12:00.
        ("2026-01-15T11:03:00.000Z", 180, "2026-01-15T12:00:00.000+01:00", THURSDAY),
        # 22:59 UTC is 23:59, and it ends at 0:02: wholly of the day on which it began.
        ("2026-03-28T23:02:00.000Z", 180, "2026-03-28T23:59:00.000+01:00", SATURDAY),
        # 00:58 UTC is 1:58; it ends as the hour from 2:00 to 3:00 is left out.
        ("2026-03-29T01:00:00.000Z", 120, "2026-03-29T01:58:00.000+01:00", SUNDAY),
        # Three minutes of a track of four: since 01:00 UTC, the first moment after, 3:00.
        ("2026-03-29T01:03:00.000Z", 240, "2026-03-29T03:00:00.000+02:00", SUNDAY),
        # 01:30 UTC would have been 2:30 and is 3:30.
        ("2026-03-29T01:33:00.000Z", 180, "2026-03-29T03:30:00.000+02:00", SUNDAY),
        # 21:59:59.999 UTC, the last millisecond of a summer's day.
        ("2026-06-28T22:02:59.999Z", 180, "2026-06-28T23:59:59.999+02:00", SUNDAY),
        # 22:00 UTC is midnight in summer: of a new month.
        ("2026-06-30T22:03:00.000Z", 180, "2026-07-01T00:00:00.000+02:00", WEDNESDAY),
        # 00:30 UTC is 2:30 the first time, in summer time.
        ("2026-10-25T00:33:00.000Z", 180, "2026-10-25T02:30:00.000+02:00", SUNDAY),
        # 00:58 UTC is 2:58 the first time; it ends as clocks go from 3:00 to 2:00.
        ("2026-10-25T01:00:00.000Z", 120, "2026-10-25T02:58:00.000+02:00", SUNDAY),
        # Since the end of that one, 01:00 UTC: 2:00 the second time, an earlier hour and later.
        ("2026-10-25T01:03:00.000Z", 240, "2026-10-25T02:00:00.000+01:00", SUNDAY),
        # 01:30 UTC is 2:30 the second time.
        ("2026-10-25T01:33:00.000Z", 180, "2026-10-25T02:30:00.000+01:00", SUNDAY),
        # This day had 25 hours: 22:59 UTC is 23:59, and the day after begins at 23:00 UTC.
        ("2026-10-25T23:00:00.000Z", 60, "2026-10-25T23:59:00.000+01:00", SUNDAY),
        ("2026-10-25T23:01:00.000Z", 60, "2026-10-26T00:00:00.000+01:00", MONDAY),
    ],
    "America/New_York": [
        # 03:30 UTC on Tuesday is 22:30 on Monday: five hours behind in winter.
        ("2026-02-03T03:33:00.000Z", 180, "2026-02-02T22:30:00.000-05:00", MONDAY),
        # 06:59:59.999 UTC, the last moment before clocks leap from 2:00 to 3:00.
        ("2026-03-08T07:00:29.999Z", 30, "2026-03-08T01:59:59.999-05:00", SUNDAY),
        # 07:30 UTC would have been 2:30 and is 3:30: four hours behind in summer.
        ("2026-03-08T07:33:00.000Z", 180, "2026-03-08T03:30:00.000-04:00", SUNDAY),
        # 03:59 UTC is 23:59, and it ends at 0:02 on Sunday.
        ("2026-07-05T04:02:00.000Z", 180, "2026-07-04T23:59:00.000-04:00", SATURDAY),
        # 04:02 UTC is 0:02.
        ("2026-07-05T04:05:00.000Z", 180, "2026-07-05T00:02:00.000-04:00", SUNDAY),
        # 05:30 UTC is 1:30 the first time, 06:30 UTC the second time.
        ("2026-11-01T05:33:00.000Z", 180, "2026-11-01T01:30:00.000-04:00", SUNDAY),
        ("2026-11-01T06:33:00.000Z", 180, "2026-11-01T01:30:00.000-05:00", SUNDAY),
        # 04:59 UTC on the day after is still Sunday there, in winter again.
        ("2026-11-02T05:02:00.000Z", 180, "2026-11-01T23:59:00.000-05:00", SUNDAY),
    ],
    # Five and a half hours ahead all year: days begin at 18:30 UTC.
    "Asia/Kolkata": [
        # 19:00 UTC on the 28th of a leap year's February is half past midnight on the 29th.
        ("2024-02-28T19:03:00.000Z", 180, "2024-02-29T00:30:00.000+05:30", THURSDAY),
        # A normal day: 06:00 UTC is 11:30.
        ("2026-01-13T06:03:00.000Z", 180, "2026-01-13T11:30:00.000+05:30", TUESDAY),
        # 18:29:59.999 UTC, the last millisecond of a day; it ends on the next.
        ("2026-08-14T18:32:59.999Z", 180, "2026-08-14T23:59:59.999+05:30", FRIDAY),
        # 18:30 UTC is midnight.
        ("2026-08-15T18:33:00.000Z", 180, "2026-08-16T00:00:00.000+05:30", SUNDAY),
    ],
    # Five hours and three quarters ahead all year: days begin at 18:15 UTC.
    "Asia/Kathmandu": [
        # 18:20 UTC on the last day of the year is five past midnight on the first.
        ("2025-12-31T18:23:00.000Z", 180, "2026-01-01T00:05:00.000+05:45", THURSDAY),
        # 18:14:59.999 UTC, the last millisecond of a day; it ends on the next.
        ("2026-04-13T18:17:59.999Z", 180, "2026-04-13T23:59:59.999+05:45", MONDAY),
        # 18:15 UTC is midnight.
        ("2026-04-14T18:18:00.000Z", 180, "2026-04-15T00:00:00.000+05:45", WEDNESDAY),
        # A normal day: 06:30 UTC is 12:15.
        ("2026-07-16T06:33:00.000Z", 180, "2026-07-16T12:15:00.000+05:45", THURSDAY),
    ],
    # Half an hour of summer time: eleven hours ahead in January, ten and a half in July.
    "Australia/Lord_Howe": [
        # 13:00 UTC is midnight in summer.
        ("2026-01-01T13:03:00.000Z", 180, "2026-01-02T00:00:00.000+11:00", FRIDAY),
        # Clocks go from 2:00 back to 1:30 at 15:00 UTC. 14:15 UTC is 1:15, once only;
        ("2026-04-04T14:18:00.000Z", 180, "2026-04-05T01:15:00.000+11:00", SUNDAY),
        # 14:45 UTC is 1:45 the first time, 15:15 UTC the second time.
        ("2026-04-04T14:48:00.000Z", 180, "2026-04-05T01:45:00.000+11:00", SUNDAY),
        ("2026-04-04T15:18:00.000Z", 180, "2026-04-05T01:45:00.000+10:30", SUNDAY),
        # 13:29:59.999 UTC, the last millisecond of a winter's day; 13:30 UTC is midnight.
        ("2026-07-01T13:32:59.999Z", 180, "2026-07-01T23:59:59.999+10:30", WEDNESDAY),
        ("2026-07-02T13:33:00.000Z", 180, "2026-07-03T00:00:00.000+10:30", FRIDAY),
        # Clocks leap from 2:00 to 2:30 at 15:30 UTC. 15:29 UTC is 1:59;
        ("2026-10-03T15:30:00.000Z", 60, "2026-10-04T01:59:00.000+10:30", SUNDAY),
        # 15:30 UTC, the end of that one, is 2:30; 15:45 UTC would have been 2:15 and is 2:45.
        ("2026-10-03T15:33:00.000Z", 240, "2026-10-04T02:30:00.000+11:00", SUNDAY),
        ("2026-10-03T15:48:00.000Z", 180, "2026-10-04T02:45:00.000+11:00", SUNDAY),
    ],
    "UTC": [
        # It ends in March.
        ("2026-02-28T23:59:59.999Z", 60, "2026-02-28T23:58:59.999+00:00", SATURDAY),
        ("2026-03-01T00:00:59.999Z", 90, "2026-02-28T23:59:59.999+00:00", SATURDAY),
        ("2026-03-02T00:01:00.000Z", 60, "2026-03-02T00:00:00.000+00:00", MONDAY),
    ],
    # In Berlin, from May 1 in New York, from August 15 in Berlin again.
    "mover": [
        # 23:30 UTC on April 30 is 1:30 on May 1 in Berlin, where the day of the move began;
        ("2026-04-30T23:33:00.000Z", 180, "2026-05-01T01:30:00.000+02:00", FRIDAY),
        # 03:57 UTC is 5:57 there; it ends at 04:00 UTC, midnight in New York.
        ("2026-05-01T04:00:00.000Z", 180, "2026-05-01T05:57:00.000+02:00", FRIDAY),
        # Since the end of that one: the first moment in New York, where May 1 begins once more.
        ("2026-05-01T04:03:00.000Z", 240, "2026-05-01T00:00:00.000-04:00", FRIDAY),
        # A normal day in New York: 02:00 UTC on Thursday is 22:00 on Wednesday.
        ("2026-07-16T02:03:00.000Z", 180, "2026-07-15T22:00:00.000-04:00", WEDNESDAY),
        # 21:59 UTC is 17:59 in New York; it ends in Berlin, at 0:02 on August 15.
        ("2026-08-14T22:02:00.000Z", 180, "2026-08-14T17:59:00.000-04:00", FRIDAY),
        # 22:02 UTC is 0:02 in Berlin.
        ("2026-08-14T22:05:00.000Z", 180, "2026-08-15T00:02:00.000+02:00", SATURDAY),
        ("2026-12-01T11:03:00.000Z", 180, "2026-12-01T12:00:00.000+01:00", TUESDAY),
    ],
}


def page(account_id: str) -> LandedPage:
    """What Spotify would list."""
    items = [
        {
            "played_at": ended_at,
            "track": {
                "uri": f"spotify:track:{number}",
                "name": f"Song {number}",
                "duration_ms": seconds * 1_000,
                "artists": [{"name": "Artist"}],
            },
        }
        for number, (ended_at, seconds, _, _) in enumerate(PLAYS[account_id])
    ]
    body = json.dumps({"items": items[::-1]})
    return LandedPage(f"page of {account_id}", account_id, ANSWERED, ANSWERED, body)


@pytest.fixture(scope="module")
def warehouse(still_spotify: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """All accounts in one database, so that one build does for all of them."""
    folder: Path = tmp_path_factory.mktemp("local_time")
    settings = user_of(still_spotify.environment(), folder / "user").settings
    warehouse = Warehouse(settings.warehouse_path)
    engine = warehouse.writer()
    for account_id in PLAYS:
        write_load(engine, raw_recently_played, load_of(page(account_id)))
        fix_zones(engine, "Europe/Berlin" if account_id == "mover" else account_id)
    set_zone(engine, "mover", "America/New_York", date(2026, 5, 1))
    set_zone(engine, "mover", "Europe/Berlin", date(2026, 8, 15))
    set_zone(engine, "mover", "Asia/Tokyo", date(2059, 12, 31))  # a plan moves no play
    fault = run_models(settings, "run", "--select", "+fct_plays")
    assert fault is None, fault
    return warehouse


@pytest.mark.parametrize("account_id", PLAYS)
def test_a_play_is_of_the_local_date_hour_and_weekday_of_its_start(
    warehouse: Warehouse, account_id: str
) -> None:
    query = text(
        "select ended_at, local_started_at, local_date, local_hour, local_weekday"
        " from fct_plays where account_id = :account_id order by ended_at"
    )
    found = [tuple(row) for row in warehouse.read(query.bindparams(account_id=account_id))]
    expected: list[tuple[Any, ...]] = [
        (ended_at, local, local[:10], int(local[11:13]), weekday)
        for ended_at, _, local, weekday in PLAYS[account_id]
    ]
    assert found == expected


@pytest.mark.parametrize("account_id", PLAYS)
def test_the_expectations_are_of_plays_that_can_be(account_id: str) -> None:
    """No slip of the pen: each began after the end of the one before, and a track ago or later."""
    ended_before = times.from_text("2000-01-01T00:00:00.000Z")
    for ended_at, seconds, local, weekday in PLAYS[account_id]:
        started, ended = times.from_text(local), times.from_text(ended_at)
        assert started == max(ended_before, ended - timedelta(seconds=seconds))
        assert date.fromisoformat(local[:10]).isoweekday() == weekday
        ended_before = ended
