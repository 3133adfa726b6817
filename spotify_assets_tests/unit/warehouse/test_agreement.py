"""What is measured of the API and the exports, on tables as dbt leaves them."""

import pytest
from sqlalchemy import text

from spotify_assets.warehouse.agreement import Agreement, agreement
from spotify_assets.warehouse.warehouse import Warehouse

MINUTE = 60_000
TABLES = {
    "int_plays_matched": "offset_ms, matched_by",
    "stg_recently_played": "account_id, ended_at_ms",
    "fct_plays": "account_id, source, ended_at, export_ended_at, track_uri",
}


@pytest.fixture
def modelled(warehouse: Warehouse) -> Warehouse:
    with warehouse.writer().begin() as connection:
        for table, columns in TABLES.items():
            connection.execute(text(f"create table {table} ({columns})"))
    return warehouse


def insert(warehouse: Warehouse, statement: str, *rows: dict[str, object]) -> None:
    with warehouse.writer().begin() as connection:
        connection.execute(text(statement), list(rows))


def pair(warehouse: Warehouse, *offsets: int, by: str = "uri") -> None:
    rows = [{"offset": offset, "by": by} for offset in offsets]
    insert(warehouse, "insert into int_plays_matched values (:offset, :by)", *rows)


def test_before_there_is_any_pair_nothing_is_said(modelled: Warehouse) -> None:
    assert agreement(modelled) == Agreement(0, None, None, None, None, 0)
    assert agreement(modelled).can_be_told_apart


def test_the_offset_is_that_of_the_middle_and_of_nine_in_ten(modelled: Warehouse) -> None:
    pair(modelled, *range(0, 2_000, 20))
    pair(modelled, 30_000, by="names_and_minute")
    found = agreement(modelled)
    assert (found.pairs, found.offset_median) == (100, 1_000)
    assert (found.offset_p05, found.offset_p95) == (100, 1_900)


@pytest.mark.parametrize(("spread", "is_told"), [(MINUTE, True), (MINUTE + 1, False)])
def test_where_it_varies_by_more_than_half_the_time_between_plays_that_is_said(
    modelled: Warehouse, spread: int, is_told: bool
) -> None:
    pair(modelled, *[0] * 10, *[spread] * 10)
    plays: list[dict[str, object]] = [{"end": number * 2 * MINUTE} for number in range(5)]
    insert(modelled, "insert into stg_recently_played values ('me', :end)", *plays)
    assert agreement(modelled).half_spacing == MINUTE
    assert agreement(modelled).can_be_told_apart is is_told


def test_plays_of_the_api_alone_within_the_time_of_an_export_are_counted(
    modelled: Warehouse,
) -> None:
    def play(account: str, source: str, end: str, exported: str | None) -> dict[str, object]:
        return {"account": account, "source": source, "end": end, "exported": exported}

    insert(
        modelled,
        "insert into fct_plays values (:account, :source, :end, :exported, 'a track')",
        play("me", "export", "2026-01-02", "2026-01-02"),
        play("me", "both", "2026-01-04", "2026-01-04"),
        play("me", "api", "2026-01-01", None),
        play("me", "api", "2026-01-03", None),
        play("me", "api", "2026-01-05", None),
        play("you", "api", "2026-01-03", None),
    )
    assert agreement(modelled).api_plays_single == 1
