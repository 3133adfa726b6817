"""From a play back to where it came from: raw row, load, landed page, account."""

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, text

from spotify_assets.spotify.state import Account, LandedPage, State
from spotify_assets.warehouse.tables import loads, raw_recently_played
from spotify_assets.warehouse.warehouse import Warehouse

# `fct_plays.play_id` is so much of the raw row's key: 80 bits, short enough to type.
PLAY_ID_LENGTH = 20


@dataclass(frozen=True)
class Trace:
    """The stations of one play; a station that is missing is None.

    Attributes:
        play: the row of `fct_plays`; None where it was folded into another play, or where the
            models have not been built since it came.
        raw: the row of `raw_recently_played` without its payload.
    """

    play: dict[str, Any] | None
    raw: dict[str, Any]
    load: dict[str, Any]
    page: LandedPage | None
    account: Account | None

    def items_on_page(self) -> int:
        """How many plays the landed page lists."""
        return len(json.loads(self.page.body)["items"]) if self.page else 0


def trace(play_id: str, warehouse: Warehouse, state: State) -> Trace | None:
    """The stations of the play, or None where no raw row has this id."""
    play_id = play_id.strip().lower()
    # From play_id up to, not including, the next id: a range, so that the index is used.
    key = raw_recently_played.c.row_key
    found = warehouse.read(
        select(raw_recently_played).where(key >= play_id, key < play_id + "g").limit(2)
    )
    if len(found) != 1 or not play_id:
        return None
    raw = dict(found[0]._mapping)
    del raw["payload"]
    (load,) = warehouse.read(select(loads).where(loads.c.load_id == raw["load_id"]))
    plays = []
    if warehouse.has_table("fct_plays"):
        query = text("select * from fct_plays where play_id = :id")
        plays = list(warehouse.read(query.bindparams(id=raw["row_key"][:PLAY_ID_LENGTH])))
    accounts = {account.account_id: account for account in state.accounts()}
    return Trace(
        play=dict(plays[0]._mapping) if plays else None,
        raw=raw,
        load=dict(load._mapping),
        page=state.page(load.page_id) if load.page_id else None,
        account=accounts.get(raw["account_id"]),
    )
