"""From a play back to where it came from."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from spotify_assets.settings import Settings
from spotify_assets.spotify import recently_played
from spotify_assets.spotify.state import Identity, State
from spotify_assets.warehouse.loading import Load, write_load
from spotify_assets.warehouse.tables import raw_recently_played
from spotify_assets.warehouse.tracing import AmbiguousId, IdTooShort, trace
from spotify_assets.warehouse.warehouse import PLAY_ID_LENGTH, Warehouse

NewLoad = Callable[..., Load]


@pytest.fixture
def keys(items: list[Any]) -> list[str]:
    return [recently_played.row_key("mira", item) for item in items]


@pytest.fixture
def page_id(state: State, warehouse: Warehouse, items: list[Any], new_load: NewLoad) -> str:
    """Everything stored of one page, with a fact table as dbt would build it."""
    state.attach(Identity("mira", None, None), None, "2026-01-15T10:00:00.000Z")
    page = state.land("mira", json.dumps({"items": items}), None)
    assert page is not None
    engine = warehouse.writer()
    write_load(engine, raw_recently_played, new_load(items, page.page_id), "a-run")
    with engine.begin() as connection:
        connection.execute(
            text(
                "create table fct_plays as select substr(row_key, 1, 20) as play_id, track_name,"
                " account_id, row_key as api_row_key, null as export_row_key,"
                " null as export_ended_at from raw_recently_played"
            )
        )
    return page.page_id


def test_a_play_is_followed_through_every_station(
    page_id: str, items: list[Any], keys: list[str], warehouse: Warehouse, state: State
) -> None:
    found = trace(keys[3][:PLAY_ID_LENGTH], warehouse, state)
    assert found is not None
    assert found.play is not None
    assert found.play["play_id"] == keys[3][:PLAY_ID_LENGTH]
    assert found.play["track_name"] == items[3]["track"]["name"]
    (raw,) = found.raw
    assert raw.row["row_key"] == keys[3]
    assert raw.row["played_at"] == items[3]["played_at"]
    assert "payload" not in raw.row
    assert raw.load["load_id"] == raw.row["load_id"]
    assert raw.load["dagster_run_id"] == "a-run"
    assert found.page == state.page(page_id)
    assert found.items_on_page() == 50
    assert found.account is not None
    assert found.account.account_id == "mira"


@pytest.mark.usefixtures("page_id")
@pytest.mark.parametrize(
    "shorten",
    [
        lambda key: key,
        lambda key: key[:PLAY_ID_LENGTH],
        lambda key: key[:19],
        lambda key: key[:8],
        lambda key: f"  {key[:20].upper()}\n",
    ],
)
def test_an_id_can_be_written_in_many_ways(
    shorten: Callable[[str], str], keys: list[str], warehouse: Warehouse, state: State
) -> None:
    for key in keys:
        found = trace(shorten(key), warehouse, state)
        assert found is not None
        assert [raw.row["row_key"] for raw in found.raw] == [key]


@pytest.mark.usefixtures("page_id")
@pytest.mark.parametrize(
    "play_id",
    ["no id at all", "gggg", "f" * 64, "0" * 20, "%%%%", "_" * 20, "üüüü", "a'or'1", "\0\0\0\0"],
)
def test_an_unknown_id_is_nothing(play_id: str, warehouse: Warehouse, state: State) -> None:
    assert trace(play_id, warehouse, state) is None


@pytest.mark.usefixtures("page_id")
@pytest.mark.parametrize("play_id", ["", "   ", "a", "abc", " abc\n"])
def test_an_id_of_a_few_characters_is_refused(
    play_id: str, warehouse: Warehouse, state: State
) -> None:
    with pytest.raises(IdTooShort, match="is too short: an id has 20 characters, and at least 4"):
        trace(play_id, warehouse, state)


@pytest.mark.usefixtures("page_id")
@pytest.mark.parametrize("is_modelled", [True, False])
def test_an_id_that_several_plays_begin_with_names_them(
    keys: list[str], warehouse: Warehouse, state: State, is_modelled: bool
) -> None:
    alike = [f"abcd{number}{key[5:]}" for number, key in enumerate(keys[:3])]
    with warehouse.writer().begin() as connection:
        for key, other in zip(keys, alike, strict=False):
            for table, column in (("raw_recently_played", "row_key"), ("fct_plays", "api_row_key")):
                query = f"update {table} set {column} = :other where {column} = :key"
                connection.execute(text(query).bindparams(key=key, other=other))
        connection.execute(text("update fct_plays set play_id = substr(api_row_key, 1, 20)"))
        if not is_modelled:
            connection.execute(text("drop table fct_plays"))
    for start in ("abcd", " ABCD\n"):
        with pytest.raises(AmbiguousId, match="Several plays have an id that begins with") as found:
            trace(start, warehouse, state)
        assert found.value.play_ids == [key[:PLAY_ID_LENGTH] for key in alike]
    for key in alike:
        one = trace(key[:5], warehouse, state)
        assert one is not None
        assert [raw.row["row_key"] for raw in one.raw] == [key]


@pytest.mark.usefixtures("page_id")
def test_an_id_longer_than_any_is_nothing(
    keys: list[str], warehouse: Warehouse, state: State
) -> None:
    assert trace(keys[0] + "0", warehouse, state) is None


def test_before_the_first_load_there_is_nothing_to_follow(
    settings: Settings, warehouse: Warehouse, state: State
) -> None:
    assert trace("0" * 20, warehouse, state) is None
    assert not settings.warehouse_path.exists()


def test_missing_stations_are_none(
    warehouse: Warehouse, state: State, items: list[Any], keys: list[str], new_load: NewLoad
) -> None:
    load = new_load(items, "a page of a lost state.db")
    write_load(warehouse.writer(), raw_recently_played, load)
    found = trace(keys[0], warehouse, state)
    assert found is not None
    assert [raw.row["row_key"] for raw in found.raw] == [keys[0]]
    assert (found.play, found.page, found.account) == (None, None, None)
    assert found.items_on_page() == 0


@pytest.mark.usefixtures("page_id")
def test_a_play_that_was_folded_into_another_has_no_fact(
    keys: list[str], warehouse: Warehouse, state: State
) -> None:
    with warehouse.writer().begin() as connection:
        connection.execute(text("delete from fct_plays"))
    found = trace(keys[0], warehouse, state)
    assert found is not None
    assert found.play is None
    assert found.page is not None
