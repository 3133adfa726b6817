"""What a year came to: one function of the marts, which page, file and picture share."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from dateutil.relativedelta import relativedelta

from spotify_assets.outputs.marts import habits, rankings, stories, sums, things, years
from spotify_assets.outputs.marts.look import Account, Kind, Look
from spotify_assets.outputs.marts.rankings import Ranked
from spotify_assets.outputs.marts.stories import Return, Streak
from spotify_assets.outputs.marts.sums import Day, Totals
from spotify_assets.outputs.marts.years import Moment, Repeat

TOP, STORIES = 5, 5
YEAR = relativedelta(years=1)
LEAST_COMPARED = timedelta(days=28)  # fewer days of another year say nothing of this one
LEAST_REPEATED = 5  # plays of one track on one day


@dataclass(frozen=True)
class Before:
    """Sums of the year before, over the days that the history has of both years.

    Attributes:
        first: the first of these days in the year of the review; they end with the review's.
        now: the sums of these days.
        then: the sums of the same days, one year earlier.
    """

    first: date
    now: Totals
    then: Totals


@dataclass(frozen=True)
class Review:
    """A year of one account, or of several together.

    Attributes:
        first, last: the days of the year that the history has.
        is_over: the year has ended, so that no new play can be in it.
        is_first: the history begins in it, so that all that was played looks new.
        star: plays of the most played artist by the first of the month, of all twelve.
        months: the first of each month, with its most played artist where there is one.
        days: each local date with its sums.
        busiest: the day with most plays.
        streak: the longest one in the year. None for several accounts.
        repeat: the track that was played most on one day. None where that is not often.
        stayed: artists that were new, by all their plays since. None in the first year.
        before: None where the history has too few days of the year before.
    """

    year: int
    accounts: Sequence[Account]
    first: date
    last: date
    is_over: bool
    is_first: bool
    totals: Totals
    new_artists: int
    tops: dict[Kind, list[Ranked]]
    star: list[tuple[date, int]]
    months: list[tuple[date, Ranked | None]]
    days: list[Day]
    busiest: Day
    streak: Streak | None
    repeat: Repeat | None
    clock: dict[tuple[int, int], int]
    stayed: list[Ranked]
    returns: list[Return]
    before: Before | None
    ends: tuple[Moment, Moment] | None

    @property
    def has_end(self) -> bool:
        """The history goes on to the year's last day."""
        return self.last == date(self.year, 12, 31)


def year_to_show(found: Sequence[int], today: date) -> int:
    """The last year that is over, or else the newest, of years with a play."""
    return max((year for year in found if year < today.year), default=max(found))


def review(look: Look, accounts: Sequence[Account], year: int, today: date) -> Review | None:
    """The review of a year; None where nothing was played in it.

    Args:
        today: the date by which the year is over or is not.
    """
    ids = [each.account_id for each in accounts]
    first = max(date(year, 1, 1), min(each.first_date for each in accounts))
    last = min(date(year, 12, 31), max(each.last_date for each in accounts))
    totals = sums.totals(look, ids, first, last)
    if not totals.plays:
        return None
    days = sums.days(look, ids, first, last)
    artists = years.artists_of_months(look, ids, first, last)
    months = [date(year, month, 1) for month in range(1, 13)]
    tops = {
        kind: rankings.top(look, kind, ids, first, last, limit=TOP)
        for kind in (Kind.ARTISTS, Kind.TRACKS, Kind.ALBUMS)
    }
    star = tops[Kind.ARTISTS][:1]
    plays = things.months_of(look, Kind.ARTISTS, star[0].key, ids) if star else {}
    repeat = years.on_repeat(look, ids, first, last)
    is_first = min(each.first_date for each in accounts).year == year
    return Review(
        year=year,
        accounts=accounts,
        first=first,
        last=last,
        is_over=year < today.year,
        is_first=is_first,
        totals=totals,
        new_artists=stories.new_artists(look, ids, first, last),
        tops=tops,
        star=[(month, plays.get(month, 0)) for month in months],
        months=[(month, artists.get(month)) for month in months],
        days=days,
        busiest=max(days, key=lambda day: (day.plays, day.ms_played, -day.date.toordinal())),
        streak=years.longest_streak(look, ids[0], first, last) if len(ids) == 1 else None,
        repeat=repeat if repeat and repeat.plays >= LEAST_REPEATED else None,
        clock=habits.clock(look, ids, first, last),
        stayed=[] if is_first else stories.stayed(look, ids, first, last, STORIES),
        returns=stories.returns(look, ids, first, last, STORIES),
        before=_before(look, accounts, first, last),
        ends=years.first_and_last(look, ids, first, last),
    )


def _before(look: Look, accounts: Sequence[Account], first: date, last: date) -> Before | None:
    """The same days of the year before, as far as the history of each account has them."""
    begun = max(each.first_date for each in accounts)
    since, until = max(first.replace(month=1, day=1) - YEAR, begun), last - YEAR
    if until - since < LEAST_COMPARED:
        return None
    ids = [each.account_id for each in accounts]
    return Before(
        since + YEAR,
        sums.totals(look, ids, since + YEAR, last),
        sums.totals(look, ids, since, until),
    )
