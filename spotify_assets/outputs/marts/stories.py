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
    """An album of which most was heard; `completed_on` is None where something was not."""

    account_id: str
    key: str
    name: str | None
    artist_name: str | None
    tracks_played: int
    total_tracks: int
    completed_on: date | None = None


@dataclass(frozen=True)
class Session:
    """Listening without a longer silence; `local_started_at` is the listener's, times are ms."""

    account_id: str
    local_started_at: str
    length_ms: int
    plays: int
    tracks: int


@dataclass(frozen=True)
class Anniversary:
    """A day of some years ago, with what was played most on it."""

    date: date
    plays: int
    ms_played: int
    track_key: str
    track_name: str | None
    artist_name: str | None


@dataclass(frozen=True)
class Milestone:
    """The play with a round number; `ended_at` is UTC text."""

    number: int
    ended_at: str
    track_key: str
    track_name: str | None
    artist_name: str | None


def on_this_day(look: Look, accounts: Sequence[str], today: date) -> list[Anniversary]:
    """The days of this date in the years before, the latest first; none where nothing was played.

    The 29th of February is looked back at in leap years alone.
    """
    query = """
        select local_date as date, sum(plays) as plays, sum(ms_played) as ms_played
        from fct_track_days
        where account_id in :accounts and local_date in :dates
        group by local_date order by local_date desc
    """
    most = """
        select tracks.track_key, tracks.track_name, tracks.artist_name
        from fct_track_days as days
        inner join dim_tracks as tracks on tracks.track_key = days.track_key
        where days.account_id in :accounts and days.local_date = :date
        group by tracks.track_key, tracks.track_name, tracks.artist_name
        order by sum(days.plays) desc, sum(days.ms_played) desc, tracks.track_key limit 1
    """
    who = list(accounts)
    found = []
    years = range(SPOTIFY_BEGAN.year, today.year)
    dates = [f"{year}-{today:%m-%d}" for year in years]
    for row in look.rows(query, accounts=who, dates=dates):
        (track,) = look.rows(most, accounts=who, date=row.date)
        day = {**row._mapping, "date": date.fromisoformat(row.date)}
        found.append(Anniversary(**day, **track._mapping))
    return found


def milestone(look: Look, account: str) -> Milestone | None:
    """The last of an account's counted plays whose number is round; None before the 1,000th.

    Round is a number of which the first two digits, or all but the last three, say everything.
    """
    query = """
        select coalesce(sum(plays), 0) from fct_habit_days
        where account_id = :account and habit = 'content'
    """
    plays = look.rows(query, account=account)[0][0]
    step = max(1000, 10 ** (len(str(plays)) - 2))
    number = plays // step * step
    if not number:
        return None
    nth = """
        select plays.ended_at, plays.track_key, tracks.track_name, tracks.artist_name
        from int_shown_plays as plays
        inner join dim_tracks as tracks on tracks.track_key = plays.track_key
        where plays.account_id = :account and plays.is_counted = 1
        order by plays.ended_at desc, plays.play_id desc limit 1 offset :newer
    """
    (row,) = look.rows(nth, account=account, newer=plays - number)
    return Milestone(number, **row._mapping)


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


def sessions(
    look: Look, accounts: Sequence[str], first: date, last: date, limit: int
) -> list[Session]:
    """The longest sessions that began in a period."""
    query = """
        select account_id, local_started_at, length_ms, counted_plays as plays, tracks
        from mart_sessions
        where account_id in :accounts and local_date between :first and :last
        order by length_ms desc, session_id limit :limit
    """
    rows = look.rows(query, accounts=list(accounts), first=first, last=last, limit=limit)
    return [Session(**row._mapping) for row in rows]


def whole(look: Look, accounts: Sequence[str], first: date, last: date, limit: int) -> list[Album]:
    """Albums of which the last track was first heard in a period, the latest first."""
    query = """
        select
            account_id, album_key as key, album_name as name, album_artist_name as artist_name,
            tracks_played, total_tracks, completed_on
        from mart_album_completion
        where
            account_id in :accounts and album_type = 'album'
            and completed_on between :first and :last
        order by completed_on desc, album_key limit :limit
    """
    rows = look.rows(query, accounts=list(accounts), first=first, last=last, limit=limit)
    return [
        Album(**{**row._mapping, "completed_on": date.fromisoformat(row.completed_on)})
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
