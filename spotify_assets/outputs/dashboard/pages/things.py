"""An artist, a track, an album or a podcast by itself."""

from typing import Any

from starlette.exceptions import HTTPException

from spotify_assets import times
from spotify_assets.outputs import charts, figures
from spotify_assets.outputs.covers import in_spotify
from spotify_assets.outputs.dashboard.choice import Choice
from spotify_assets.outputs.dashboard.pages import parts
from spotify_assets.outputs.dashboard.pages.how import CONTEXTS
from spotify_assets.outputs.marts import plays, things
from spotify_assets.outputs.marts.look import Kind, Look
from spotify_assets.outputs.marts.sums import days_at_least
from spotify_assets.outputs.periods import SPOTIFY_BEGAN

SHOWN = 50
PARTS = {
    Kind.ARTISTS: (Kind.TRACKS, Kind.ALBUMS),
    Kind.ALBUMS: (Kind.TRACKS,),
    Kind.TRACKS: (),
    Kind.PODCASTS: (Kind.TRACKS,),
}


def thing(look: Look, choice: Choice, kind_name: str) -> dict[str, Any]:
    """An artist, a track, an album or a podcast by itself, over all time."""
    kind = parts.kind_of(kind_name)
    key = choice.query.get("key", "")
    found = things.thing(look, kind, key, choice.ids)
    if found is None:
        raise HTTPException(404, "Nothing of that name was ever played here.")
    months = parts.each_month(things.months_of(look, kind, key, choice.ids))
    skips, known = things.skips_of(look, kind, key, choice.ids)
    by_hour, by_context = plays.habits_of(look, kind, key, choice.ids)
    hours = [(figures.hour(hour), by_hour.get(hour, 0)) for hour in range(24)]
    contexts = [(CONTEXTS.get(name, name), count) for name, count in by_context.items()]
    contexts.sort(key=lambda each: (-each[1], each[0]))
    return {
        "kind": kind,
        "thing": found,
        "first": _day_of(found.first_played_at, choice),
        "last": _day_of(found.last_played_at, choice),
        "months": parts.both(lambda width: charts.columns(months, "Plays a month", width, 150)),
        "month_rows": months,
        "hours": charts.columns(hours, "Plays by the hour of the day", charts.NARROW, 120),
        "hour_rows": hours if by_hour else [],
        "contexts": charts.shares(contexts, "Played from") if contexts else None,
        "context_rows": contexts,
        "skips": skips,
        "known": known,
        "parts": [
            (part, parts.TITLES[part], things.parts_of(look, kind, key, part, choice.ids, SHOWN))
            for part in PARTS[kind]
        ],
        "in_spotify": in_spotify(found.uri),
        "days_at_least": days_at_least(look, choice.ids, SPOTIFY_BEGAN, choice.today),
        "plays": choice.address("plays", kind=kind, key=key, period="all"),
    }


def _day_of(ended_at: str | None, choice: Choice) -> str | None:
    return ended_at and figures.day(times.from_text(ended_at).astimezone(choice.clock).date())
