"""What is still to do: pages that were landed and not loaded, loads that were not modelled.

Derived from what is stored, so a process that dies at any instant leaves its work visible to the
next one.
"""

import json
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Column, ColumnElement, select

from spotify_assets import times
from spotify_assets.settings import CHECKOUT
from spotify_assets.spotify import recently_played
from spotify_assets.spotify.state import LandedPage, State
from spotify_assets.warehouse.loading import payload_hash
from spotify_assets.warehouse.tables import (
    loads,
    model_watermarks,
    quarantined_rows,
    raw_recently_played,
)
from spotify_assets.warehouse.warehouse import Warehouse

RECENTLY_PLAYED = "recently_played"
VALUES_AT_ONCE = 1_000  # every database takes so many in one statement


def undrained_pages(state: State, warehouse: Warehouse) -> Iterator[LandedPage]:
    """The landed pages that no load holds, in the order of landing, read one at a time."""
    landed = state.page_ids()
    # Asked of what is kept for a few weeks: loads are for ever.
    drained = _present(warehouse, loads.c.page_id, landed)
    for page_id in landed:
        page = None if page_id in drained else state.page(page_id)
        if page is not None:
            yield page


def has_news(state: State, warehouse: Warehouse) -> bool:
    """Whether an undrained page holds an item that is neither in raw nor in quarantine.

    Asked of the items' keys, not of the newest time: Spotify lists some plays late.
    """
    return any(_holds_news(page, warehouse) for page in undrained_pages(state, warehouse))


def has_unmodelled_loads(warehouse: Warehouse, *, from_spotify: bool | None = None) -> bool:
    """Whether a model has not seen the newest load that brought rows, or was never built.

    What comes from Spotify has to be in the models of a refresh, and an import in all of them.

    Args:
        from_spotify: look at loads of recently played tracks only, or at all others only.
    """
    if from_spotify is None:
        return lacks_a_model(warehouse) or any(
            has_unmodelled_loads(warehouse, from_spotify=each) for each in (True, False)
        )
    query = (
        select(loads.c.load_id)
        .where(loads.c.rows_loaded > 0, (loads.c.source == RECENTLY_PLAYED) == from_spotify)
        .order_by(loads.c.load_id.desc())
        .limit(1)
    )
    newest = next((load_id for (load_id,) in warehouse.read(query)), None)
    if newest is None:
        # Where the last account was removed, the models show what is not in raw any more.
        return not from_spotify and lacks_a_model(warehouse) and warehouse.has_table("fct_plays")
    seen = _seen(warehouse)
    return lacks_a_model(warehouse) or any(
        seen[model] < newest for model in models(of_a_refresh_only=from_spotify)
    )


def lacks_a_model(warehouse: Warehouse) -> bool:
    """Whether a model was never built, or has to be built anew from raw."""
    return not models() <= _seen(warehouse).keys()


def is_a_day_behind(warehouse: Warehouse, due: str) -> bool:
    """Whether the marts of the day lack what was loaded when they were last due.

    Args:
        due: that time, as UTC text.
    """
    if lacks_a_model(warehouse):
        return False
    # What is dated in the future was loaded while the clock ran ahead, so nobody knows when.
    query = select(loads.c.load_id).where(
        loads.c.rows_loaded > 0,
        loads.c.load_id > _seen_by_all(warehouse),
        (loads.c.loaded_at < due) | (loads.c.loaded_at > times.now_text()),
    )
    return bool(warehouse.read(query.limit(1)))


def needs_all_models(warehouse: Warehouse) -> bool:
    """Whether the models of a refresh alone would leave others behind what they should show.

    That is where one was never built, or all before the first play, or an import came.
    """
    return (
        lacks_a_model(warehouse)
        or not _has_brought_rows_up_to(_seen_by_all(warehouse), warehouse)
        or has_unmodelled_loads(warehouse, from_spotify=False)
    )


def no_news(warehouse: Warehouse, zone: str) -> str:
    """What to say where nothing is to do: until when plays are known, on the zone's clock."""
    newest = warehouse.newest_play() or warehouse.extent().newest_play
    return f"No new plays since {times.local(newest, zone)}." if newest else "No plays yet."


@cache
def models(*, of_a_refresh_only: bool = False) -> frozenset[str]:
    """The names of all dbt models: those of their files. A folder holds those of the day.

    Not the user's own, in `custom`: one that fails would otherwise count as work to do for ever.
    """
    folder = CHECKOUT / "dbt_project" / "models"
    return frozenset(
        path.stem
        for path in folder.rglob("[!.]*.sql")
        if not path.is_relative_to(folder / "custom")
        and (path.parent.name != "daily" or not of_a_refresh_only)
    )


def _seen_by_all(warehouse: Warehouse) -> int:
    seen = _seen(warehouse)
    return min(seen[model] for model in models())


def _has_brought_rows_up_to(load_id: int, warehouse: Warehouse) -> bool:
    brought = select(loads.c.load_id).where(loads.c.rows_loaded > 0, loads.c.load_id <= load_id)
    return bool(warehouse.read(brought.limit(1)))


def _seen(warehouse: Warehouse) -> dict[str, int]:
    """The newest load that each model has seen."""
    rows = warehouse.read(select(model_watermarks.c.model, model_watermarks.c.load_id))
    return {row.model: row.load_id for row in rows}


def _holds_news(page: LandedPage, warehouse: Warehouse) -> bool:
    items = recently_played.items(json.loads(page.body))
    keys = [recently_played.row_key(page.account_id, item) for item in items]
    hashes = [payload_hash(recently_played.payload(item)) for item in items]
    kept = _present(warehouse, raw_recently_played.c.row_key, keys)
    quarantined = _present(
        warehouse,
        quarantined_rows.c.payload_hash,
        hashes,
        quarantined_rows.c.account_id == page.account_id,
        quarantined_rows.c.reasons != json.dumps([recently_played.LATER_THAN_ANSWER]),
    )
    return any(
        key not in kept and payload not in quarantined
        for key, payload in zip(keys, hashes, strict=True)
    )


def _present(
    warehouse: Warehouse, column: Column[Any], values: list[str], *where: ColumnElement[bool]
) -> set[str]:
    found: set[str] = set()
    for some in _batched(values, VALUES_AT_ONCE):
        query = select(column).where(column.in_(some), *where)
        found |= {value for (value,) in warehouse.read(query)}
    return found


def _batched(values: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """The values in parts of at most this size; `itertools` has it from Python 3.12 on."""
    return (values[start : start + size] for start in range(0, len(values), size))
