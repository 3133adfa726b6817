"""What waits in quarantine: put it through today's contract again, or dismiss it.

Reading needs no pandas. What a row must be is the contract's to say, and how a load is written
`loading`'s.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from sqlalchemy import Table, select, update

from spotify_assets import times
from spotify_assets.settings import Settings
from spotify_assets.spotify import recently_played
from spotify_assets.spotify.export import fields
from spotify_assets.spotify.state import LandedPage, State
from spotify_assets.warehouse.backups.migrating import bring_up_to_date
from spotify_assets.warehouse.exported import STREAMING_HISTORY
from spotify_assets.warehouse.loading import Batch, Load, Receipt, write_load
from spotify_assets.warehouse.lock import writing
from spotify_assets.warehouse.tables import (
    loads,
    quarantined_rows,
    raw_recently_played,
    raw_streaming_history,
)
from spotify_assets.warehouse.warehouse import Warehouse

if TYPE_CHECKING:  # which only a retry needs
    import pandas as pd
    import pandera.pandas as pa


LONGEST_WHY = 500


@dataclass(frozen=True)
class QuarantinedRow:
    """A row that waits. Times are UTC text, those of the loads that saw it first and last.

    `payload` is JSON, as received; `last_page_id` the landed page that listed it last.
    `dismissed_at`, `dismissed_why`: when and why its owner dismissed it; None where nobody did.
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
    dismissed_at: str | None = None
    dismissed_why: str | None = None

    @property
    def item(self) -> Any:
        """The payload as a JSON value; NaN and infinities, which JSON lacks, as their names."""
        return json.loads(self.payload, parse_constant=str)

    @property
    def played_at(self) -> str | None:
        """The end of the play as UTC text, where the payload tells it."""
        if self.source == STREAMING_HISTORY:
            return fields.ended_at(self.item)
        return recently_played.played_at(self.item)

    @property
    def track_name(self) -> str | None:
        """The track's name, where the payload tells it."""
        if self.source == STREAMING_HISTORY:
            return fields.title(self.item)
        return recently_played.track_name(self.item)


def waiting_rows(warehouse: Warehouse) -> list[QuarantinedRow]:
    """The rows that wait in quarantine, those that were seen last first."""
    rows, first, last = quarantined_rows.c, loads.alias("first"), loads.alias("last")
    names = [name for name in QuarantinedRow.__dataclass_fields__ if name in rows]
    if not can_dismiss(warehouse):
        names = [name for name in names if not name.startswith("dismissed_")]
    query = (
        select(
            *(rows[name] for name in names),
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


def can_dismiss(warehouse: Warehouse) -> bool:
    """Whether the warehouse knows of dismissals; one of before does once it is migrated."""
    return warehouse.has_column(quarantined_rows.name, "dismissed_at")


def dismiss(settings: Settings, quarantine_ids: Collection[int] | None, why: str) -> int:
    """Dismiss rows that wait: the check of the contract warns about them no more.

    They stay in quarantine, count there, and keep their gaps open. A retry undoes it.

    Args:
        quarantine_ids: which rows; None is all that wait and are not dismissed yet.
        why: for the owner's own memory.

    Returns:
        How many rows were dismissed.

    Raises:
        ValueError: one of the ids is that of no row that waits, or `why` is empty, too long or
            cannot be printed. Nothing was changed.
    """
    why = why.strip()
    if not why or len(why) > LONGEST_WHY or not why.isprintable():
        raise ValueError(
            f"Say why in 1 to {LONGEST_WHY} characters that can be printed, on one line."
        )
    rows = quarantined_rows.c
    waits = rows.released_by.is_(None)
    if quarantine_ids is None:
        chosen = waits & rows.dismissed_at.is_(None)
    else:
        chosen = waits & rows.quarantine_id.in_(quarantine_ids)
    with writing(settings.locks, "a dismissal from the quarantine"):
        bring_up_to_date(settings)
        with Warehouse(settings.warehouse_path).writer().begin() as connection:
            query = select(rows.quarantine_id).where(chosen)
            found: set[int] = set(connection.execute(query).scalars())
            missing = sorted(set(quarantine_ids or ()) - found)
            if missing:
                ids = ", ".join(map(str, missing))
                raise ValueError(f"No row waits in quarantine under {ids}.")
            connection.execute(
                update(quarantined_rows)
                .where(chosen)
                .values(dismissed_at=times.now_text(), dismissed_why=why)
            )
    return len(found)


def retry(
    settings: Settings, contract: "type[pa.DataFrameModel] | None" = None
) -> dict[str, Receipt]:
    """Put all that waits through its contract again, as the one writer.

    What it accepts enters raw and is released, what it rejects stays with the contract's reasons:
    one load per account and source, and none where nothing would change. Dismissals are undone.

    Args:
        settings: where the databases and the locks are.
        contract: of plays that Spotify's page listed; by default that of `raw_recently_played`.

    Returns:
        What became of the waiting rows, by account.
    """
    warehouse, state = Warehouse(settings.warehouse_path), State(settings.state_path)
    receipts: defaultdict[str, Receipt] = defaultdict(Receipt)
    with writing(settings.locks, "a retry of the quarantine"):
        bring_up_to_date(settings)
        if settings.warehouse_path.exists():
            with warehouse.writer().begin() as connection:
                is_dismissed = quarantined_rows.c.dismissed_at.is_not(None)
                nothing = {"dismissed_at": None, "dismissed_why": None}
                connection.execute(update(quarantined_rows).where(is_dismissed).values(nothing))
        waiting = sorted(
            waiting_rows(warehouse), key=lambda row: (row.account_id, row.source, row.last_load_id)
        )
        for (account_id, source), group in groupby(
            waiting, lambda row: (row.account_id, row.source)
        ):
            rows = list(group)
            if source == STREAMING_HISTORY:
                table, batches = raw_streaming_history, _exported(account_id, rows)
            else:
                table, batches = raw_recently_played, [_listed(rows, state, contract)]
            receipts[account_id] += _retry(rows, table, batches, warehouse)
    return dict(receipts)


def _retry(
    rows: list[QuarantinedRow], table: Table, batches: list[Batch], warehouse: Warehouse
) -> Receipt:
    known = {row.payload: list(row.reasons) for row in rows}
    reasons = {
        payload: json.loads(reasons)
        for batch in batches
        for payload, reasons in zip(
            batch.rejected["payload"], batch.rejected["reasons"], strict=True
        )
    }
    if known == reasons:
        return Receipt(rows_read=len(rows), rows_quarantined=len(rows))
    load = Load(rows[0].source, rows[0].account_id, batches=batches, is_retry=True)
    return write_load(warehouse.writer(), table, load)


def _exported(account_id: str, rows: list[QuarantinedRow]) -> list[Batch]:
    """Rows of exports, as one batch."""
    from spotify_assets.warehouse.importing import to_batch

    batch = to_batch(account_id, [json.loads(row.payload) for row in rows], Counter())
    # The stored text is the row's identity in quarantine, so it is what has to be released.
    texts = [row.payload for row in rows]
    kept = batch.accepted.assign(payload=[texts[place] for place in batch.accepted["payload"]])
    out = batch.rejected.assign(payload=[texts[place] for place in batch.rejected.index])
    return [replace(batch, accepted=kept, rejected=out, payload_of=str)]


def _listed(
    rows: list[QuarantinedRow], state: State, contract: "type[pa.DataFrameModel] | None"
) -> Batch:
    """Plays that Spotify's page listed."""
    from spotify_assets.contracts.recently_played import RecentlyPlayed
    from spotify_assets.contracts.split import split

    accepted, rejected = split(_frame(rows, state), contract or RecentlyPlayed)
    return Batch(len(rows), accepted, rejected, ends=accepted["played_at"])


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
