"""The questions that pages and pictures ask of the marts. Read only; the one module that does so.

The description of a model says what its figures mean. A question is about accounts and
local dates from a first to a last one, both in it, written YYYY-MM-DD.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any

from sqlalchemy import BindParameter, bindparam, inspect, text
from sqlalchemy.engine import Connection, CursorResult

from spotify_assets import database
from spotify_assets.outputs.periods import SPOTIFY_BEGAN


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


@dataclass(frozen=True)
class Totals:
    """Sums of a period. Times are ms; `ms_played_estimated` is a part of `ms_played`.

    Attributes:
        days_at_least: days on which a gap is open, so that the true figures can be higher.
    """

    plays: int
    ms_played: int
    ms_played_estimated: int
    artists: int
    tracks: int
    days_at_least: int


@dataclass(frozen=True)
class Day:
    """One local date, or the first one of several that are shown as one."""

    date: date
    plays: int
    ms_played: int
    ms_played_estimated: int
    is_at_least: bool


@dataclass(frozen=True)
class Ranked:
    """One line of a ranking.

    Attributes:
        rank_before: its rank in the period before; None where it was not played then.
        is_new: it was never played before this period. False where nothing is compared.
    """

    rank: int
    key: str
    name: str | None
    subtitle: str | None
    plays: int
    ms_played: int
    rank_before: int | None
    is_new: bool


@dataclass(frozen=True)
class Play:
    """A play as a list shows it; `ended_at` is UTC text."""

    play_id: str
    account_id: str
    ended_at: str
    local_date: date
    track_key: str
    track_name: str | None
    artist_key: str
    artist_name: str | None
    album_name: str | None
    content_type: str


@dataclass(frozen=True)
class Streak:
    """Days in a row with a play."""

    first: date
    last: date
    days: int
    may_be_longer: bool


@dataclass(frozen=True)
class Thing:
    """An artist, track, album or podcast by itself, over all time."""

    key: str
    name: str | None
    subtitle: str | None
    subtitle_key: str | None
    uri: str | None
    plays: int
    ms_played: int
    ms_played_estimated: int
    tracks: int
    first_played_at: str | None
    last_played_at: str | None


@dataclass(frozen=True)
class Return:
    """An artist who was played again after a year or more without a play."""

    account_id: str
    key: str
    name: str | None
    returned_on: date
    days_away: int
    plays_before: int
    plays_since: int


@dataclass(frozen=True)
class Album:
    """An album of which most was heard."""

    account_id: str
    key: str
    name: str | None
    artist_name: str | None
    tracks_played: int
    total_tracks: int


class Marts:
    """The marts of a warehouse."""

    def __init__(self, warehouse: Path) -> None:
        self._path = warehouse

    @contextmanager
    def look(self) -> Iterator["Look | None"]:
        """One look, which sees one state; None where no model is built yet."""
        with database.reading(self._path) as connection:
            is_built = connection and inspect(connection).has_table("mart_listening_by_day")
            yield Look(connection) if connection and is_built else None


class Look:
    """What the marts say at one moment."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._spans: dict[tuple[str, ...], str] = {}

    def _rows(self, query: str, **values: Any) -> Sequence[Any]:
        return self._run(query, **values).all()

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

    def accounts(self) -> list[Account]:
        """All listeners with a play or a gap, by the names that they are shown under."""
        query = """
            select account_id, display_name, first_date, last_date
            from dim_accounts order by display_name, account_id
        """
        return [Account(row[0], row[1], _date(row[2]), _date(row[3])) for row in self._rows(query)]

    def _played(self, accounts: Sequence[str], first: date, last: date) -> str:
        """A table of what was played, one row for each track, for all questions of this look.

        Columns: track_key, content_type, plays, ms_played, ms_played_estimated, last_date.
        """
        span = (*sorted(accounts), first.isoformat(), last.isoformat())
        if span not in self._spans:
            self._spans[span] = name = f"played_{len(self._spans)}"
            query = f"""
                create temporary table {name} as
                select
                    track_key, content_type, sum(plays) as plays, sum(ms_played) as ms_played,
                    sum(ms_played_estimated) as ms_played_estimated, max(local_date) as last_date
                from fct_track_days
                where account_id in :accounts and local_date between :first and :last
                group by track_key, content_type
            """  # noqa: S608 # ours
            self._run(query, accounts=list(accounts), first=first, last=last)
        return self._spans[span]

    def totals(self, accounts: Sequence[str], first: date, last: date) -> Totals:
        """Sums of counted plays, and how many different artists and tracks they are of."""
        query = f"""
            select
                coalesce(sum(played.plays), 0),
                coalesce(sum(played.ms_played), 0),
                coalesce(sum(played.ms_played_estimated), 0),
                count(distinct case
                    when played.content_type = 'track' and tracks.artist_key <> 'unknown'
                        then tracks.artist_key
                end),
                count(distinct case
                    when played.content_type = 'track' and played.track_key <> 'unknown'
                        then played.track_key
                end)
            from {self._played(accounts, first, last)} as played
            inner join dim_tracks as tracks on tracks.track_key = played.track_key
        """  # noqa: S608 # ours
        gaps = """
            select count(distinct local_date) from mart_coverage
            where account_id in :accounts and local_date between :first and :last and open_gaps > 0
        """
        at_least = self._rows(gaps, accounts=list(accounts), first=first, last=last)[0]
        return Totals(*self._rows(query)[0], *at_least)

    def days(self, accounts: Sequence[str], first: date, last: date) -> list[Day]:
        """Each local date from the accounts' first to their last, ascending."""
        query = """
            select
                local_date, sum(plays), sum(ms_played), sum(ms_played_estimated), max(is_at_least)
            from mart_listening_by_day
            where account_id in :accounts and local_date between :first and :last
            group by local_date order by local_date
        """
        found = self._rows(query, accounts=list(accounts), first=first, last=last)
        return [Day(_date(row[0]), row[1], row[2], row[3], bool(row[4])) for row in found]

    def new_artists(self, accounts: Sequence[str], first: date, last: date) -> int:
        """How many artists none of the accounts had played before."""
        query = """
            select count(*) from (
                select min(first_played_on) as first_played_on
                from mart_discoveries
                where account_id in :accounts and is_new_artist = 1
                group by artist_key
            ) as discoveries
            where first_played_on between :first and :last
        """
        return int(self._rows(query, accounts=list(accounts), first=first, last=last)[0][0])

    def top(
        self,
        kind: Kind,
        accounts: Sequence[str],
        first: date,
        last: date,
        *,
        before: tuple[date, date] | None = None,
        by_time: bool = False,
        limit: int = 10,
    ) -> list[Ranked]:
        """The most played of a period; ties as in the marts: by the other measure, then by key."""
        columns = COLUMNS[kind]
        order = "ms_played desc, plays desc" if by_time else "plays desc, ms_played desc"

        def ranked(since: date, until: date) -> str:
            return f"""
                select
                    tracks.{columns.key} as ranked_key,
                    max(tracks.{columns.name}) as ranked_name,
                    max({"tracks." * (columns.subtitle != "null")}{columns.subtitle}) as subtitle,
                    sum(played.plays) as plays,
                    sum(played.ms_played) as ms_played
                from {self._played(accounts, since, until)} as played
                inner join dim_tracks as tracks on tracks.track_key = played.track_key
                where
                    played.content_type = '{columns.content_type}'
                    and tracks.{columns.key} <> 'unknown'
                group by tracks.{columns.key}
            """  # noqa: S608 # ours

        found = self._rows(
            f"{ranked(first, last)} order by {order}, ranked_key limit :limit", limit=limit
        )
        keys = [row.ranked_key for row in found]
        ranks: dict[str, int] = {}
        if before and keys:
            query = f"""
                select ranked_key, place from (
                    select ranked_key, row_number() over (order by {order}, ranked_key) as place
                    from ({ranked(*before)}) as ranked
                ) as places where ranked_key in :keys
            """  # noqa: S608 # ours
            ranks = {row.ranked_key: row.place for row in self._rows(query, keys=keys)}
        values = {"accounts": list(accounts), "content_type": columns.content_type}
        known = self._played_before(columns, keys, first, values) if before and keys else set()
        return [
            Ranked(
                place,
                row.ranked_key,
                row.ranked_name,
                row.subtitle,
                row.plays,
                row.ms_played,
                ranks.get(row.ranked_key),
                is_new=before is not None and row.ranked_key not in known,
            )
            for place, row in enumerate(found, start=1)
        ]

    def _played_before(
        self, columns: Columns, keys: list[str], first: date, values: dict[str, Any]
    ) -> set[str]:
        query = f"""
            select distinct tracks.{columns.key}
            from dim_tracks as tracks
            where
                tracks.{columns.key} in :keys
                and exists (
                    select 1 from fct_track_days as days
                    where
                        days.account_id in :accounts
                        and days.track_key = tracks.track_key
                        and days.content_type = :content_type
                        -- By the index of the tracks: days are before it for most.
                        and days.local_date || '' < :first
                )
        """  # noqa: S608 # ours
        return {key for (key,) in self._rows(query, keys=keys, first=first, **values)}

    def newest(self, accounts: Sequence[str], limit: int) -> list[Play]:
        """The newest counted plays, newest first."""
        each = """
            select
                plays.play_id, plays.account_id, plays.ended_at, plays.local_date, plays.track_key,
                tracks.track_name, tracks.artist_key, tracks.artist_name, tracks.album_name,
                plays.content_type
            from fct_plays as plays
            inner join dim_tracks as tracks on tracks.track_key = plays.track_key
            where plays.account_id = :account and plays.is_counted = 1
            order by plays.ended_at desc limit :limit
        """
        # One question for each account, by the fact's index.
        rows = [
            row for account in accounts for row in self._rows(each, account=account, limit=limit)
        ]
        rows.sort(key=lambda row: (row.ended_at, row.play_id), reverse=True)
        return [
            Play(**{**row._mapping, "local_date": _date(row.local_date)}) for row in rows[:limit]
        ]

    def streaks(self, account: str) -> list[Streak]:
        """The account's streaks, the longest first."""
        query = """
            select streak_start, streak_end, days, may_be_longer
            from mart_streaks where account_id = :account order by streak_rank
        """
        return [
            Streak(_date(row[0]), _date(row[1]), row[2], bool(row[3]))
            for row in self._rows(query, account=account)
        ]

    def clock(self, accounts: Sequence[str], first: date, last: date) -> dict[tuple[int, int], int]:
        """Counted plays by day of the week (Monday 1) and hour in which they began.

        Plays whose time is unreliable are in none.
        """
        query = """
            select local_weekday, local_hour, count(*)
            from fct_plays
            where
                account_id in :accounts and local_date between :first and :last
                and is_counted = 1 and time_is_unreliable = 0
            group by local_weekday, local_hour
        """
        found = self._rows(query, accounts=list(accounts), first=first, last=last)
        return {(row[0], row[1]): row[2] for row in found}

    def discoveries(self, accounts: Sequence[str], first: date, last: date) -> dict[date, int]:
        """How many artists none of the accounts had played before, by the first of the month."""
        query = """
            select dates.month_start, count(*) from (
                select min(first_played_on) as first_played_on
                from mart_discoveries
                where account_id in :accounts and is_new_artist = 1
                group by artist_key
            ) as discoveries
            inner join dim_dates as dates on dates.local_date = discoveries.first_played_on
            where discoveries.first_played_on between :first and :last
            group by dates.month_start
        """
        rows = self._rows(query, accounts=list(accounts), first=first, last=last)
        return {_date(row[0]): row[1] for row in rows}

    def stayed(self, accounts: Sequence[str], first: date, last: date, limit: int) -> list[Ranked]:
        """The artists that were first played in a period, by all their plays since."""
        query = """
            select
                artist_key as key, max(artist_name) as name, null as subtitle, sum(plays) as plays,
                0 as ms_played
            from mart_discoveries
            where account_id in :accounts and artist_key <> 'unknown'
            group by artist_key
            having min(first_played_on) between :first and :last
            order by sum(plays) desc, artist_key limit :limit
        """
        rows = self._rows(query, accounts=list(accounts), first=first, last=last, limit=limit)
        return [
            Ranked(rank=place, rank_before=None, is_new=True, **row._mapping)
            for place, row in enumerate(rows, start=1)
        ]

    def returns(self, accounts: Sequence[str], first: date, last: date, limit: int) -> list[Return]:
        """Artists who came back in a period, the longest away first."""
        query = """
            select
                account_id, artist_key as key, artist_name as name, returned_on, days_away,
                plays_before, plays_since
            from mart_returns
            where account_id in :accounts and returned_on between :first and :last
            order by days_away desc, artist_key limit :limit
        """
        rows = self._rows(query, accounts=list(accounts), first=first, last=last, limit=limit)
        return [Return(**{**row._mapping, "returned_on": _date(row.returned_on)}) for row in rows]

    def nearly_whole(self, accounts: Sequence[str], limit: int) -> list[Album]:
        """Albums of which most was heard and something not, the most nearly whole first."""
        query = """
            select
                account_id, album_key as key, album_name as name, album_artist_name as artist_name,
                tracks_played, total_tracks
            from mart_album_completion
            where
                account_id in :accounts and album_type = 'album' and completed_on is null
                and completed_per_1000 >= 500
            order by completed_per_1000 desc, total_tracks desc, album_key limit :limit
        """
        rows = self._rows(query, accounts=list(accounts), limit=limit)
        return [Album(**row._mapping) for row in rows]

    def not_heard_since(self, accounts: Sequence[str], day: date, limit: int) -> list[Ranked]:
        """Artists with the most plays, ten at least, of whom there is none since a day."""
        query = f"""
            select
                tracks.artist_key as key, max(tracks.artist_name) as name,
                null as subtitle, sum(played.plays) as plays, sum(played.ms_played) as ms_played
            from {self._played(accounts, SPOTIFY_BEGAN, date.max)} as played
            inner join dim_tracks as tracks on tracks.track_key = played.track_key
            where played.content_type = 'track' and tracks.artist_key <> 'unknown'
            group by tracks.artist_key
            having max(played.last_date) < :day and sum(played.plays) >= 10
            order by sum(played.plays) desc, tracks.artist_key limit :limit
        """  # noqa: S608 # ours
        rows = self._rows(query, day=day, limit=limit)
        return [
            Ranked(rank=place, rank_before=None, is_new=False, **row._mapping)
            for place, row in enumerate(rows, start=1)
        ]

    def clock_of_all_time(self, accounts: Sequence[str]) -> dict[tuple[int, int], int]:
        """As `clock`, of all days: the marts of the day know, without reading every play."""
        query = """
            select local_weekday, local_hour, sum(plays)
            from mart_listening_clock where account_id in :accounts and plays > 0
            group by local_weekday, local_hour
        """
        found = self._rows(query, accounts=list(accounts))
        return {(row[0], row[1]): row[2] for row in found}

    def thing(self, kind: Kind, key: str, accounts: Sequence[str]) -> Thing | None:
        """An artist, track, album or podcast; None where there is none of this key."""
        columns = COLUMNS[kind]
        of_key = f"tracks.{columns.key} = :key and tracks.content_type = :content_type"
        named = self._rows(
            f"""
            select
                tracks.{columns.name} as name,
                {"tracks." * (columns.subtitle != "null")}{columns.subtitle} as subtitle,
                {"tracks.artist_key" if kind is Kind.TRACKS else "null"} as subtitle_key
            from dim_tracks as tracks where {of_key} order by name is null limit 1
            """,  # noqa: S608 # ours
            key=key,
            content_type=columns.content_type,
        )
        if not named:
            return None
        sums = self._rows(
            f"""
            select
                coalesce(sum(days.plays), 0) as plays,
                coalesce(sum(days.ms_played), 0) as ms_played,
                coalesce(sum(days.ms_played_estimated), 0) as ms_played_estimated,
                count(distinct days.track_key) as tracks,
                min(days.first_played_at) as first_played_at,
                max(days.last_played_at) as last_played_at
            from dim_tracks as tracks
            inner join fct_track_days as days on days.track_key = tracks.track_key
            where
                {of_key} and days.account_id in :accounts
                and days.content_type = :content_type
            """,  # noqa: S608 # ours
            key=key,
            content_type=columns.content_type,
            accounts=list(accounts),
        )[0]
        uri = key if key.startswith("spotify:") else None
        return Thing(key=key, uri=uri, **named[0]._mapping, **sums._mapping)

    def months_of(self, kind: Kind, key: str, accounts: Sequence[str]) -> dict[date, int]:
        """Plays by the first day of each month in which it was played."""
        columns = COLUMNS[kind]
        query = f"""
            select dates.month_start, sum(days.plays)
            from dim_tracks as tracks
            inner join fct_track_days as days on days.track_key = tracks.track_key
            inner join dim_dates as dates on dates.local_date = days.local_date
            where
                tracks.{columns.key} = :key and days.account_id in :accounts
                and days.content_type = :content_type
            group by dates.month_start
        """  # noqa: S608 # ours
        rows = self._rows(
            query, key=key, content_type=columns.content_type, accounts=list(accounts)
        )
        return {_date(row[0]): row[1] for row in rows}

    def parts_of(
        self, kind: Kind, key: str, part: Kind, accounts: Sequence[str], limit: int
    ) -> list[Ranked]:
        """The most played tracks or albums of an artist or album, over all time."""
        whole, of = COLUMNS[kind], COLUMNS[part]
        query = f"""
            select
                tracks.{of.key} as key, max(tracks.{of.name}) as name,
                max(tracks.{of.subtitle}) as subtitle,
                sum(days.plays) as plays, sum(days.ms_played) as ms_played
            from dim_tracks as tracks
            inner join fct_track_days as days on days.track_key = tracks.track_key
            where
                tracks.{whole.key} = :key and tracks.{of.key} <> 'unknown'
                and days.account_id in :accounts and days.content_type = :content_type
            group by tracks.{of.key}
            order by sum(days.plays) desc, sum(days.ms_played) desc, tracks.{of.key} limit :limit
        """  # noqa: S608 # ours
        rows = self._rows(
            query,
            key=key,
            accounts=list(accounts),
            content_type=whole.content_type,
            limit=limit,
        )
        return [
            Ranked(rank=place, rank_before=None, is_new=False, **row._mapping)
            for place, row in enumerate(rows, start=1)
        ]

    def skips_of(self, track_key: str, accounts: Sequence[str]) -> tuple[int, int]:
        """Skipped plays of a track, and plays of which it is known whether they were."""
        query = """
            select coalesce(sum(skips), 0), coalesce(sum(known_plays), 0)
            from mart_skips where account_id in :accounts and track_key = :key
        """
        row = self._rows(query, accounts=list(accounts), key=track_key)[0]
        return row[0], row[1]

    def albums_of(self, kind: Kind, keys: Sequence[str]) -> dict[str, list[str]]:
        """The albums whose covers stand for these tracks, albums or artists, the best first.

        Of an artist, the own albums come before those of others, then the most played ones of all
        accounts. What has no album is left out.
        """
        if kind is Kind.ALBUMS:
            return {key: [key] for key in keys}
        if kind is Kind.PODCASTS or not keys:
            return {}
        query = {
            Kind.TRACKS: """
                select track_key, album_key from dim_tracks
                where track_key in :keys and content_type = 'track' and album_key <> 'unknown'
            """,
            Kind.ARTISTS: """
                with albums as (
                    select
                        artist_key, album_key,
                        max(case when album_artist_name = artist_name then 1 else 0 end) as is_own
                    from dim_tracks
                    where
                        artist_key in :keys and content_type = 'track' and album_key <> 'unknown'
                    group by artist_key, album_key
                ),
                popular as (
                    select album_key, sum(plays) as plays
                    from mart_top_albums
                    where account_id in (select account_id from dim_accounts) and period = 'all'
                    group by album_key
                )
                select albums.artist_key, albums.album_key
                from albums left join popular on albums.album_key = popular.album_key
                order by albums.is_own desc, coalesce(popular.plays, 0) desc, albums.album_key
            """,
        }[kind]
        found: dict[str, list[str]] = {}
        for key, album_key in self._rows(query, keys=list(keys)):
            found.setdefault(key, []).append(album_key)
        return found

    def uri_of_album(self, key: str) -> str | None:
        """The Spotify URI of an album, or of a track on it where only tracks have one."""
        if key.startswith("spotify:"):
            return key
        query = """
            select min(track_uri) from dim_tracks
            where album_key = :key and track_uri like 'spotify:track:%'
        """
        return next((uri for (uri,) in self._rows(query, key=key)), None)


def _date(value: str) -> date:
    return date.fromisoformat(value)
