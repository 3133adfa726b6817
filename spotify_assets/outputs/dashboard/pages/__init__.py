"""The pages: each is a function of a look at the marts and of a reader's choice.

What it answers, the template of the same name shows.
"""

from collections.abc import Callable, Mapping
from typing import Any

from spotify_assets.outputs.dashboard.choice import Choice
from spotify_assets.outputs.dashboard.pages.discover import discover
from spotify_assets.outputs.dashboard.pages.how import how
from spotify_assets.outputs.dashboard.pages.overview import overview
from spotify_assets.outputs.dashboard.pages.plays import plays
from spotify_assets.outputs.dashboard.pages.search import search
from spotify_assets.outputs.dashboard.pages.together import together
from spotify_assets.outputs.dashboard.pages.top import top
from spotify_assets.outputs.dashboard.pages.trust import trace, trust
from spotify_assets.outputs.dashboard.pages.when import when
from spotify_assets.outputs.dashboard.pages.year import year
from spotify_assets.outputs.marts.look import Look

PAGES: Mapping[str, Callable[[Look, Choice], dict[str, Any]]] = {
    "overview": overview,
    "top": top,
    "when": when,
    "discover": discover,
    "how": how,
    "year": year,
    "together": together,
    "search": search,
    "plays": plays,
    "trust": trust,
    "trace": trace,
}
