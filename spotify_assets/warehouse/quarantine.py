"""What waits in quarantine, and putting it through today's contract again.

Reading needs no pandas. What a row must be is the contract's to say, and how a load is written
`loading`'s.
"""

import json
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from spotify_assets.settings import Settings
from spotify_assets.spotify import recently_played
from spotify_assets.spotify.state import LandedPage, State
from spotify_assets.warehouse.backups.migrating import bring_up_to_date
from spotify_assets.warehouse.loading import Batch, Load, Receipt, write_load
from spotify_assets.warehouse.lock import writing
from spotify_assets.warehouse.pending import RECENTLY_PLAYED
from spotify_assets.warehouse.tables import loads, quarantined_rows, raw_recently_played
from spotify_assets.warehouse.warehouse import Warehouse

if TYPE_CHECKING:  # which only a retry needs
    import pandas as pd
    import pandera.pandas as pa


@dataclass(frozen=True)
class QuarantinedRow:
    """A row that waits. Times are UTC text, those of the loads that saw it first and last.

    `payload` is JSON, as received; `last_page_id` the landed page that listed it last.
    """

    quarantine_id: int
    account_id: str
    source: str
    reasons: tuple[str, ...]
    payload: str
    first_load_id: int
    last_load_id: int
    first_seen_at: str
    last_seen_at: str
    times_seen: int
    last_page_id: str | None

    @property
    def item(self) -> Any:
        """The payload as a JSON value; NaN and infinities, which JSON lacks, as their names."""
        return json.loads(self.payload, parse_constant=str)

    @property
    def played_at(self) -> str | None:
        """The end of the play as UTC text, where the payload tells it."""
        return recently_played.played_at(self.item)

    @property
    def track_name(self) -> str | None:
        """The track's name, where the payload tells it."""
        return recently_played.track_name(self.item)


def waiting_rows(warehouse: Warehouse) -> list[QuarantinedRow]:
    """The rows that wait in quarantine, those that were seen last first."""
    rows, first, last = quarantined_rows.c, loads.alias("first"), loads.alias("last")
    query = (
        select(
            *(rows[name] for name in QuarantinedRow.__dataclass_fields__ if name in rows),
            first.c.loaded_at.label("first_seen_at"),
            last.c.loaded_at.label("last_seen_at"),
            last.c.page_id.label("last_page_id"),
        )
        .join(first, first.c.load_id == rows.first_load_id)
        .join(last, last.c.load_id == rows.last_load_id)
        .where(rows.released_by.is_(None))
        .order_by(rows.last_load_id.desc(), rows.quarantine_id.desc())
    )
    found = warehouse.read(query)
    return [
        QuarantinedRow(**{**row._mapping, "reasons": tuple(json.loads(row.reasons))})
        for row in found
    ]


def retry(
    settings: Settings, contract: "type[pa.DataFrameModel] | None" = None
) -> dict[str, Receipt]:
    """Put all waiting plays of Spotify's page through a contract again, as the one writer.

    What it accepts enters raw and is released, what it rejects stays with the contract's reasons:
    one load per account, and none where nothing would change.

    Args:
        settings: where the databases and the locks are.
        contract: by default that of `raw_recently_played`.

    Returns:
        What became of the waiting rows, by account.
    """
    warehouse, state = Warehouse(settings.warehouse_path), State(settings.state_path)
    with writing(settings.locks, "a retry of the quarantine"):
        bring_up_to_date(settings)
        waiting = [row for row in waiting_rows(warehouse) if row.source == RECENTLY_PLAYED]
        by_account = groupby(
            sorted(waiting, key=lambda row: (row.account_id, row.last_load_id)),
            lambda row: row.account_id,
        )
        return {
            account_id: _retry_account(list(rows), warehouse, state, contract)
            for account_id, rows in by_account
        }


def _retry_account(
    rows: list[QuarantinedRow],
    warehouse: Warehouse,
    state: State,
    contract: "type[pa.DataFrameModel] | None",
) -> Receipt:
    from spotify_assets.contracts.recently_played import RecentlyPlayed
    from spotify_assets.contracts.split import split

    accepted, rejected = split(_frame(rows, state), contract or RecentlyPlayed)
    known = {row.payload: list(row.reasons) for row in rows}
    reasons = dict(zip(rejected["payload"], map(json.loads, rejected["reasons"]), strict=True))
    if known == reasons:
        return Receipt(rows_read=len(rows), rows_quarantined=len(rows))
    load = Load(
        source=RECENTLY_PLAYED,
        account_id=rows[0].account_id,
        page_id=None,
        batches=(Batch(len(rows), accepted, rejected),),
        window_from=min(accepted["played_at"], default=None),
        window_to=max(accepted["played_at"], default=None),
        is_retry=True,
    )
    return write_load(warehouse.writer(), raw_recently_played, load)


def _frame(rows: list[QuarantinedRow], state: State) -> "pd.DataFrame":
    """Rows in the order of their last loads, flattened as by the page that listed them last.

    Where that is no longer kept, its load tells the time of the answer well enough.
    """
    import pandas as pd

    from spotify_assets.contracts.recently_played import flatten

    frames = []
    for _, group in groupby(rows, lambda row: row.last_load_id):
        of_page = list(group)
        last = of_page[0]
        page = (state.page(last.last_page_id) if last.last_page_id else None) or LandedPage(
            "", last.account_id, last.last_seen_at, last.last_seen_at, ""
        )
        frames.append(flatten(page, [json.loads(row.payload) for row in of_page]))
    # The stored text is the row's identity in quarantine, so it is what has to be released.
    payloads = pd.Series([row.payload for row in rows], dtype=object)
    return pd.concat(frames, ignore_index=True).assign(payload=payloads)
