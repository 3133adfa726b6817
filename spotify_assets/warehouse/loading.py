"""Writing a load: its accepted rows, its rejected rows and its accounting in one transaction.

The only function that writes to a raw table. Dagster's IO manager and the command line call it
alike.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import repeat
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, Table, insert, select, update
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from spotify_assets import times
from spotify_assets.warehouse import coverage
from spotify_assets.warehouse.exported import ExportFile, close_gaps
from spotify_assets.warehouse.tables import loads, quarantined_rows

RESTORE = "restore"

if TYPE_CHECKING:  # 0.6 s that commands which only read a receipt need not pay
    import pandas as pd


@dataclass(frozen=True)
class Batch:
    """Rows that went through a contract, not yet written.

    Attributes:
        rows_read: what the parser counted before any row was looked at.
        accepted: frame with the columns of the raw table but `load_id`, and `payload`; also
            `unread`, JSON by field of the values that could not be read, or None.
        rejected: frame of `payload` and `reasons`.
        ends: of the plays that were accepted, UTC text; the load's window, where it has no other.
        payload_of: the text of an accepted row's payload, where it is not that text itself.
    """

    rows_read: int
    accepted: "pd.DataFrame"
    rejected: "pd.DataFrame"
    rows_ignored: int = 0
    ends: Iterable[str] = ()
    payload_of: Callable[[Any], str] = str


@dataclass(frozen=True)
class Load:
    """What one page or file brings, all of it or nothing.

    Attributes:
        batches: read one at a time as they are written.
        is_retry: the rows come from quarantine, so that none of them was seen once more.
        listed: of a page, the ends of all plays that can be true, as UTC text, ascending.
        blind_because: why there was no look for long before the page.
        lost: of a restore, the ends of the plays that were known and are not here any more.
        still_open: of a restore, the gaps that were open before it.
        file: of an export, which of its files it is.
    """

    source: str
    account_id: str
    page_id: str | None = None
    batches: Iterable[Batch] = ()
    window_from: str | None = None
    window_to: str | None = None
    is_retry: bool = False
    listed: tuple[str, ...] = ()
    blind_because: str | None = None
    lost: tuple[str, ...] = ()
    still_open: tuple[coverage.OpenGap, ...] = ()
    file: ExportFile | None = None

    @classmethod
    def of_restore(
        cls, account_id: str, lost: Iterable[str], still_open: Iterable[coverage.OpenGap] = ()
    ) -> "Load":
        """The load of no rows that says what a restore lost."""
        return cls(
            source=RESTORE,
            account_id=account_id,
            lost=tuple(sorted(lost)),
            still_open=tuple(still_open),
        )


@dataclass(frozen=True)
class Loads:
    """What an asset hands to the IO manager: loads, read one at a time as they are written."""

    loads: Iterable[Load]

    def __iter__(self) -> Iterator[Load]:
        return iter(self.loads)


@dataclass(frozen=True)
class Receipt:
    """The accounting of one load or of several."""

    rows_read: int = 0
    rows_loaded: int = 0
    rows_duplicate: int = 0
    rows_quarantined: int = 0
    rows_ignored: int = 0

    def __add__(self, other: "Receipt") -> "Receipt":
        return Receipt(
            *(a + b for a, b in zip(vars(self).values(), vars(other).values(), strict=True))
        )

    def __str__(self) -> str:
        return (
            f"{self.rows_read:,} read = {self.rows_loaded:,} loaded + "
            f"{self.rows_duplicate:,} duplicate + {self.rows_quarantined:,} quarantined + "
            f"{self.rows_ignored:,} ignored"
        )


def write_load(engine: Engine, table: Table, load: Load, run_id: str | None = None) -> Receipt:
    """Write one load and return its accounting.

    Raises:
        ValueError: the parts of a batch do not add up to what was read.
        sqlalchemy.exc.SQLAlchemyError: nothing was written.
        Exception: what the batches raise while they are read; nothing was written.
    """
    with engine.begin() as connection:
        load_id = _open(connection, load, run_id)
        receipt, edges, unread = Receipt(), list[str](), Counter[str]()
        for batch in load.batches:
            receipt += _write(connection, table, load, load_id, batch, unread)
            ends = [*batch.ends, *edges]
            edges = [min(ends), max(ends)] if ends else []
            if load.file:
                load.file.observe(batch.accepted)
        coverage.judge(connection, load_id, load.account_id, load.listed, load.blind_because)
        coverage.record_lost(connection, load_id, load.account_id, load.lost, load.still_open)
        close_gaps(connection, load.account_id, load_id, found_by_it=not load.is_retry)
        if load.file:
            load.file.record(connection, load_id)
        known = {
            "window_from": load.window_from or min(edges, default=None),
            "window_to": load.window_to or max(edges, default=None),
            "unread": json.dumps(unread, sort_keys=True) if unread else None,
        }
        connection.execute(
            update(loads).where(loads.c.load_id == load_id).values({**vars(receipt), **known})
        )
    return receipt


def _open(connection: Connection, load: Load, run_id: str | None) -> int:
    """Insert the load's row, which has no rows yet."""
    result = connection.execute(
        insert(loads).values(
            source=load.source,
            account_id=load.account_id,
            page_id=load.page_id,
            window_from=load.window_from,
            window_to=load.window_to,
            dagster_run_id=run_id,
            loaded_at=times.now_text(),
            **vars(Receipt()),
        )
    )
    return int(result.inserted_primary_key[0])  # type: ignore[index] # one row was inserted


def _write(
    connection: Connection,
    table: Table,
    load: Load,
    load_id: int,
    batch: Batch,
    unread: Counter[str],
) -> Receipt:
    """Write a batch; add the rows that were inserted to the counts of unread fields."""
    if batch.rows_read != len(batch.accepted) + len(batch.rejected) + batch.rows_ignored:
        raise ValueError(
            f"{batch.rows_read} rows were read, but {len(batch.accepted)} accepted, "
            f"{len(batch.rejected)} rejected and {batch.rows_ignored} ignored"
        )
    rows_loaded = 0
    for fields, rows in _by_unread_fields(batch.accepted):
        inserted = _insert_accepted(connection, table, rows, load_id)
        rows_loaded += inserted
        unread.update(dict.fromkeys(fields, inserted) if inserted else {})
    _insert_rejected(connection, load, batch.rejected, load_id)
    _release_accepted(connection, load, batch, load_id)
    return Receipt(
        rows_read=batch.rows_read,
        rows_loaded=rows_loaded,
        rows_duplicate=len(batch.accepted) - rows_loaded,
        rows_quarantined=len(batch.rejected),
        rows_ignored=batch.rows_ignored,
    )


def _by_unread_fields(
    accepted: "pd.DataFrame",
) -> "Iterable[tuple[tuple[str, ...], pd.DataFrame]]":
    """The rows by the fields that could not be read in them; first those where all could."""
    if "unread" not in accepted or accepted["unread"].isna().all():
        return [((), accepted)]
    fields = accepted["unread"].map(lambda text: tuple(json.loads(text)) if text else ())
    return accepted.groupby(fields)


def _insert_accepted(
    connection: Connection, table: Table, accepted: "pd.DataFrame", load_id: int
) -> int:
    """Insert what is not there yet; the number of rows inserted."""
    if accepted.empty:
        return 0
    names = [column.name for column in table.columns]
    columns = (repeat(load_id) if name == "load_id" else _plain(accepted[name]) for name in names)
    # Compiled once and run with tuples: three times as fast as SQLAlchemy's own executemany.
    statement = sqlite_insert(table).on_conflict_do_nothing()
    compiled = statement.compile(dialect=connection.dialect, column_keys=names)
    # In the order of the key, whose first column is the account, the same in all of them: so each
    # page of its index is met once.
    _, second, *_ = table.primary_key
    rows = sorted(zip(*columns, strict=False), key=itemgetter(names.index(second.name)))
    return connection.exec_driver_sql(str(compiled), rows).rowcount


def _plain(column: "pd.Series[Any]") -> list[Any]:
    """A column's values as drivers take them: true and false as 1 and 0."""
    values: list[Any] = column.tolist()
    if bool in set(map(type, values)):
        return [int(value) if isinstance(value, bool) else value for value in values]
    return values


def _insert_rejected(
    connection: Connection, load: Load, rejected: "pd.DataFrame", load_id: int
) -> None:
    if rejected.empty:
        return
    statement = sqlite_insert(quarantined_rows)
    seen_again = {
        "last_load_id": statement.excluded.last_load_id,
        "released_by": None,
        "times_seen": quarantined_rows.c.times_seen + 1,
    }
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["account_id", "source", "payload_hash"],
            set_={"reasons": statement.excluded.reasons} | ({} if load.is_retry else seen_again),
        ),
        [
            {
                "account_id": load.account_id,
                "source": load.source,
                "reasons": reasons,
                "payload": payload,
                "payload_hash": payload_hash(payload),
                "first_load_id": load_id,
                "last_load_id": load_id,
                "times_seen": 1,
            }
            for payload, reasons in zip(rejected["payload"], rejected["reasons"], strict=True)
        ],
    )


def _release_accepted(connection: Connection, load: Load, batch: Batch, load_id: int) -> None:
    """Let go of quarantined payloads that this load accepts: a play is in one place only."""
    if batch.accepted.empty:
        return
    rows = quarantined_rows.c
    of_this_source = (rows.account_id == load.account_id, rows.source == load.source)
    held: set[str] = set(
        connection.execute(
            select(rows.payload_hash).where(*of_this_source, rows.released_by.is_(None))
        ).scalars()
    )
    for payload in map(batch.payload_of, batch.accepted["payload"]) if held else ():
        if payload_hash(payload) in held:
            connection.execute(
                update(quarantined_rows)
                .where(*of_this_source, rows.payload_hash == payload_hash(payload))
                .values(released_by=load_id, dismissed_at=None, dismissed_why=None)
            )


def payload_hash(payload: str) -> str:
    """The identity of a bad payload: SHA-256, hex."""
    return hashlib.sha256(payload.encode()).hexdigest()
