"""What is still to do, read from what is stored."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, delete, func, insert, select, update

from spotify_assets.settings import Settings
from spotify_assets.spotify.state import Identity, LandedPage, State
from spotify_assets.warehouse import pending
from spotify_assets.warehouse.loading import Load, write_load
from spotify_assets.warehouse.pending import (
    has_news,
    has_unmodelled_loads,
    is_a_day_behind,
    needs_all_models,
    undrained_pages,
)
from spotify_assets.warehouse.tables import loads, model_watermarks, raw_recently_played
from spotify_assets.warehouse.warehouse import Warehouse

NewLoad = Callable[..., Load]


@pytest.fixture
def engine(warehouse: Warehouse) -> Engine:
    return warehouse.writer()


@pytest.fixture
def land(state: State) -> Callable[..., str]:
    """Land a page of these items; its id."""
    for name in ("mira", "jonas"):
        state.attach(Identity(name, None, None), None, "2026-01-15T10:00:00.000Z")
    landed: list[LandedPage] = []

    def land(items: list[Any], account_id: str = "mira") -> str:
        number = len(landed)  # so that no two bodies are the same
        page = state.land(account_id, json.dumps({"items": items, "number": number}), None)
        assert page is not None
        landed.append(page)
        return page.page_id

    return land


@pytest.fixture
def drain(engine: Engine, state: State, new_load: NewLoad) -> Callable[[str], None]:
    """Load a landed page."""

    def drain(page_id: str) -> None:
        page = state.page(page_id)
        assert page is not None
        load = new_load(json.loads(page.body)["items"], page_id, page.account_id)
        write_load(engine, raw_recently_played, load)

    return drain


Land = Callable[..., str]
Drain = Callable[[str], None]


def undrained(state: State, warehouse: Warehouse) -> list[str]:
    return [page.page_id for page in undrained_pages(state, warehouse)]


def test_before_anything_happened_there_is_nothing_to_do(
    settings: Settings, state: State, warehouse: Warehouse
) -> None:
    assert undrained(state, warehouse) == []
    assert not has_news(state, warehouse)
    assert not has_unmodelled_loads(warehouse, from_spotify=True)
    assert not settings.warehouse_path.exists()


def test_a_landed_page_is_undrained_until_a_load_holds_it(
    state: State, warehouse: Warehouse, items: list[Any], land: Land, drain: Drain
) -> None:
    pages = [land(items[40:]), land(items[20:], "jonas"), land(items)]
    assert undrained(state, warehouse) == pages
    drain(pages[1])
    assert undrained(state, warehouse) == [pages[0], pages[2]]
    drain(pages[0])
    drain(pages[2])
    assert undrained(state, warehouse) == []


def test_undrained_pages_are_whole_pages(
    state: State, warehouse: Warehouse, items: list[Any], land: Land
) -> None:
    page_id = land(items)
    assert list(undrained_pages(state, warehouse)) == [state.page(page_id)]


def test_a_play_that_raw_does_not_know_is_news(
    state: State, warehouse: Warehouse, items: list[Any], land: Land, drain: Drain
) -> None:
    drain(land(items[1:]))
    assert not has_news(state, warehouse)
    page = land(items[:-1])
    assert has_news(state, warehouse)
    drain(page)
    assert not has_news(state, warehouse)


def test_a_play_that_spotify_lists_late_is_news(
    state: State, warehouse: Warehouse, items: list[Any], land: Land, drain: Drain
) -> None:
    # The newest time is known already; a cursor would have passed over this one.
    drain(land(items[:20] + items[21:]))
    land(items)
    assert has_news(state, warehouse)


def test_known_items_in_another_order_are_no_news(
    state: State, warehouse: Warehouse, items: list[Any], land: Land, drain: Drain
) -> None:
    drain(land(items))
    land(list(reversed(items)))
    land(items[10:])
    for item in items:
        item["context"] = None
        item["track"]["name"] += " (renamed)"
    land(items)
    assert len(undrained(state, warehouse)) == 3
    assert not has_news(state, warehouse)


def test_an_empty_page_is_no_news(state: State, warehouse: Warehouse, land: Land) -> None:
    land([])
    assert not has_news(state, warehouse)


BAD: list[Any] = [
    None,
    {},
    {"played_at": "never", "track": {"uri": 7}},
    {"played_at": "2026-11-20T10:00:00.000Z", "track": {"uri": "spotify:track:a"}},
    {"name": "\ud800 \0 größe"},
]


@pytest.mark.parametrize("bad", BAD)
def test_an_item_that_is_in_quarantine_is_no_news(
    bad: object, state: State, warehouse: Warehouse, items: list[Any], land: Land, drain: Drain
) -> None:
    # It stays on Spotify's page for fifty plays: every look would start a run for it.
    page = land([*items[1:], bad])
    assert has_news(state, warehouse)
    drain(page)
    land([bad, *items[2:]])
    assert not has_news(state, warehouse)
    land([items[0], bad])
    assert has_news(state, warehouse)


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_item_that_only_another_account_has_in_quarantine_is_news(
    bad: object, state: State, warehouse: Warehouse, land: Land, drain: Drain
) -> None:
    drain(land([bad], "jonas"))
    land([bad], "mira")
    assert has_news(state, warehouse)


def test_the_plays_of_another_account_are_news(
    state: State, warehouse: Warehouse, items: list[Any], land: Land, drain: Drain
) -> None:
    drain(land(items, "jonas"))
    land(items, "mira")
    assert has_news(state, warehouse)


def modelled(engine: Engine, load_id: int, without: str | None = None) -> None:
    rows = [{"model": name, "load_id": load_id} for name in pending.models() if name != without]
    with engine.begin() as connection:
        connection.execute(model_watermarks.delete())
        connection.execute(insert(model_watermarks), rows)


def test_the_models_are_those_of_the_dbt_project() -> None:
    assert {"stg_recently_played", "fct_plays"} <= pending.models()


def test_a_model_of_the_user_is_no_work_that_a_refresh_waits_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in ("marts/daily/mart_top_tracks.sql", "custom/mine.sql", "custom/daily/other.sql"):
        path = tmp_path / "dbt_project" / "models" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.setattr(pending, "CHECKOUT", tmp_path)
    assert pending.models.__wrapped__() == {"mart_top_tracks"}


@pytest.mark.parametrize("from_spotify", [None, True])
def test_a_load_that_a_model_has_not_seen_is_unmodelled(
    from_spotify: bool | None,
    warehouse: Warehouse,
    engine: Engine,
    items: list[Any],
    new_load: NewLoad,
) -> None:
    write_load(engine, raw_recently_played, new_load(items[1:], "page-1"))
    assert has_unmodelled_loads(warehouse, from_spotify=from_spotify)
    modelled(engine, 1)
    assert not has_unmodelled_loads(warehouse, from_spotify=from_spotify)
    write_load(engine, raw_recently_played, new_load(items, "page-2"))
    assert has_unmodelled_loads(warehouse, from_spotify=from_spotify)
    modelled(engine, 2, without="fct_plays")
    assert has_unmodelled_loads(warehouse, from_spotify=from_spotify)
    modelled(engine, 2)
    assert not has_unmodelled_loads(warehouse, from_spotify=from_spotify)


def test_a_load_that_brought_no_rows_needs_no_model(
    warehouse: Warehouse, engine: Engine, items: list[Any], new_load: NewLoad
) -> None:
    write_load(engine, raw_recently_played, new_load(items, "page-1"))
    modelled(engine, 1)
    write_load(engine, raw_recently_played, new_load([*items, None], "page-2"))
    assert not has_unmodelled_loads(warehouse)
    assert not has_unmodelled_loads(warehouse, from_spotify=True)


def test_models_that_were_never_built_are_missing_even_without_loads(
    warehouse: Warehouse, engine: Engine
) -> None:
    assert has_unmodelled_loads(warehouse)
    assert not has_unmodelled_loads(warehouse, from_spotify=True)
    modelled(engine, 0)
    assert not has_unmodelled_loads(warehouse)


def test_loads_from_spotify_and_all_others_are_told_apart(
    warehouse: Warehouse, engine: Engine, items: list[Any], new_load: NewLoad
) -> None:
    load = new_load(items, "page-1")
    load = replace(load, source="an import", page_id=None)
    write_load(engine, raw_recently_played, load)
    assert not has_unmodelled_loads(warehouse, from_spotify=True)
    assert has_unmodelled_loads(warehouse, from_spotify=False)
    assert has_unmodelled_loads(warehouse)


def test_nothing_new_names_the_newest_play_on_the_persons_clock(
    warehouse: Warehouse, engine: Engine, items: list[Any], new_load: NewLoad
) -> None:
    assert pending.no_news(warehouse, "Europe/Berlin") == "No plays yet."
    items[0]["played_at"] = "2026-11-20T20:59:59.999Z"
    write_load(engine, raw_recently_played, new_load(items))
    assert pending.no_news(warehouse, "Europe/Berlin") == (
        "No new plays since 2026-11-20 21:59 CET."
    )


@pytest.fixture
def see(engine: Engine) -> Callable[..., None]:
    """Have models seen a load."""

    def see(load_id: int, *names: str) -> None:
        with engine.begin() as connection:
            for name in names:
                connection.execute(delete(model_watermarks).where(model_watermarks.c.model == name))
                connection.execute(
                    insert(model_watermarks).values(model=name, load_id=load_id, fingerprint="")
                )

    return see


OF_A_REFRESH = pending.models(of_a_refresh_only=True)
OF_THE_DAY = pending.models() - OF_A_REFRESH


def test_the_marts_of_the_day_are_behind_when_they_are_due_and_lack_a_load_from_before(
    warehouse: Warehouse, items: list[Any], land: Land, drain: Drain, see: Callable[..., None]
) -> None:
    drain(land(items[1:]))
    see(1, "a model of an older version", *pending.models())
    drain(land(items))
    see(2, *OF_A_REFRESH)
    ((loaded_at,),) = warehouse.read(select(loads.c.loaded_at).where(loads.c.load_id == 2))
    assert not is_a_day_behind(warehouse, loaded_at)
    assert is_a_day_behind(warehouse, loaded_at + "~")
    see(2, *OF_THE_DAY)
    assert not is_a_day_behind(warehouse, loaded_at + "~")


def test_loads_of_a_clock_that_ran_ahead_do_not_hide_that_the_marts_are_behind(
    warehouse: Warehouse, items: list[Any], land: Land, drain: Drain, see: Callable[..., None]
) -> None:
    drain(land(items[2:]))
    see(1, *pending.models())
    for number, year in ((1, "2086"), (0, "2026")):  # two loads, the first of a wrong clock
        drain(land(items[number:]))
        with warehouse.writer().begin() as connection:
            newest = select(func.max(loads.c.load_id)).scalar_subquery()
            at = update(loads).where(loads.c.load_id == newest)
            connection.execute(at.values(loaded_at=f"{year}-03-01T12:00:00.000Z"))
        assert is_a_day_behind(warehouse, "2026-03-02T04:30:00.000Z")
    see(3, *pending.models())
    assert not is_a_day_behind(warehouse, "2026-03-02T04:30:00.000Z")


def test_models_that_were_built_before_the_first_play_are_all_needed(
    warehouse: Warehouse, items: list[Any], land: Land, drain: Drain, see: Callable[..., None]
) -> None:
    see(0, *pending.models())
    assert needs_all_models(warehouse)
    drain(land(items))
    see(1, *OF_A_REFRESH)
    assert needs_all_models(warehouse)
    see(1, *OF_THE_DAY)
    assert not needs_all_models(warehouse)


def test_what_was_never_built_is_not_behind_but_missing(
    warehouse: Warehouse, items: list[Any], land: Land, drain: Drain
) -> None:
    drain(land(items))
    assert not is_a_day_behind(warehouse, "~")
