"""Finding an artist, a track, an album or a podcast."""

from itertools import groupby
from typing import Any

from spotify_assets.outputs.dashboard.choice import Choice
from spotify_assets.outputs.dashboard.pages import parts
from spotify_assets.outputs.marts.look import Look
from spotify_assets.outputs.marts.search import Names

SHOWN = 8
_names = Names()


def search(look: Look, choice: Choice) -> dict[str, Any]:
    """What is called like the words that were typed, by kind."""
    words = choice.query.get("q", "")
    found = _names.find(look, words, choice.ids, SHOWN)
    return {
        "words": words,
        "found": [
            (kind, parts.TITLES[kind], list(rows))
            for kind, rows in groupby(found, key=lambda each: each.kind)
        ],
    }
