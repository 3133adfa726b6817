"""Questions that the warehouse answers, also before it exists."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import select

from spotify_assets.settings import Settings
from spotify_assets.warehouse.loading import Load, Receipt, write_load
from spotify_assets.warehouse.tables import loads, raw_recently_played
from spotify_assets.warehouse.warehouse import Warehouse

NewLoad = Callable[..., Load]


def test_a_warehouse_that_does_not_exist_is_empty_and_stays_away(
    settings: Settings, warehouse: Warehouse
) -> None:
    assert list(warehouse.read(select(loads))) == []
    assert warehouse.newest_play() is None
    assert list(warehouse.newest_plays(10)) == []
    assert warehouse.receipts("a-run") == {}
    assert not warehouse.has_table("loads")
    assert not settings.data.exists()


def test_opening_it_for_writing_makes_the_tables_once(
    settings: Settings, warehouse: Warehouse
) -> None:
    warehouse.writer()
    warehouse.writer()
    for name in ("loads", "raw_recently_played", "quarantined_rows", "model_watermarks"):
        assert warehouse.has_table(name)
    assert not warehouse.has_table("fct_plays")
    assert settings.data.stat().st_mode & 0o777 == 0o700


def test_the_newest_plays_come_first(
    warehouse: Warehouse, items: list[Any], new_load: NewLoad
) -> None:
    engine = warehouse.writer()
    write_load(engine, raw_recently_played, new_load(items[:10], "page-1", "mira"))
    write_load(engine, raw_recently_played, new_load(items[5:], "page-2", "jonas"))
    assert warehouse.newest_play() == items[0]["played_at"]
    newest = warehouse.newest_plays(8)
    times = [play.played_at for play in newest]
    assert times == sorted((item["played_at"] for item in [*items[:7], items[5]]), reverse=True)
    assert {play.account_id for play in newest} == {"mira", "jonas"}


def test_the_receipts_of_a_run_are_summed_by_account(
    warehouse: Warehouse, items: list[Any], new_load: NewLoad
) -> None:
    engine = warehouse.writer()
    for number, (account, listed, run) in enumerate(
        [
            ("mira", items[10:], "a-run"),
            ("mira", [*items[:40], None], "a-run"),
            ("jonas", items, "a-run"),
            ("jonas", items, "another"),
        ]
    ):
        write_load(engine, raw_recently_played, new_load(listed, f"page-{number}", account), run)
    assert warehouse.receipts("a-run") == {
        "mira": Receipt(81, 50, 30, 1, 0),
        "jonas": Receipt(50, 50, 0, 0, 0),
    }
