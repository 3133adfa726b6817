"""What each figure means: the words of the dbt model that owns it."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml

from spotify_assets.settings import CHECKOUT

# What a figure is called on pages, the model and the column that say what it means, and in short.
OF_FIGURES = {
    "plays": ("Plays", "fct_plays", "is_counted", "A play counts once it lasted 30 seconds."),
    "listened": (
        *("Time listened", "fct_plays", "ms_played"),
        "How long it played. Until an export tells, it is estimated by the track's length.",
    ),
    "estimated": (
        *("Estimated", "fct_plays", "ms_played_is_estimated"),
        "No export has told yet how long these plays lasted.",
    ),
    "at-least": (
        *("At least", "mart_coverage", "coverage"),
        "Plays may be missing, because nobody looked in time. So the true figure may be higher.",
    ),
    "artists": ("Artists", "dim_tracks", "artist_key", "The first artist of each track."),
    "albums": ("Albums", "dim_tracks", "album_key", "Albums of tracks that were played."),
    "tracks": (
        *("Tracks", "fct_plays", "track_key"),
        "Different tracks. Another release of a song is another track.",
    ),
    "days": ("Days", "fct_plays", "local_date", "By the clock that you had when a play began."),
    "new": (
        *("New artists", "mart_discoveries", "is_new_artist"),
        "Artists of whom no earlier play is known.",
    ),
    "returns": (
        *("Who came back", "mart_returns", None),
        "Played again after a year or more without a play.",
    ),
    "whole": (
        *("Whole albums", "mart_album_completion", None),
        "Every track of it was heard at least once.",
    ),
    "streaks": ("Streaks", "mart_streaks", None, "Days in a row, each with a play."),
    "sessions": (
        *("Sessions", "mart_sessions", None),
        "Plays with no more than 30 minutes of silence between them.",
    ),
    "habits": (
        *("How", "fct_habit_days", "value"),
        "Each play counts once in each of these, where a source tells it.",
    ),
    "skips": (
        *("Skips", "fct_plays", "skipped"),
        "Plays of tracks that were ended before their end, the short ones too.",
    ),
    "hidden": (
        "Hidden",
        "int_shown_plays",
        None,
        "What you hide is in no figure, and no play is lost.",
    ),
}


@dataclass(frozen=True)
class Definition:
    """A figure's name on pages, where it stands, and what that says of it.

    Attributes:
        in_short: a sentence for a listener.
        of_model: what one row of the model is.
        of_column: None where the figure is the row itself.
    """

    name: str
    title: str
    model: str
    column: str | None
    in_short: str
    of_model: str
    of_column: str | None


@cache
def definitions() -> list[Definition]:
    """All of them, in the order of a page."""
    models = _models()
    return [
        Definition(
            name,
            title,
            model,
            column,
            in_short,
            models[model]["description"],
            next(
                (
                    each["description"]
                    for each in models[model]["columns"]
                    if each["name"] == column
                ),
                None,
            ),
        )
        for name, (title, model, column, in_short) in OF_FIGURES.items()
    ]


def _models() -> dict[str, Any]:
    wanted = {model for _, model, _, _ in OF_FIGURES.values()}
    folder = CHECKOUT / "dbt_project" / "models"
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where it is
    return {
        model["name"]: model
        for path in folder.rglob("*.yml")
        if path.stem in wanted
        for model in yaml.load(path.read_text("utf-8"), loader)["models"]  # noqa: S506 # both safe
    }
