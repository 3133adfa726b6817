"""A year in review."""

from typing import Any

from starlette.exceptions import HTTPException

from spotify_assets.outputs.dashboard.choice import Choice, Link
from spotify_assets.outputs.marts import years
from spotify_assets.outputs.marts.look import Look
from spotify_assets.outputs.year.review import Review, review, year_to_show
from spotify_assets.outputs.year.story import story


def year(look: Look, choice: Choice) -> dict[str, Any]:
    """A year, with links to the other years and to its files."""
    shown = reviewed(look, choice)
    return {
        "years": [
            Link(str(each), choice.address("year", year=str(each)), each == shown.year)
            for each in years.years(look, choice.ids)
        ],
        "card": choice.address("year.svg", year=str(shown.year)),
        "file": choice.address("year.html", year=str(shown.year)),
        **story(shown),
    }


def reviewed(look: Look, choice: Choice) -> Review:
    """The review of the year that the address names, or of the last one that is over.

    Raises:
        HTTPException: nothing was played in it; 404.
    """
    found = years.years(look, choice.ids)
    asked = choice.query.get("year")
    if found and (not asked or asked in map(str, found)):
        of_year = int(asked) if asked else year_to_show(found, choice.today)
        shown = review(look, choice.chosen, of_year, choice.today)
        if shown is not None:
            return shown
    raise HTTPException(404, f"Nothing was played in {asked}." if asked else "Nothing was played.")
