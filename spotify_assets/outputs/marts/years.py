"""What a year is told by: its months, its first and last play, its longest streak."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from spotify_assets.outputs.marts import stories
from spotify_assets.outputs.marts.look import Look
from spotify_assets.outputs.marts.rankings import Ranked
from spotify_assets.outputs.marts.stories import Streak
from spotify_assets.outputs.periods import SPOTIFY_BEGAN

# Zones lie up to 26 hours apart, so a play can begin before another one of an earlier local date.
CLOCKS_DIFFER = timedelta(days=2)


@dataclass(frozen=True)
class Moment:
    """A play and when it began: the date and the time, HH:MM, on its listener's clock."""

    local_date: date
    local_time: str
    track_key: str
    track_name: str | None
    artist_name: str | None


@dataclass(frozen=True)
class Repeat:
    """The track that was played most on one day."""

    local_date: date
    plays: int
    track_key: str
    track_name: str | None
    artist_name: str | None


def years(look: Look, accounts: Sequence[str]) -> list[int]:
    """The years with a counted play, the newest first."""
    query = """
        select distinct substr(local_date, 1, 4) from fct_habit_days
        where account_id in :accounts and habit = 'content' and local_date >= :began
        order by 1 desc
    """
    rows = look.rows(query, accounts=list(accounts), began=SPOTIFY_BEGAN)
    return [int(year) for (year,) in rows]


def artists_of_months(
    look: Look, accounts: Sequence[str], first: date, last: date
) -> dict[date, Ranked]:
    """The most played artist of each month that has one, by the first of the month."""
    query = """
        select month_start, artist_key, artist_name, plays, ms_played from (
            select
                dates.month_start, tracks.artist_key, max(tracks.artist_name) as artist_name,
                sum(days.plays) as plays, sum(days.ms_played) as ms_played,
                row_number() over (
                    partition by dates.month_start
                    order by sum(days.plays) desc, sum(days.ms_played) desc, tracks.artist_key
                ) as place
            from fct_track_days as days
            inner join dim_tracks as tracks on tracks.track_key = days.track_key
            inner join dim_dates as dates on dates.local_date = days.local_date
            where
                days.account_id in :accounts and days.local_date between :first and :last
                and days.content_type = 'track' and tracks.artist_key <> 'unknown'
            group by dates.month_start, tracks.artist_key
        ) as ranked where place = 1
    """
    rows = look.rows(query, accounts=list(accounts), first=first, last=last)
    return {
        date.fromisoformat(month): Ranked(1, key, name, None, plays, ms, None, is_new=False)
        for month, key, name, plays, ms in rows
    }


def first_and_last(
    look: Look, accounts: Sequence[str], first: date, last: date
) -> tuple[Moment, Moment] | None:
    """The first and the last counted play; plays whose time is unreliable are neither."""
    is_meant = """
        plays.local_date between :first and :last
        and plays.is_counted = 1 and plays.time_is_unreliable = 0
    """
    day = """
        select plays.local_date from int_shown_plays as plays
        where plays.account_id = :account and {is_meant} order by plays.local_date {way} limit 1
    """
    query = """
        select
            plays.local_date, substr(plays.local_started_at, 12, 5) as local_time,
            plays.track_key, tracks.track_name, tracks.artist_name
        from int_shown_plays as plays
        inner join dim_tracks as tracks on tracks.track_key = plays.track_key
        where
            plays.account_id in :accounts and {is_meant}
        order by plays.started_at {way}, plays.play_id {way} limit 1
    """
    found = []
    for way, end_of in (("asc", min), ("desc", max)):
        # One question for each account, by the fact's index. It finds a day near the wanted play.
        asked = day.format(is_meant=is_meant, way=way)
        days = [
            date.fromisoformat(row.local_date)
            for account in accounts
            for row in look.rows(asked, account=account, first=first, last=last)
        ]
        if not days:
            return None
        near = end_of(days)
        values = {
            "first": max(first, near - CLOCKS_DIFFER),
            "last": min(last, near + CLOCKS_DIFFER),
        }
        asked = query.format(is_meant=is_meant, way=way)
        (row,) = look.rows(asked, accounts=list(accounts), **values)
        found.append(Moment(**{**row._mapping, "local_date": date.fromisoformat(row.local_date)}))
    begin, end = found
    return begin, end


def on_repeat(look: Look, accounts: Sequence[str], first: date, last: date) -> Repeat | None:
    """The track that was played most on one day; of several the longest played, then the first."""
    query = """
        select
            days.local_date, days.plays, days.track_key, tracks.track_name, tracks.artist_name
        from (
            select local_date, track_key, sum(plays) as plays
            from fct_track_days
            where
                account_id in :accounts and local_date between :first and :last
                and content_type = 'track' and track_key <> 'unknown'
            group by local_date, track_key
            order by sum(plays) desc, sum(ms_played) desc, local_date, track_key limit 1
        ) as days
        inner join dim_tracks as tracks on tracks.track_key = days.track_key
    """
    rows = look.rows(query, accounts=list(accounts), first=first, last=last)
    return next(
        (
            Repeat(**{**row._mapping, "local_date": date.fromisoformat(row.local_date)})
            for row in rows
        ),
        None,
    )


def longest_streak(look: Look, account: str, first: date, last: date) -> Streak | None:
    """The longest streak by its days in a period; of several the earliest."""
    found = [
        replace(each, first=since, last=until, days=(until - since).days + 1)
        for each in stories.streaks(look, account)
        if (since := max(each.first, first)) <= (until := min(each.last, last))
    ]
    return max(found, key=lambda each: (each.days, -each.first.toordinal()), default=None)
