"""`spotify.db`: opening it, and the questions that the rest asks of it.

Reading never creates the file: a warehouse that does not exist yet is an empty one.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, Executable, Row, func, select, text

from spotify_assets import database
from spotify_assets.warehouse import schema
from spotify_assets.warehouse.loading import Receipt
from spotify_assets.warehouse.tables import loads, raw_recently_played

ROW_COUNTS = tuple(Receipt.__dataclass_fields__)


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

    def newest_plays(self, limit: int) -> Sequence[Row[Any]]:
        """The newest plays of all accounts, newest first.

        Columns: played_at, account_id, track_name, artist_name, row_key.
        """
        plays = raw_recently_played.c
        return self.read(
            select(
                plays.played_at,
                plays.account_id,
                plays.track_name,
                plays.artist_name,
                plays.row_key,
            )
            .order_by(plays.played_at.desc(), plays.row_key)
            .limit(limit)
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

    def has_table(self, name: str) -> bool:
        """Whether a table or view of this name exists."""
        query = text("select 1 from sqlite_master where name = :name").bindparams(name=name)
        return bool(self.read(query))
