"""What each figure means: the words of the dbt model that owns it."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml

from spotify_assets.settings import CHECKOUT

# What a figure is called on pages, and the model and the column that say what it means.
OF_FIGURES = {
    "plays": ("Plays", "fct_plays", "is_counted"),
    "listened": ("Time listened", "fct_plays", "ms_played"),
    "estimated": ("Estimated", "fct_plays", "ms_played_is_estimated"),
    "at-least": ("At least", "mart_coverage", "coverage"),
    "artists": ("Artists", "dim_tracks", "artist_key"),
    "albums": ("Albums", "dim_tracks", "album_key"),
    "tracks": ("Tracks", "fct_plays", "track_key"),
    "days": ("Days", "fct_plays", "local_date"),
    "new": ("New artists", "mart_discoveries", "is_new_artist"),
    "returns": ("Who came back", "mart_returns", None),
    "whole": ("Whole albums", "mart_album_completion", None),
    "streaks": ("Streaks", "mart_streaks", None),
    "sessions": ("Sessions", "mart_sessions", None),
    "habits": ("How", "fct_habit_days", "value"),
    "skips": ("Skips", "fct_plays", "skipped"),
    "hidden": ("Hidden", "int_shown_plays", None),
}


@dataclass(frozen=True)
class Definition:
    """A figure's name on pages, where it stands, and what that says of it.

    Attributes:
        of_model: what one row of the model is.
        of_column: None where the figure is the row itself.
    """

    name: str
    title: str
    model: str
    column: str | None
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
        for name, (title, model, column) in OF_FIGURES.items()
    ]


def _models() -> dict[str, Any]:
    wanted = {model for _, model, _ in OF_FIGURES.values()}
    folder = CHECKOUT / "dbt_project" / "models"
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where it is
    return {
        model["name"]: model
        for path in folder.rglob("*.yml")
        if path.stem in wanted
        for model in yaml.load(path.read_text("utf-8"), loader)["models"]  # noqa: S506 # both safe
    }
