"""A long ranking."""

from typing import Any

from spotify_assets.outputs import charts
from spotify_assets.outputs.dashboard.choice import Choice
from spotify_assets.outputs.dashboard.pages import parts
from spotify_assets.outputs.marts import rankings
from spotify_assets.outputs.marts.look import Kind, Look

LONG = 50
STEPS = 16  # of a trend


def top(look: Look, choice: Choice) -> dict[str, Any]:
    """One ranking, each line with its trend over the period."""
    kind = parts.kind_of(choice.query.get("kind", Kind.ARTISTS))
    ranked = parts.ranked(look, choice, kind, LONG)
    first = max(choice.period.first, min(each.first_date for each in choice.chosen))
    keys = [row.key for row in ranked]
    found = rankings.trends(
        look, kind, keys, choice.ids, min(first, choice.period.last), choice.period.last, STEPS
    )
    return {
        "kind": kind,
        "kinds": [
            (parts.TITLES[each], choice.address("top", kind=each), each is kind) for each in Kind
        ],
        "ranked": ranked,
        "trends": {key: charts.trend(plays) for key, plays in found.items()},
        "title": parts.TITLES[kind],
    }
