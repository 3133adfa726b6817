"""The newest days of a raw table, counted on a clock."""

from collections.abc import Callable
from datetime import date

from spotify_assets.warehouse.newest_days import DayOfRows, newest_days
from spotify_assets.warehouse.tables import raw_recently_played, raw_streaming_history
from spotify_assets.warehouse.warehouse import Warehouse

HOUR, DAY = 3600, 24 * 3600
END = raw_recently_played.c.played_at
Look = Callable[..., None]


def test_without_rows_there_are_no_days(warehouse: Warehouse) -> None:
    assert newest_days(warehouse, END, "Europe/Berlin", 28) == []
    warehouse.writer()
    assert newest_days(warehouse, raw_streaming_history.c.ts, "Europe/Berlin", 28) == []


def test_days_are_those_of_the_clock_up_to_the_newest_row_of_any_account(
    warehouse: Warehouse, look: Look
) -> None:
    # The second play is of the next day in Berlin.
    look(-26 * HOUR, -25 * HOUR + 1, 0)
    look(5, account="jonas")
    look(-40 * DAY, account="long ago")
    found = newest_days(warehouse, END, "Europe/Berlin", 4)
    assert found == [
        DayOfRows(date(2026, 2, 26), 0, is_at_least=False),
        DayOfRows(date(2026, 2, 27), 1, is_at_least=False),
        DayOfRows(date(2026, 2, 28), 1, is_at_least=False),
        DayOfRows(date(2026, 3, 1), 2, is_at_least=False),
    ]

    def rows(zone: str) -> list[int]:
        return [day.rows for day in newest_days(warehouse, END, zone, 3)]

    assert rows("UTC") == [2, 0, 2]
    assert rows("Pacific/Kiritimati") == [0, 2, 2]
    assert rows("Etc/GMT+12") == [0, 2, 2]


def test_a_day_on_which_a_gap_is_open_is_marked(warehouse: Warehouse, look: Look) -> None:
    look(-3 * DAY)
    look(*range(50))  # a full page that does not reach back to the first play
    found = newest_days(warehouse, END, "UTC", 5)
    assert [day.is_at_least for day in found] == [False, True, True, True, True]
    assert [day.rows for day in found] == [0, 1, 0, 0, 50]
