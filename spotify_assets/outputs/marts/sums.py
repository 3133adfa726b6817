"""Sums of a period: in all, and by day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from spotify_assets.outputs.marts.look import Look

DAY = timedelta(days=1)


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


def totals(look: Look, accounts: Sequence[str], first: date, last: date) -> Totals:
    """Sums of counted plays, and how many different artists and tracks they are of."""
    query = f"""
        select
            coalesce(sum(played.plays), 0) as plays,
            coalesce(sum(played.ms_played), 0) as ms_played,
            coalesce(sum(played.ms_played_estimated), 0) as ms_played_estimated,
            count(distinct case
                when played.content_type = 'track' and tracks.artist_key <> 'unknown'
                    then tracks.artist_key
            end) as artists,
            count(distinct case
                when played.content_type = 'track' and played.track_key <> 'unknown'
                    then played.track_key
            end) as tracks
        from {look.played(accounts, first, last)} as played
        inner join dim_tracks as tracks on tracks.track_key = played.track_key
    """  # noqa: S608 # ours
    sums = look.rows(query)[0]._mapping
    return Totals(**sums, days_at_least=days_at_least(look, accounts, first, last))


def days_at_least(look: Look, accounts: Sequence[str], first: date, last: date) -> int:
    """How many days of a period a gap is open on, so that plays may be missing."""
    query = """
        select count(distinct local_date) from mart_coverage
        where account_id in :accounts and local_date between :first and :last and open_gaps > 0
    """
    return int(look.rows(query, accounts=list(accounts), first=first, last=last)[0][0])


def days(look: Look, accounts: Sequence[str], first: date, last: date) -> list[Day]:
    """Each local date from the accounts' first to their last, ascending."""
    listened = """
        select local_date, sum(plays), sum(ms_played), sum(ms_played_estimated)
        from fct_habit_days
        where
            account_id in :accounts and habit = 'content' and local_date between :first and :last
        group by local_date
    """
    doubtful = """
        select distinct local_date from mart_coverage
        where account_id in :accounts and local_date between :first and :last and open_gaps > 0
    """
    values = {"accounts": list(accounts), "first": first, "last": last}
    found = {row[0]: row[1:] for row in look.rows(listened, **values)}
    at_least = {day for (day,) in look.rows(doubtful, **values)}
    known = [each for each in look.accounts() if each.account_id in accounts]
    day = max(first, min((each.first_date for each in known), default=last))
    end = min(last, max((each.last_date for each in known), default=first))
    rows = []
    while day <= end:
        plays, ms_played, estimated = found.get(str(day), (0, 0, 0))
        rows.append(Day(day, plays, ms_played, estimated, str(day) in at_least))
        day += DAY
    return rows
