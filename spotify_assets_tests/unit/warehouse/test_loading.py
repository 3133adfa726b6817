"""Writing a load: what became of every row, in one transaction or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import Engine, insert, select, text
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from spotify_assets.warehouse.loading import Batch, Load, Receipt, write_load
from spotify_assets.warehouse.tables import loads, quarantined_rows, raw_recently_played
from spotify_assets.warehouse.warehouse import Warehouse

NewLoad = Callable[..., Load]

TABLES = ("loads", "raw_recently_played", "quarantined_rows")


@pytest.fixture
def engine(warehouse: Warehouse) -> Engine:
    return warehouse.writer()


def counts(warehouse: Warehouse) -> dict[str, int]:
    return {name: warehouse.read(text(f"select count(*) from {name}"))[0][0] for name in TABLES}


def write(engine: Engine, load: Load, run_id: str | None = None) -> Receipt:
    return write_load(engine, raw_recently_played, load, run_id)


def test_a_receipt_is_a_sum_that_a_person_can_check() -> None:
    receipt = Receipt(12_431, 12_104, 311, 16, 0)
    assert str(receipt) == (
        "12,431 read = 12,104 loaded + 311 duplicate + 16 quarantined + 0 ignored"
    )
    assert receipt + Receipt(3, 1, 0, 1, 1) == Receipt(12_434, 12_105, 311, 17, 1)
    assert Receipt() + receipt == receipt


def test_all_rows_of_a_load_are_written_with_their_accounting(
    warehouse: Warehouse, engine: Engine, items: list[Any], new_load: NewLoad
) -> None:
    bad = [None, {"track": None}]
    load = replace(new_load([*items, *bad]), window_from="a", window_to="b")
    assert write(engine, load, "a-run") == Receipt(52, 50, 0, 2, 0)
    (row,) = warehouse.read(select(loads))
    assert row.source == "recently_played"
    assert (row.account_id, row.page_id, row.dagster_run_id) == ("mira", "page-1", "a-run")
    assert (row.window_from, row.window_to) == ("a", "b")
    assert (row.rows_read, row.rows_loaded, row.rows_duplicate) == (52, 50, 0)
    assert (row.rows_quarantined, row.rows_ignored) == (2, 0)
    kept = warehouse.read(select(raw_recently_played))
    assert {raw.load_id for raw in kept} == {row.load_id}
    assert sorted(raw.played_at for raw in kept) == sorted(item["played_at"] for item in items)
    stored = warehouse.read(select(quarantined_rows))
    assert [json.loads(found.payload) for found in stored] == bad
    assert all(json.loads(found.reasons) for found in stored)
    assert warehouse.receipts("a-run") == {"mira": Receipt(52, 50, 0, 2, 0)}
    assert warehouse.receipts("another") == {}


def test_the_same_items_again_are_all_duplicates(
    warehouse: Warehouse, engine: Engine, items: list[Any], new_load: NewLoad
) -> None:
    write(engine, new_load(items, "page-1"))
    before = warehouse.read(select(raw_recently_played))
    assert write(engine, new_load(items, "page-2")) == Receipt(50, 0, 50, 0, 0)
    assert warehouse.read(select(raw_recently_played)) == before
    assert counts(warehouse) == {"loads": 2, "raw_recently_played": 50, "quarantined_rows": 0}


def test_a_page_that_overlaps_brings_what_is_new(
    warehouse: Warehouse, engine: Engine, items: list[Any], new_load: NewLoad
) -> None:
    write(engine, new_load(items[10:], "page-1"))
    assert write(engine, new_load(items[:-5], "page-2")) == Receipt(45, 10, 35, 0, 0)
    assert counts(warehouse)["raw_recently_played"] == 50


def test_an_item_that_is_twice_on_a_page_is_loaded_once(
    warehouse: Warehouse, engine: Engine, items: list[Any], new_load: NewLoad
) -> None:
    assert write(engine, new_load([items[0], items[1], items[0]])) == Receipt(3, 2, 1, 0, 0)


def test_the_same_play_of_two_accounts_is_two_plays(
    engine: Engine, items: list[Any], new_load: NewLoad
) -> None:
    assert write(engine, new_load(items, "page-1", "mira")) == Receipt(50, 50, 0, 0, 0)
    assert write(engine, new_load(items, "page-2", "jonas")) == Receipt(50, 50, 0, 0, 0)


def test_a_stored_row_is_never_changed(
    warehouse: Warehouse, engine: Engine, items: list[Any], new_load: NewLoad
) -> None:
    write(engine, new_load(items[:1], "page-1"))
    renamed = json.loads(json.dumps(items[0]))
    renamed["track"]["name"] = "renamed"
    assert write(engine, new_load([renamed], "page-2")) == Receipt(1, 0, 1, 0, 0)
    (row,) = warehouse.read(select(raw_recently_played))
    assert row.track_name == items[0]["track"]["name"]


def test_a_page_is_loaded_once(
    warehouse: Warehouse, engine: Engine, items: list[Any], new_load: NewLoad
) -> None:
    write(engine, new_load(items[:1], "page-1"))
    with pytest.raises(IntegrityError, match="page_id"):
        write(engine, new_load(items, "page-1"))
    assert counts(warehouse) == {"loads": 1, "raw_recently_played": 1, "quarantined_rows": 0}


def test_loads_without_a_page_do_not_meet(
    engine: Engine, items: list[Any], new_load: NewLoad
) -> None:
    for _ in range(2):
        write(engine, replace(new_load(items), page_id=None))


@pytest.mark.parametrize(
    "broken",
    [
        pd.DataFrame({"payload": ["{}"], "no reasons": ["[]"]}),
        pd.DataFrame({"payload": ["{}"], "reasons": [None]}),
        pd.DataFrame({"payload": [None], "reasons": ["[]"]}),
        pd.DataFrame({"payload": ["{}"], "reasons": [{"not": "text"}]}, dtype=object),
    ],
)
def test_a_load_that_fails_half_way_leaves_nothing(
    broken: pd.DataFrame,
    warehouse: Warehouse,
    engine: Engine,
    items: list[Any],
    new_load: NewLoad,
) -> None:
    (batch,) = new_load(items).batches
    load = replace(new_load(items), batches=[replace(batch, rejected=broken, rows_read=51)])
    with pytest.raises((SQLAlchemyError, KeyError, AttributeError)):
        write(engine, load)
    assert counts(warehouse) == dict.fromkeys(TABLES, 0)
    assert write(engine, new_load(items)) == Receipt(50, 50, 0, 0, 0)  # under the same page


def test_a_row_that_breaks_the_table_takes_its_whole_load_back(
    warehouse: Warehouse, engine: Engine, items: list[Any], new_load: NewLoad
) -> None:
    load = new_load([*items, None])
    (batch,) = load.batches
    batch.accepted.loc[49, "track_name"] = None
    with pytest.raises(SQLAlchemyError):
        write(engine, load)
    assert counts(warehouse) == dict.fromkeys(TABLES, 0)


@pytest.mark.parametrize("difference", [-1, 1, 1000])
def test_a_load_that_does_not_add_up_is_refused(
    difference: int,
    warehouse: Warehouse,
    engine: Engine,
    items: list[Any],
    new_load: NewLoad,
) -> None:
    load = new_load([*items, None])
    (batch,) = load.batches
    wrong = replace(batch, rows_read=batch.rows_read + difference)
    with pytest.raises(ValueError, match="51|50 accepted"):
        write(engine, replace(load, batches=[wrong]))
    assert counts(warehouse) == dict.fromkeys(TABLES, 0)


def test_ignored_rows_are_part_of_the_sum(engine: Engine, new_load: NewLoad) -> None:
    load = new_load([])
    (batch,) = load.batches
    ignored = replace(batch, rows_read=3, rows_ignored=3)
    assert write(engine, replace(load, batches=[ignored])) == Receipt(3, 0, 0, 0, 3)


def test_all_batches_of_a_load_are_one_transaction_and_one_sum(
    warehouse: Warehouse, engine: Engine, items: list[Any], new_load: NewLoad
) -> None:
    parts = [new_load(items[:30]), new_load([*items[20:], None])]
    batches = [batch for part in parts for batch in part.batches]

    def broken() -> Iterator[Batch]:
        yield from batches
        raise OSError("the file ends here")

    with pytest.raises(OSError, match="ends here"):
        write(engine, replace(parts[0], batches=broken()))
    assert counts(warehouse) == dict.fromkeys(TABLES, 0)
    assert write(engine, replace(parts[0], batches=batches)) == Receipt(61, 50, 10, 1, 0)
    assert counts(warehouse) == {"loads": 1, "raw_recently_played": 50, "quarantined_rows": 1}


def test_a_load_of_nothing_is_a_load(
    warehouse: Warehouse, engine: Engine, new_load: NewLoad
) -> None:
    assert write(engine, new_load([])) == Receipt()
    assert counts(warehouse) == {"loads": 1, "raw_recently_played": 0, "quarantined_rows": 0}


@pytest.mark.parametrize(
    "column", ["rows_read", "rows_loaded", "rows_duplicate", "rows_quarantined", "rows_ignored"]
)
def test_the_table_itself_refuses_an_accounting_that_does_not_add_up(
    column: str, engine: Engine
) -> None:
    good = {"rows_read": 4, "rows_loaded": 1, "rows_duplicate": 1}
    good |= {"rows_quarantined": 1, "rows_ignored": 1}
    row = {"source": "s", "account_id": "a", "loaded_at": "t", **good}
    with engine.begin() as connection:
        connection.execute(insert(loads).values(row))
    with pytest.raises(IntegrityError, match="accounted_for"), engine.begin() as connection:
        connection.execute(insert(loads).values({**row, column: good[column] + 1}))


def test_the_same_bad_payload_is_one_row_that_was_seen_twice(
    warehouse: Warehouse, engine: Engine, items: list[Any], new_load: NewLoad
) -> None:
    bad = {"played_at": "never", "track": {"name": "größe \ud800 \0"}}
    assert write(engine, new_load([items[0], bad], "page-1")) == Receipt(2, 1, 0, 1, 0)
    assert write(engine, new_load([bad, items[1]], "page-2")) == Receipt(2, 1, 0, 1, 0)
    (row,) = warehouse.read(select(quarantined_rows))
    first, last = (load.load_id for load in warehouse.read(select(loads).order_by(loads.c.load_id)))
    assert (row.first_load_id, row.last_load_id, row.times_seen) == (first, last, 2)
    assert json.loads(row.payload) == bad
    assert "played_at: not a time" in json.loads(row.reasons)
    assert row.released_by is None


def test_a_bad_payload_twice_on_a_page_is_counted_twice(
    warehouse: Warehouse, engine: Engine, new_load: NewLoad
) -> None:
    assert write(engine, new_load([None, None])) == Receipt(2, 0, 0, 2, 0)
    (row,) = warehouse.read(select(quarantined_rows))
    assert row.times_seen == 2


def test_a_bad_payload_of_two_accounts_is_two_rows(
    warehouse: Warehouse, engine: Engine, new_load: NewLoad
) -> None:
    write(engine, new_load([None], "page-1", "mira"))
    write(engine, new_load([None], "page-2", "jonas"))
    rows = warehouse.read(select(quarantined_rows.c.account_id, quarantined_rows.c.times_seen))
    assert sorted(rows) == [("jonas", 1), ("mira", 1)]


def test_booleans_become_0_and_1_and_integers_stay_integers(
    warehouse: Warehouse, engine: Engine, items: list[Any], new_load: NewLoad
) -> None:
    items[0]["track"].update(explicit=True, is_local=False, duration_ms=2**31 - 1)
    items[1]["track"].update(explicit=None, is_local=None)
    write(engine, new_load(items[:2]))
    query = text(
        "select explicit, typeof(explicit), is_local, typeof(is_local), typeof(duration_ms),"
        " typeof(played_at), typeof(payload) from raw_recently_played order by explicit desc"
    )
    assert [tuple(row) for row in warehouse.read(query)] == [
        (1, "integer", 0, "integer", "integer", "text", "text"),
        (None, "null", None, "null", "integer", "text", "text"),
    ]


def test_load_ids_are_never_used_again(engine: Engine, new_load: NewLoad) -> None:
    # Watermarks compare them: after a restore a new load must not look like an old one.
    write(engine, new_load([], "page-1"))
    with engine.begin() as connection:
        connection.execute(text("delete from loads"))
    write(engine, new_load([], "page-2"))
    with engine.begin() as connection:
        assert connection.execute(select(loads.c.load_id)).scalars().all() == [2]
