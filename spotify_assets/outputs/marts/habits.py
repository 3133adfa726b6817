"""How somebody listens: at which hours, on which devices, from what."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from spotify_assets.outputs.marts.look import Look

UNKNOWN = "unknown"


class Habit(StrEnum):
    """What `fct_habit_days` tells apart."""

    CONTENT = "content"
    HOUR = "hour"
    DEVICE = "device"
    COUNTRY = "country"
    SHUFFLE = "shuffle"
    CONTEXT = "context"
    SKIP = "skip"


@dataclass(frozen=True)
class Part:
    """One value of a habit, with its plays and their time in ms."""

    value: str
    plays: int
    ms_played: int


def parts(look: Look, habit: Habit, accounts: Sequence[str], first: date, last: date) -> list[Part]:
    """The values of a habit in a period, the most played first; what is unknown comes last."""
    query = """
        select value, sum(plays) as plays, sum(ms_played) as ms_played
        from fct_habit_days
        where account_id in :accounts and habit = :habit and local_date between :first and :last
        group by value order by value = 'unknown', sum(plays) desc, value
    """
    rows = look.rows(query, accounts=list(accounts), habit=habit.value, first=first, last=last)
    return [Part(**row._mapping) for row in rows]


def clock(
    look: Look, accounts: Sequence[str], first: date, last: date
) -> dict[tuple[int, int], int]:
    """Counted plays by day of the week (Monday 1) and hour in which they began.

    Plays whose time is unreliable are in none.
    """
    query = """
        select 24 * dates.local_weekday + cast(hours.value as integer), sum(hours.plays)
        from fct_habit_days as hours
        inner join dim_dates as dates on dates.local_date = hours.local_date
        where
            hours.account_id in :accounts and hours.habit = 'hour' and hours.value <> 'unknown'
            and hours.local_date between :first and :last
        group by 1
    """
    # SQLite sorts one number in three quarters of the time of a number and a text.
    found = look.rows(query, accounts=list(accounts), first=first, last=last)
    return {divmod(when, 24): plays for when, plays in found}


def clock_of_all_time(look: Look, accounts: Sequence[str]) -> dict[tuple[int, int], int]:
    """As `clock`, of all days, as the mart of the day holds it."""
    query = """
        select local_weekday, local_hour, sum(plays)
        from mart_listening_clock where account_id in :accounts and plays > 0
        group by local_weekday, local_hour
    """
    return {(row[0], row[1]): row[2] for row in look.rows(query, accounts=list(accounts))}


def hours_by_month(
    look: Look, accounts: Sequence[str], first: date, last: date
) -> dict[tuple[date, int], int]:
    """Counted plays by the first of the month and the hour in which they began."""
    query = """
        select substr(local_date, 1, 7), cast(value as integer), sum(plays)
        from fct_habit_days
        where
            account_id in :accounts and habit = 'hour' and value <> 'unknown'
            and local_date between :first and :last
        group by substr(local_date, 1, 7), value
    """
    found = look.rows(query, accounts=list(accounts), first=first, last=last)
    return {(date.fromisoformat(f"{row[0]}-01"), row[1]): row[2] for row in found}
