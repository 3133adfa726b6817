"""How somebody listens: devices, countries, shuffle, skips, contexts."""

from typing import Any

from spotify_assets.outputs import charts
from spotify_assets.outputs.dashboard.choice import Choice
from spotify_assets.outputs.marts import habits
from spotify_assets.outputs.marts.habits import UNKNOWN, Habit, Part
from spotify_assets.outputs.marts.look import Look

# What each tells, and which source does.
SHOWN = {
    Habit.DEVICE: ("Devices", "Spotify's exports tell it."),
    Habit.CONTEXT: ("Played from", "Spotify's list of recent plays tells it."),
    Habit.SHUFFLE: ("Shuffle", "Spotify's exports tell it."),
    Habit.SKIP: ("Skips", "Of all tracks that were started, the short ones too. Exports tell it."),
    Habit.COUNTRY: ("Countries", "Spotify's exports tell it."),
    Habit.CONTENT: ("What it was", "All sources tell it."),
}
CONTEXTS = {
    "album": "an album",
    "artist": "an artist's page",
    "playlist": "a playlist",
    "collection": "liked songs",
}


def how(look: Look, choice: Choice) -> dict[str, Any]:
    """Each habit as shares of the plays of which it is known, and how many these are."""
    period = choice.period
    shown = []
    for habit, (title, source) in SHOWN.items():
        parts = habits.parts(look, habit, choice.ids, period.first, period.last)
        known = [each for each in parts if each.value != UNKNOWN]
        shown.append(
            {
                "title": title,
                "source": source,
                "known": sum(each.plays for each in known),
                "all": sum(each.plays for each in parts),
                "parts": [(_called(habit, each), each.plays) for each in known],
                "svg": charts.shares([(_called(habit, each), each.plays) for each in known], title),
            }
        )
    return {"habits": shown}


def _called(habit: Habit, part: Part) -> str:
    return CONTEXTS.get(part.value, part.value) if habit is Habit.CONTEXT else part.value
