"""From a play back to where it came from: raw rows, loads, landed page or file, account."""

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table, literal, select, text

from spotify_assets.spotify.state import Account, LandedPage, State
from spotify_assets.warehouse.tables import (
    export_files,
    loads,
    raw_recently_played,
    raw_streaming_history,
)
from spotify_assets.warehouse.warehouse import PLAY_ID_LENGTH, Warehouse

SHORTEST_ID = 4
MOST_CANDIDATES = 50


class IdTooShort(ValueError):
    """An id of so few characters that many plays begin with it."""


class AmbiguousId(ValueError):
    """An id that was cut so short that several plays begin with it.

    Attributes:
        play_ids: the first of them, sorted.
    """

    def __init__(self, start: str, play_ids: list[str]) -> None:
        super().__init__(f"Several plays have an id that begins with {start}.")
        self.play_ids = play_ids


@dataclass(frozen=True)
class RawRow:
    """A row of a raw table, and what brought it.

    Attributes:
        table: its name.
        row: without its payload.
        file: of an export, the file that brought it first.
    """

    table: str
    row: dict[str, Any]
    load: dict[str, Any]
    file: str | None


@dataclass(frozen=True)
class Trace:
    """The stations of one play; a station that is missing is None.

    Attributes:
        play: the row of `fct_plays`; None where it was folded into another play, or where the
            models have not been built since it came.
        raw: the rows that are this play, Spotify's list first; at least one.
    """

    play: dict[str, Any] | None
    raw: list[RawRow]
    page: LandedPage | None
    account: Account | None

    def items_on_page(self) -> int:
        """How many plays the landed page lists."""
        return len(json.loads(self.page.body)["items"]) if self.page else 0


def trace(play_id: str, warehouse: Warehouse, state: State) -> Trace | None:
    """The stations of the play with this id, or None where no play and no raw row has it.

    Args:
        play_id: that of `fct_plays`, the key of a raw row, or the beginning of either.

    Raises:
        IdTooShort: it has fewer than 4 characters.
        AmbiguousId: several plays begin with it.
    """
    start = play_id.strip().lower()
    if len(start) < SHORTEST_ID:
        raise IdTooShort(
            f"{play_id!r} is too short: an id has {PLAY_ID_LENGTH} characters, and at least "
            f"{SHORTEST_ID} are needed."
        )
    plays = _plays(start, warehouse)
    keys = {key for play in plays for key in _keys_of(play)}
    # Rows that no play of the fact is made of: folded into another, or newer than the models.
    others = [
        row
        for table in (raw_recently_played, raw_streaming_history)
        for row in _rows(table, warehouse, start=start)
        if row["row_key"] not in keys
    ]
    # All variants of a row are one play.
    ids = {play["play_id"] for play in plays} | {row["row_key"][:PLAY_ID_LENGTH] for row in others}
    if len(ids) > 1:
        raise AmbiguousId(start, sorted(ids))
    if not ids:
        return None
    return _follow(plays[0] if plays else None, others, warehouse, state)


def _follow(
    play: dict[str, Any] | None, rows: list[dict[str, Any]], warehouse: Warehouse, state: State
) -> Trace:
    """Follow a play, or else the raw rows of one that is not in the fact."""
    raw = [
        _with_its_load(row, warehouse)
        for row in (rows if play is None else _raw_of(play, warehouse))
    ]
    accounts = {account.account_id: account for account in state.accounts()}
    page_ids = [found.load["page_id"] for found in raw if found.load["page_id"]]
    return Trace(
        play=play,
        raw=raw,
        page=state.page(page_ids[0]) if page_ids else None,
        account=accounts.get(raw[0].row["account_id"]),
    )


def _plays(start: str, warehouse: Warehouse) -> list[dict[str, Any]]:
    """The plays of which a key begins so; a play's id is the beginning of one of its keys."""
    if not warehouse.has_table("fct_plays"):
        return []
    query = text(
        "select * from fct_plays where (api_row_key >= :start and api_row_key < :end)"
        " or (export_row_key >= :start and export_row_key < :end) order by play_id limit :most"
    )
    found = warehouse.read(query.bindparams(start=start, end=f"{start}g", most=MOST_CANDIDATES))
    return [dict(row._mapping) for row in found]


def _keys_of(play: dict[str, Any]) -> list[str]:
    return [key for key in (play["api_row_key"], play["export_row_key"]) if key]


def _raw_of(play: dict[str, Any], warehouse: Warehouse) -> list[dict[str, Any]]:
    """The raw rows that a play of the fact is made of; an export's with all its variants."""
    rows = []
    if play["api_row_key"]:
        rows += _rows(raw_recently_played, warehouse, key=play["api_row_key"])
    if play["export_row_key"]:
        # With account and time, so that an index finds the row among millions.
        of_play = {"account_id": play["account_id"], "ts": play["export_ended_at"]}
        rows += _rows(raw_streaming_history, warehouse, key=play["export_row_key"], **of_play)
    return rows


def _rows(
    table: Table, warehouse: Warehouse, *, start: str = "", key: str = "", **values: str
) -> list[dict[str, Any]]:
    """The rows of a key, or those whose keys begin so, without their payload."""
    if not warehouse.has_table(table.name):  # a warehouse of before, which the next run brings up
        return []
    columns = [column for column in table.c if column.name != "payload"]
    query = select(literal(table.name).label("table"), *columns).order_by(table.c.row_key)
    if key:
        query = query.where(table.c.row_key == key)
    else:
        # Up to, not including, the next one: a range, so that an index is used.
        query = query.where(table.c.row_key >= start, table.c.row_key < f"{start}g")
        query = query.limit(MOST_CANDIDATES)
    for name, value in values.items():
        query = query.where(table.c[name] == value)
    return [dict(row._mapping) for row in warehouse.read(query)]


def _with_its_load(row: dict[str, Any], warehouse: Warehouse) -> RawRow:
    row = dict(row)
    table, load_id = row.pop("table"), row["load_id"]
    (load,) = warehouse.read(select(loads).where(loads.c.load_id == load_id))
    files = (
        warehouse.read(select(export_files.c.file).where(export_files.c.load_id == load_id))
        if table == raw_streaming_history.name
        else []
    )
    return RawRow(table, row, dict(load._mapping), files[0].file if files else None)
