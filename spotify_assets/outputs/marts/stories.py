"""What was new, what came back, what went on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from spotify_assets.outputs.marts.look import Look
from spotify_assets.outputs.marts.rankings import Ranked, in_order
from spotify_assets.outputs.periods import SPOTIFY_BEGAN


@dataclass(frozen=True)
class Streak:
    """Days in a row with a play."""

    first: date
    last: date
    days: int
    may_be_longer: bool


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


def streaks(look: Look, account: str) -> list[Streak]:
    """The account's streaks, the longest first."""
    query = """
        select streak_start, streak_end, days, may_be_longer
        from mart_streaks where account_id = :account order by streak_rank
    """
    return [
        Streak(date.fromisoformat(row[0]), date.fromisoformat(row[1]), row[2], bool(row[3]))
        for row in look.rows(query, account=account)
    ]


def new_artists(look: Look, accounts: Sequence[str], first: date, last: date) -> int:
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
    return int(look.rows(query, accounts=list(accounts), first=first, last=last)[0][0])


def discoveries(look: Look, accounts: Sequence[str], first: date, last: date) -> dict[date, int]:
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
    rows = look.rows(query, accounts=list(accounts), first=first, last=last)
    return {date.fromisoformat(row[0]): row[1] for row in rows}


def stayed(
    look: Look, accounts: Sequence[str], first: date, last: date, limit: int
) -> list[Ranked]:
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
    rows = look.rows(query, accounts=list(accounts), first=first, last=last, limit=limit)
    return in_order(rows, is_new=True)


def returns(
    look: Look, accounts: Sequence[str], first: date, last: date, limit: int
) -> list[Return]:
    """Artists who came back in a period, the longest away first."""
    query = """
        select
            account_id, artist_key as key, artist_name as name, returned_on, days_away,
            plays_before, plays_since
        from mart_returns
        where account_id in :accounts and returned_on between :first and :last
        order by days_away desc, artist_key limit :limit
    """
    rows = look.rows(query, accounts=list(accounts), first=first, last=last, limit=limit)
    return [
        Return(**{**row._mapping, "returned_on": date.fromisoformat(row.returned_on)})
        for row in rows
    ]


def nearly_whole(look: Look, accounts: Sequence[str], limit: int) -> list[Album]:
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
    rows = look.rows(query, accounts=list(accounts), limit=limit)
    return [Album(**row._mapping) for row in rows]


def not_heard_since(look: Look, accounts: Sequence[str], day: date, limit: int) -> list[Ranked]:
    """Artists with the most plays, ten at least, of whom there is none since a day."""
    query = f"""
        select
            tracks.artist_key as key, max(tracks.artist_name) as name,
            null as subtitle, sum(played.plays) as plays, sum(played.ms_played) as ms_played
        from {look.played(accounts, SPOTIFY_BEGAN, date.max)} as played
        inner join dim_tracks as tracks on tracks.track_key = played.track_key
        where played.content_type = 'track' and tracks.artist_key <> 'unknown'
        group by tracks.artist_key
        having max(played.last_date) < :day and sum(played.plays) >= 10
        order by sum(played.plays) desc, tracks.artist_key limit :limit
    """  # noqa: S608 # ours
    rows = look.rows(query, day=day, limit=limit)
    return in_order(rows, is_new=False)
