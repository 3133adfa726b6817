"""What may be lost: gaps between pages, how many plays they can hold, and what closes them."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from spotify_assets.warehouse.tables import (
    coverage_closures,
    coverage_gaps,
    open_gaps,
)
from spotify_assets.warehouse.warehouse import Warehouse
from spotify_assets_tests.unit.warehouse.looking import at


def gaps(warehouse: Warehouse) -> list[tuple[str, str, int, int]]:
    columns = coverage_gaps.c
    return [
        tuple(row)
        for row in warehouse.read(
            select(
                columns.gap_from, columns.gap_to, columns.max_lost_plays, columns.spacing_ms
            ).order_by(columns.gap_id)
        )
    ]


def still_open(warehouse: Warehouse) -> list[tuple[str, str, int]]:
    columns = open_gaps.c
    return [
        tuple(row)
        for row in warehouse.read(
            select(columns.open_from, columns.open_to, columns.max_lost_plays).order_by(
                columns.open_from
            )
        )
    ]


@pytest.mark.parametrize(
    ("pages", "found"),
    [
        pytest.param([(0, 100, 200)], [], id="the first page is history"),
        pytest.param([(0, 100), (100, 200)], [], id="a page that reaches back loses nothing"),
        pytest.param([(0, 100), (0, 100)], [], id="the same page"),
        pytest.param([(0, 100), ()], [], id="an empty page"),
        pytest.param([(0, 100), (200,)], [(100, 200)], id="a page that begins later"),
        pytest.param([(0, 100), (101,)], [(100, 101)], id="however little later"),
        pytest.param([(500, 600), (0, 100)], [], id="an old page says nothing"),
        pytest.param(
            [(500, 600), (0, 100), (700, 800)], [(600, 700)], id="an old page is not what is known"
        ),
        pytest.param([(500, 600), (500, 700)], [], id="a play that is listed no more is no loss"),
        pytest.param(
            [(0,), (100,), (200,)], [(0, 100), (100, 200)], id="page after page that begins later"
        ),
    ],
)
def test_a_gap_is_where_a_page_does_not_reach_back_to_the_newest_known_play(
    pages: list[tuple[float, ...]],
    found: list[tuple[float, float]],
    look: Callable[..., None],
    warehouse: Warehouse,
) -> None:
    for page in pages:
        look(*page)
    assert [gap[:2] for gap in gaps(warehouse)] == [(at(a), at(b)) for a, b in found]


@pytest.mark.parametrize(
    ("seen", "to", "spacing_ms", "most"),
    [
        ((0, 300), 359, 30_000, 0),
        ((0, 300), 360, 30_000, 1),
        ((0, 300), 3_300, 30_000, 99),
        ((0, 10), 70, 10_000, 5),
        ((0, 0.5), 30.5, 3_000, 9),
        ((0, 10, 300), 359.999, 10_000, 4),
    ],
)
def test_a_gap_holds_what_fits_at_the_shortest_spacing_that_was_seen(
    seen: tuple[float, ...],
    to: float,
    spacing_ms: int,
    most: int,
    look: Callable[..., None],
    warehouse: Warehouse,
) -> None:
    look(*seen, tracks="abc"[: len(seen)])
    look(to)
    assert [gap[2:] for gap in gaps(warehouse)] == [(most, spacing_ms)]


@pytest.mark.parametrize(
    ("tracks", "spacing_ms"),
    [
        pytest.param("aab", 30_000, id="twice in a row"),
        pytest.param("aba", 5_000, id="whatever lies between"),
        pytest.param("aaa", 30_000, id="three times"),
        pytest.param("abc", 5_000, id="three tracks"),
    ],
)
def test_a_play_that_is_listed_twice_is_no_spacing(
    tracks: str, spacing_ms: int, look: Callable[..., None], warehouse: Warehouse
) -> None:
    look(0, 5, 34.999, tracks=tracks)
    look(900)
    assert [gap[3] for gap in gaps(warehouse)] == [spacing_ms]


def test_a_play_that_is_listed_twice_in_a_gap_is_found_once_so_that_it_stays_open(
    look: Callable[..., None], warehouse: Warehouse
) -> None:
    look(0)
    look(150)
    assert still_open(warehouse) == [(at(0), at(150), 4)]
    look(60, 65, 70, 75, 80, 150)
    assert still_open(warehouse) == [(at(0), at(60), 3)]


def test_a_spacing_on_the_page_behind_the_gap_counts_and_that_of_another_account_does_not(
    look: Callable[..., None], warehouse: Warehouse
) -> None:
    look(0, 5, account="jonas", tracks="ab")
    look(0, 300)
    look(600, 615, tracks="ab")
    assert gaps(warehouse) == [(at(300), at(600), 19, 15_000)]


def test_a_gap_that_can_hold_no_play_is_not_open(
    look: Callable[..., None], warehouse: Warehouse
) -> None:
    look(0, 300)
    look(359)
    assert len(gaps(warehouse)) == 1
    assert still_open(warehouse) == []


def test_accounts_know_nothing_of_each_other(
    look: Callable[..., None], warehouse: Warehouse
) -> None:
    look(0, 1_000)
    look(0, 500, account="jonas")
    look(1_000, 1_100)
    assert gaps(warehouse) == []
    look(900, account="jonas")
    assert [gap[:2] for gap in gaps(warehouse)] == [(at(500), at(900))]


def test_a_play_in_quarantine_is_known_all_the_same(
    look: Callable[..., None], warehouse: Warehouse
) -> None:
    look(0, 300)
    look(300, 600, track={"uri": "spotify:track:1"})
    look(600, 900)
    assert gaps(warehouse) == []


def test_a_play_of_the_future_is_not_believed(
    look: Callable[..., None], warehouse: Warehouse
) -> None:
    look(0, 300)
    look(300, 86_400 + 301)
    look(600, 900)
    assert [gap[:2] for gap in gaps(warehouse)] == [(at(300), at(600))]


def test_why_nobody_looked_is_kept_with_the_gap(
    look: Callable[..., None], warehouse: Warehouse
) -> None:
    look(0)
    look(100, cause="the network was down")
    assert [row.cause for row in warehouse.read(select(coverage_gaps))] == ["the network was down"]


@pytest.mark.parametrize(
    ("later", "left"),
    [
        pytest.param((300, 900, 1_500, 4_000), [], id="a page over both edges closes it"),
        pytest.param((0, 300, 4_000, 5_000), [], id="also where nothing was inside"),
        pytest.param(
            (900, 1_500, 4_000), [(300, 900, 120)], id="a page over one edge closes its part"
        ),
        pytest.param(
            (900, 1_500),
            [(300, 900, 120), (900, 1_500, 120), (1_500, 4_000, 120)],
            id="an old page within it shows its plays and not what is between them",
        ),
        pytest.param(
            (0, 300, 900), [(300, 900, 121), (900, 4_000, 121)], id="an old page over one edge"
        ),
        pytest.param((1_500,), [(300, 1_500, 121), (1_500, 4_000, 121)], id="one play within it"),
        pytest.param((4_000, 4_100), [(300, 4_000, 122)], id="a page beside it"),
        pytest.param((0, 300), [(300, 4_000, 122)], id="a page before it"),
    ],
)
def test_what_a_later_page_shows_of_a_gap_is_closed(
    later: tuple[float, ...],
    left: list[tuple[float, float, int]],
    look: Callable[..., None],
    warehouse: Warehouse,
) -> None:
    look(0, 300)
    look(4_000)
    look(*later)
    assert still_open(warehouse) == [(at(a), at(b), most) for a, b, most in left]
    look(*later)
    assert still_open(warehouse) == [(at(a), at(b), most) for a, b, most in left]
    assert len(gaps(warehouse)) == 1


def test_a_gap_is_closed_bit_by_bit(look: Callable[..., None], warehouse: Warehouse) -> None:
    look(0, 300)
    look(4_000)
    look(2_000, 3_000, 4_000)
    look(1_000, 2_000, 3_000, 4_000)
    assert still_open(warehouse) == [(at(300), at(1_000), 119)]
    look(300, 1_000, 2_000, 3_000, 4_000)
    assert still_open(warehouse) == []
    closures = warehouse.read(select(coverage_closures.c.rows_inside))
    assert sorted(row.rows_inside for row in closures) == [0, 1, 2]


@pytest.mark.parametrize(
    ("listed", "left"),
    [
        ((100, 4_100), [(300, 4_000, 122)]),
        ((900, 4_100), [(300, 900, 121), (900, 4_000, 121)]),
    ],
)
def test_a_list_that_lacks_the_newest_known_play_shows_its_plays_and_closes_nothing_between_them(
    listed: tuple[float, ...],
    left: list[tuple[float, float, int]],
    look: Callable[..., None],
    warehouse: Warehouse,
) -> None:
    look(0, 300)
    look(4_000)
    look(*listed)
    assert still_open(warehouse) == [(at(a), at(b), most) for a, b, most in left]


def test_a_play_of_before_spotify_hides_no_gap(
    look: Callable[..., None], warehouse: Warehouse, items: list[Any]
) -> None:
    look(0)
    look(-56 * 365.25 * 86_400, 7_200)
    assert [gap[:2] for gap in gaps(warehouse)] == [(at(0), at(7_200))]
