"""When somebody listens: days, hours, sessions, streaks."""

from typing import Any

from spotify_assets.outputs import charts
from spotify_assets.outputs.dashboard.choice import Choice
from spotify_assets.outputs.dashboard.pages import parts
from spotify_assets.outputs.marts import habits, stories
from spotify_assets.outputs.marts.look import Look

SHOWN = 5
YEARS = 5  # a calendar is as large as a page


def when(look: Look, choice: Choice) -> dict[str, Any]:
    """Days and hours of the period, its years day by day, the longest sessions and streaks."""
    period = choice.period
    first = max(period.first, min(each.first_date for each in choice.chosen)).year
    last = min(period.last, choice.today).year
    years = range(last, first - 1, -1)
    hours = habits.hours_by_month(look, choice.ids, period.first, period.last)
    return {
        "days": parts.days(look, choice, 260),
        "clock": parts.clock(look, choice),
        "hours": charts.hours_by_month(hours, "Plays by month and hour of the day"),
        "years": [(year, parts.calendar(look, choice, year)) for year in years[:YEARS]],
        "older": [(year, choice.address("when", period=str(year))) for year in years[YEARS:]],
        "sessions": stories.sessions(look, choice.ids, period.first, period.last, SHOWN),
        "streaks": stories.streaks(look, choice.one)[:SHOWN] if choice.one else [],
        "names": {each.account_id: each.name for each in choice.accounts},
    }
