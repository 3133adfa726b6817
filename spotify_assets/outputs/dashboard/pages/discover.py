"""What was new, what came back, what is worth playing again."""

from typing import Any

from spotify_assets.outputs import charts
from spotify_assets.outputs.dashboard.choice import Choice
from spotify_assets.outputs.dashboard.pages import parts
from spotify_assets.outputs.marts import stories
from spotify_assets.outputs.marts.look import Look

SHOWN = 12
YEAR = 365 * parts.DAY


def discover(look: Look, choice: Choice) -> dict[str, Any]:
    """The discoveries of a period and what became of them; what is missed."""
    period, accounts = choice.period, choice.ids
    months = parts.each_month(stories.discoveries(look, accounts, period.first, period.last))
    title = "New artists a month"
    return {
        "months": parts.both(
            lambda width: charts.columns(months, title, width, 170, "new artists")
        ),
        "month_rows": months,
        "stayed": stories.stayed(look, accounts, period.first, period.last, SHOWN),
        "returns": stories.returns(look, accounts, period.first, period.last, SHOWN),
        "whole": stories.whole(look, accounts, period.first, period.last, SHOWN),
        "albums": stories.nearly_whole(look, accounts, SHOWN),
        "missed": stories.not_heard_since(look, accounts, choice.today - YEAR, SHOWN),
        "names": {each.account_id: each.name for each in choice.accounts},
    }
