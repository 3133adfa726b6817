"""`spotify.db`: opening it, and the questions that the rest asks of it.

Reading never creates the file: a warehouse that does not exist yet is an empty one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Engine, Executable, Row, func, select, text

from spotify_assets import database
from spotify_assets.warehouse import schema
from spotify_assets.warehouse.loading import Receipt
from spotify_assets.warehouse.tables import loads, raw_recently_played, raw_streaming_history

ROW_COUNTS = tuple(Receipt.__dataclass_fields__)


# `fct_plays.play_id` is so much of the raw row's key: 80 bits, short enough to type.
PLAY_ID_LENGTH = 20


@dataclass(frozen=True)
class Extent:
    """How many rows of plays, and the ends of the first and the last as UTC text."""

    plays: int
    oldest_play: str | None
    newest_play: str | None


class Warehouse:
    """The warehouse at a path."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def writer(self) -> Engine:
        """An engine that writes, on a database with its raw tables. For the lock's holder.

        Raises:
            SchemaError: the tables that are there are of another schema than today's.
        """
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        engine = database.writer(self._path)
        found = self.revision()
        if found is None:
            with engine.begin() as connection:
                found = schema.revision(connection)  # another process may have been faster
                if found is None:
                    schema.create(connection)
                    return engine
        schema.require_head(self._path, found)
        return engine

    def revision(self) -> str | None:
        """Its schema revision, or None where it has no tables yet: see `schema.revision`."""
        with database.reading(self._path) as connection:
            return schema.revision(connection) if connection else None

    def read(self, query: Executable) -> Sequence[Row[Any]]:
        """The rows of a query; none where there is no database yet."""
        with database.reading(self._path) as connection:
            return connection.execute(query).all() if connection else []

    def newest_play(self, account_id: str | None = None) -> str | None:
        """`played_at` of the newest play, of one account or of all."""
        query = select(func.max(raw_recently_played.c.played_at))
        if account_id is not None:
            query = query.where(raw_recently_played.c.account_id == account_id)
        return next((played_at for (played_at,) in self.read(query)), None)

    def newest_play_of_any_source(self, account_id: str) -> str | None:
        """The end of the account's newest play, as Spotify listed it or an export tells it."""
        newest = [
            found
            for end in self._ends()
            for (found,) in self.read(
                select(func.max(end)).where(end.table.c.account_id == account_id)
            )
        ]
        return max(filter(None, newest), default=None)

    def _ends(self) -> list[Column[str]]:
        """The column of each raw table that says when a play ended."""
        ends = (raw_recently_played.c.played_at, raw_streaming_history.c.ts)
        # A warehouse of before lacks a table until the next run brings it up to date.
        return [end for end in ends if self.has_table(end.table.name)]

    def count_plays(self) -> int:
        """How many rows raw holds, from all sources together."""
        return sum(self.read(select(func.count(end)))[0][0] for end in self._ends())

    def extent(self) -> Extent:
        """What is in raw, from all sources together."""
        parts = [
            self.read(select(func.count(), func.min(end), func.max(end))) for end in self._ends()
        ]
        rows = [tuple(found[0]) for found in parts]
        return Extent(
            plays=sum(count for count, _, _ in rows),
            oldest_play=min((oldest for _, oldest, _ in rows if oldest), default=None),
            newest_play=max((newest for _, _, newest in rows if newest), default=None),
        )

    def accounts_with_plays(self) -> set[str]:
        """The accounts of which loads brought plays, from any source."""
        query = select(loads.c.account_id).where(loads.c.rows_loaded > 0).distinct()
        return {account_id for (account_id,) in self.read(query)}

    def newest_plays(self, limit: int, account_id: str | None = None) -> Sequence[Row[Any]]:
        """The newest plays of all sources, of one account or of all, newest first.

        Before the models are built for the first time, those that Spotify listed.

        Columns: as `newest_listed`.
        """
        if not self.has_table("fct_plays"):
            return self.newest_listed(limit, account_id)
        of_account = "" if account_id is None else " where account_id = :account_id"
        query = text(
            "select ended_at as played_at, account_id, track_name, artist_name, play_id"  # noqa: S608 # ours
            f" from fct_plays{of_account} order by ended_at desc, play_id limit :limit"
        ).bindparams(limit=limit)
        if account_id is not None:
            query = query.bindparams(account_id=account_id)
        return self.read(query)

    def newest_listed(self, limit: int, account_id: str | None = None) -> Sequence[Row[Any]]:
        """The newest plays that Spotify listed, of one account or of all, newest first.

        Columns: played_at, account_id, track_name, artist_name, play_id.
        """
        plays = raw_recently_played.c
        query = (
            select(
                plays.played_at,
                plays.account_id,
                plays.track_name,
                plays.artist_name,
                func.substr(plays.row_key, 1, PLAY_ID_LENGTH).label("play_id"),
            )
            .order_by(plays.played_at.desc(), plays.row_key)
            .limit(limit)
        )
        return self.read(
            query if account_id is None else query.where(plays.account_id == account_id)
        )

    def receipts(self, run_id: str) -> dict[str, Receipt]:
        """What a Dagster run loaded, by account."""
        sums = [func.sum(loads.c[name]) for name in ROW_COUNTS]
        query = (
            select(loads.c.account_id, *sums)
            .where(loads.c.dagster_run_id == run_id)
            .group_by(loads.c.account_id)
        )
        return {row[0]: Receipt(*row[1:]) for row in self.read(query)}

    def has_table(self, name: str, kind: str | None = None) -> bool:
        """Whether a table or view of this name exists; only "table" or "view" where asked so."""
        query = text("select type from sqlite_master where name = :name").bindparams(name=name)
        return any(kind in (None, found) for (found,) in self.read(query))

    def has_column(self, table: str, column: str) -> bool:
        """Whether a table has a column; a warehouse of before lacks some until it is migrated."""
        query = text("select 1 from pragma_table_info(:table) where name = :column")
        return bool(self.read(query.bindparams(table=table, column=column)))
