"""What a restore lost is known, so it is a gap at once, and later pages treat its end as known."""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import insert, select

from spotify_assets.warehouse.coverage import OpenGap
from spotify_assets.warehouse.loading import Load, write_load
from spotify_assets.warehouse.tables import coverage_gaps, open_gaps, raw_recently_played, restores
from spotify_assets.warehouse.warehouse import Warehouse
from spotify_assets_tests.unit.warehouse.looking import ANSWERED, at

MADE_AT = "2026-02-28T00:00:00.000Z"


def restore(warehouse: Warehouse, *lost: float, highest_load: int = 1) -> None:
    """What a restore writes, where plays that ended at these seconds are lost."""
    with warehouse.writer().begin() as connection:
        connection.execute(
            insert(restores).values(
                restored_at=ANSWERED,
                archive="a.tar.zst",
                made_at=MADE_AT,
                highest_load=highest_load,
            )
        )
    if lost:
        load = Load.of_restore("mira", map(at, lost))
        write_load(warehouse.writer(), raw_recently_played, load)


def gaps(warehouse: Warehouse) -> Sequence[Any]:
    columns = open_gaps.c
    query = select(columns.open_from, columns.open_to, columns.max_lost_plays)
    return [tuple(row) for row in warehouse.read(query.order_by(columns.open_from))]


def causes(warehouse: Warehouse) -> set[str | None]:
    return {row.cause for row in warehouse.read(select(coverage_gaps.c.cause))}


def test_lost_plays_after_the_newest_kept_one_are_a_gap_with_the_restore_as_its_cause(
    warehouse: Warehouse, look: Callable[..., None]
) -> None:
    look(0, 300, 600)
    restore(warehouse, 900, 1200)
    # Between the two ends 19 plays of half a minute, and the one at the end is lost, too.
    assert gaps(warehouse) == [(at(600), at(1200), 20)]
    assert causes(warehouse) == {
        f"a backup of {MADE_AT} was restored, and what came after it was not kept"
    }


def test_a_page_that_reaches_back_to_what_was_lost_closes_what_it_shows_and_opens_nothing(
    warehouse: Warehouse, look: Callable[..., None]
) -> None:
    look(0, 600)
    restore(warehouse, 900, 1200)
    look(900, 1200, 1500)
    assert gaps(warehouse) == [(at(600), at(900), 19)]


def test_a_page_that_shows_all_of_it_again_leaves_no_gap(
    warehouse: Warehouse, look: Callable[..., None]
) -> None:
    look(0, 600)
    restore(warehouse, 900, 1200)
    look(600, 900, 1200, 1500)
    assert gaps(warehouse) == []


def test_a_page_beyond_what_was_lost_opens_a_gap_from_there_and_none_twice(
    warehouse: Warehouse, look: Callable[..., None]
) -> None:
    look(0, 600)
    restore(warehouse, 900, 1200)
    look(3000, 3300)
    assert gaps(warehouse) == [(at(600), at(1200), 20), (at(1200), at(3000), 59)]


def test_lost_plays_between_kept_ones_are_gaps_between_these(
    warehouse: Warehouse, look: Callable[..., None]
) -> None:
    look(0, 600, 1200, 1800)
    restore(warehouse, 300, 900, 1000)
    assert gaps(warehouse) == [(at(0), at(600), 19), (at(600), at(1200), 19)]


def test_a_gap_never_holds_fewer_plays_than_are_known_to_be_lost(
    warehouse: Warehouse, look: Callable[..., None]
) -> None:
    look(0, 600)
    restore(warehouse, 100, 101, 102, 103, *range(105, 125))
    assert gaps(warehouse)[0][2] >= 24


def test_where_nothing_of_an_account_was_kept_its_first_and_last_lost_play_are_the_ends(
    warehouse: Warehouse,
) -> None:
    restore(warehouse, 300, 600, highest_load=0)
    assert gaps(warehouse) == [(at(300), at(600), 11)]


def test_a_gap_that_later_pages_have_shown_already_is_not_told_twice(
    warehouse: Warehouse, look: Callable[..., None]
) -> None:
    look(0, 600)
    restore(warehouse)
    look(1800, 2100)  # an answer that was kept, loaded again
    write_load(
        warehouse.writer(), raw_recently_played, Load.of_restore("mira", [at(900), at(1200)])
    )
    assert gaps(warehouse) == [(at(600), at(1800), 39)]
    assert len(warehouse.read(select(coverage_gaps))) == 1


def test_a_page_after_a_restore_blames_it_for_the_gap_and_the_page_after_that_does_not(
    warehouse: Warehouse, look: Callable[..., None]
) -> None:
    look(0, 600)
    restore(warehouse, highest_load=1)
    look(1800, cause="nobody looked")
    look(3600, cause="nobody looked")
    rows = warehouse.read(select(coverage_gaps.c.cause).order_by(coverage_gaps.c.gap_id))
    assert [row.cause for row in rows] == [
        f"a backup of {MADE_AT} was restored, and what came after it was not kept",
        "nobody looked",
    ]


def test_a_single_lost_play_is_in_a_gap_wherever_it_stood(
    warehouse: Warehouse, look: Callable[..., None]
) -> None:
    restore(warehouse, 300, highest_load=0)
    ((_, _, most),) = gaps(warehouse)
    assert most >= 1


def test_a_play_lost_beside_a_kept_one_that_ended_in_the_same_moment_is_in_a_gap(
    warehouse: Warehouse, look: Callable[..., None]
) -> None:
    look(0, 600)
    restore(warehouse, 600)
    ((gap_from, gap_to, most),) = gaps(warehouse)
    assert (gap_from <= at(600) < gap_to, most >= 1) == (True, True)


def test_a_gap_that_cannot_hold_what_is_known_to_be_lost_is_not_enough(
    warehouse: Warehouse, look: Callable[..., None]
) -> None:
    look(0, 600)
    restore(warehouse)
    look(900, 1200)  # opens a gap of nine plays
    lost = [at(600 + 5 * number) for number in range(1, 46)]
    write_load(warehouse.writer(), raw_recently_played, Load.of_restore("mira", lost))
    assert max(most for _, _, most in gaps(warehouse)) >= 45


def test_gaps_that_were_open_before_a_restore_are_open_after_it_and_none_is_told_twice(
    warehouse: Warehouse, look: Callable[..., None]
) -> None:
    look(0, 600)
    look(3000, 3300)
    restore(warehouse)
    known = OpenGap(at(600), at(3000), 79, 30_000, "nobody looked")
    forgotten = OpenGap(at(3300), at(4000), 7, 30_000, "nobody looked")
    load = Load.of_restore("mira", [], [known, forgotten])
    write_load(warehouse.writer(), raw_recently_played, load)
    assert gaps(warehouse) == [(at(600), at(3000), 79), (at(3300), at(4000), 7)]
    look(4000, 4300)
    assert len(gaps(warehouse)) == 2


def test_the_accounting_of_a_restore_is_a_load_of_no_rows(
    warehouse: Warehouse, look: Callable[..., None]
) -> None:
    look(0, 600)
    load = Load.of_restore("mira", [at(900)])
    receipt = write_load(warehouse.writer(), raw_recently_played, load)
    assert str(receipt) == "0 read = 0 loaded + 0 duplicate + 0 quarantined + 0 ignored"
