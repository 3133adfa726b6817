"""From a play back to where it came from: raw rows, loads, landed page or file, account."""

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table, select, text

from spotify_assets.spotify.state import Account, LandedPage, State
from spotify_assets.warehouse.tables import (
    export_files,
    loads,
    raw_recently_played,
    raw_streaming_history,
)
from spotify_assets.warehouse.warehouse import PLAY_ID_LENGTH, Warehouse


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
    """The stations of the play, or None where no raw row has this id."""
    play_id = play_id.strip().lower()
    if not play_id:
        return None
    play = _play(play_id, warehouse)
    keys = [play.get("api_row_key"), play.get("export_row_key")] if play else []
    starts = [key for key in keys if key] or [play_id]
    raw = [
        found
        for table in (raw_recently_played, raw_streaming_history)
        for start in starts
        for found in _rows(table, start, warehouse, play and play.get("account_id"))
    ]
    if len({(found.table, found.row["row_key"]) for found in raw}) not in (1, len(starts)):
        return None  # an id that was cut short is that of several
    play = play or _play(raw[0].row["row_key"][:PLAY_ID_LENGTH], warehouse)
    accounts = {account.account_id: account for account in state.accounts()}
    page_ids = [found.load["page_id"] for found in raw if found.load["page_id"]]
    return Trace(
        play=play,
        raw=raw,
        page=state.page(page_ids[0]) if page_ids else None,
        account=accounts.get(raw[0].row["account_id"]),
    )


def _play(play_id: str, warehouse: Warehouse) -> dict[str, Any] | None:
    if not warehouse.has_table("fct_plays"):
        return None
    query = text("select * from fct_plays where play_id = :id")
    found = warehouse.read(query.bindparams(id=play_id))
    return dict(found[0]._mapping) if found else None


def _rows(table: Table, start: str, warehouse: Warehouse, account_id: object) -> list[RawRow]:
    """The rows whose keys begin so; all variants of one."""
    if not warehouse.has_table(table.name):  # a warehouse of before, which the next run brings up
        return []
    # Up to, not including, the next one: a range, so that an index is used.
    query = select(table).where(table.c.row_key >= start, table.c.row_key < f"{start}g").limit(9)
    if account_id is not None:
        query = query.where(table.c.account_id == account_id)
    found = []
    for row in warehouse.read(query):
        values = {name: value for name, value in row._mapping.items() if name != "payload"}
        (load,) = warehouse.read(select(loads).where(loads.c.load_id == row.load_id))
        files = (
            warehouse.read(select(export_files.c.file).where(export_files.c.load_id == row.load_id))
            if table is raw_streaming_history
            else []
        )
        found.append(
            RawRow(table.name, values, dict(load._mapping), files[0].file if files else None)
        )
    return found
