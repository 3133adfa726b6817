"""One look at the marts, which sees one state of them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from sqlalchemy import BindParameter, bindparam, inspect, text
from sqlalchemy.engine import Connection, CursorResult

from spotify_assets import database

# From here on it is quicker to read all days in the order of the tracks than to sort those asked.
LONG = timedelta(days=4 * 365)


class Kind(StrEnum):
    """What is ranked."""

    ARTISTS = "artists"
    TRACKS = "tracks"
    ALBUMS = "albums"
    PODCASTS = "podcasts"


@dataclass(frozen=True)
class Columns:
    """Where a kind's key, name and second line stand in `dim_tracks`, and of what it is."""

    key: str
    name: str
    subtitle: str
    content_type: str = "track"


COLUMNS = {
    Kind.ARTISTS: Columns("artist_key", "artist_name", "null"),
    Kind.TRACKS: Columns("track_key", "track_name", "artist_name"),
    Kind.ALBUMS: Columns("album_key", "album_name", "album_artist_name"),
    Kind.PODCASTS: Columns("artist_key", "artist_name", "null", "episode"),
}


@dataclass(frozen=True)
class Account:
    """A listener, with the local dates of the first and the last play."""

    account_id: str
    name: str
    first_date: date
    last_date: date


class Marts:
    """The marts of a warehouse."""

    def __init__(self, warehouse: Path) -> None:
        self._path = warehouse

    @contextmanager
    def look(self) -> Iterator["Look | None"]:
        """One look, which sees one state; None where no model is built yet."""
        with database.reading(self._path) as connection:
            is_built = connection and inspect(connection).has_table("fct_habit_days")
            yield Look(connection) if connection and is_built else None


class Look:
    """What the marts say at one moment."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._spans: dict[tuple[str, ...], str] = {}

    def rows(self, query: str, **values: Any) -> Sequence[Any]:
        return self._run(query, **values).all()

    def each_row(self, query: str, **values: Any) -> Iterator[Any]:
        """The rows one by one, where they are too many to hold."""
        yield from self._run(query, **values)

    def _run(self, query: str, **values: Any) -> CursorResult[Any]:
        lists: list[BindParameter[Any]] = [
            bindparam(name, expanding=True)
            for name, value in values.items()
            if isinstance(value, list | tuple)
        ]
        given = {
            name: value.isoformat() if isinstance(value, date) else value
            for name, value in values.items()
        }
        return self._connection.execute(text(query).bindparams(*lists), given)

    def built_at(self, model: str) -> str | None:
        """When the build of a model began, UTC text; None where it has to be built anew."""
        query = "select built_at from model_watermarks where model = :model"
        return next((at for (at,) in self.rows(query, model=model)), None)

    def accounts(self) -> list[Account]:
        """All listeners with a play or a gap, by the names that they are shown under."""
        query = """
            select account_id, display_name, first_date, last_date
            from dim_accounts order by display_name, account_id
        """
        return [
            Account(row[0], row[1], date.fromisoformat(row[2]), date.fromisoformat(row[3]))
            for row in self.rows(query)
        ]

    def played(self, accounts: Sequence[str], first: date, last: date) -> str:
        """A table of what was played, one row for each track, for all questions of this look.

        Columns: track_key, content_type, plays, ms_played, ms_played_estimated, last_date.
        """
        span = (*sorted(accounts), first.isoformat(), last.isoformat())
        if span not in self._spans:
            sums = """
                track_key, content_type, sum(plays) as plays, sum(ms_played) as ms_played,
                sum(ms_played_estimated) as ms_played_estimated
            """
            days = f"select {sums}, max(local_date) as last_date from fct_track_days"  # noqa: S608
            by = "group by track_key, content_type"
            # Of a time by the index of the days. Of a long time by that of the tracks, in whose
            # order each account's sums are made. An expression keeps off the other index.
            of_time = f"""
                {days} where account_id in :accounts and local_date between :first and :last
                group by track_key || '', content_type
            """
            in_it = "local_date || '' between :first and :last"
            of_each = " union all ".join(
                f"{days} where account_id = :account_{number} and {in_it} {by}"
                for number in range(len(accounts))
            )
            of_all = f"select {sums}, max(last_date) as last_date from ({of_each}) as of_each {by}"  # noqa: S608
            self._spans[span] = name = f"played_{len(self._spans)}"
            create = f"create temporary table {name} as"
            if last - first > LONG:
                names = {f"account_{number}": each for number, each in enumerate(accounts)}
                self._run(f"{create} {of_all}", first=first, last=last, **names)
            else:
                self._run(f"{create} {of_time}", accounts=list(accounts), first=first, last=last)
        return self._spans[span]
