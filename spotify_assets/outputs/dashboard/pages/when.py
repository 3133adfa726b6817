"""When somebody listens: days, hours, sessions, streaks."""

from collections import Counter
from typing import Any

from spotify_assets.outputs import charts, figures
from spotify_assets.outputs.dashboard.choice import Choice
from spotify_assets.outputs.dashboard.pages import parts
from spotify_assets.outputs.marts import habits, stories
from spotify_assets.outputs.marts.look import Look

SHOWN = 5
MONTHS = 3  # of fewer the hours by month say nothing more
YEARS = 5  # a calendar is as large as a page


def when(look: Look, choice: Choice) -> dict[str, Any]:
    """Days and hours of the period, its years day by day, the longest sessions and streaks."""
    period = choice.period
    first = max(period.first, min(each.first_date for each in choice.chosen)).year
    last = min(period.last, choice.today).year
    years = range(last, first - 1, -1)
    by_month = habits.hours_by_month(look, choice.ids, period.first, period.last)
    by_hour: Counter[int] = Counter()
    for (_, hour), plays in by_month.items():
        by_hour[hour] += plays
    hours = [(figures.hour(hour), by_hour[hour]) for hour in range(24)]
    most = max(by_hour, key=lambda hour: (by_hour[hour], -hour), default=None)
    return {
        "days": parts.days(look, choice, 260),
        "clock": parts.clock(look, choice),
        "hours": parts.both(
            lambda width: charts.columns(hours, "Plays by the hour of the day", width, 190)
        ),
        "hour_rows": hours if by_hour else [],
        "most": None if most is None else figures.hour(most),
        "months": charts.hours_by_month(by_month, "Plays by month and hour of the day")
        if len({month for month, _ in by_month}) >= MONTHS
        else None,
        "years": [(year, parts.calendar(look, choice, year)) for year in years[:YEARS]],
        "older": [(year, choice.address("when", period=str(year))) for year in years[YEARS:]],
        "sessions": stories.sessions(look, choice.ids, period.first, period.last, SHOWN),
        "streaks": stories.streaks(look, choice.one)[:SHOWN] if choice.one else [],
        "names": {each.account_id: each.name for each in choice.accounts},
    }
