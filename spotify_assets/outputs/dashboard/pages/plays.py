"""The plays behind a figure."""

from itertools import groupby
from typing import Any

from starlette.exceptions import HTTPException

from spotify_assets.outputs import figures
from spotify_assets.outputs.dashboard.choice import Choice
from spotify_assets.outputs.dashboard.pages import parts
from spotify_assets.outputs.marts import plays as questions
from spotify_assets.outputs.marts import things
from spotify_assets.outputs.marts.look import Look

AT_ONCE = 100
KEPT = ("kind", "key")


def plays(look: Look, choice: Choice) -> dict[str, Any]:
    """The counted plays of a period, or those of an artist, track, album or podcast in it."""
    period, key = choice.period, choice.query.get("key")
    number = choice.query.get("from_number") or "0"
    skip = int(number) if number.isdecimal() and len(number) < 10 else 0  # noqa: PLR2004
    thing = kind = None
    if key:
        kind = parts.kind_of(choice.query.get("kind", ""))
        thing = things.thing(look, kind, key, choice.ids)
        if thing is None:
            raise HTTPException(404, "Nothing of that name was ever played here.")
        rows = questions.of_thing(
            look, kind, key, choice.ids, period.first, period.last, AT_ONCE + 1, skip
        )
    else:
        rows = questions.of_days(look, choice.ids, period.first, period.last, AT_ONCE + 1, skip)
    kept = {name: choice.query.get(name) for name in KEPT}
    more, fewer = str(skip + AT_ONCE), str(max(0, skip - AT_ONCE)) if skip > AT_ONCE else None
    return {
        "kind": kind,
        "thing": thing,
        "days": [
            (
                f"{figures.weekday(day.isoweekday())}, {figures.day(day, choice.today)}",
                [(play, figures.time(play.local_started_at[11:16])) for play in of_day],
            )
            for day, of_day in groupby(rows[:AT_ONCE], key=lambda play: play.local_date)
        ],
        "names": {each.account_id: each.name for each in choice.accounts},
        "later": choice.address("plays", **kept, from_number=more) if rows[AT_ONCE:] else None,
        "earlier": choice.address("plays", **kept, from_number=fewer) if skip else None,
    }
