"""How whole the history is, and where each play came from."""

from typing import Any

from starlette.exceptions import HTTPException

from spotify_assets import times
from spotify_assets.outputs.dashboard.choice import Choice
from spotify_assets.outputs.marts import sums
from spotify_assets.outputs.marts.look import Look
from spotify_assets.spotify.state import State
from spotify_assets.warehouse.arrivals import gaps, imports, sources
from spotify_assets.warehouse.exclusions import hidden
from spotify_assets.warehouse.standing import findings, standing
from spotify_assets.warehouse.tracing import AmbiguousId, IdTooShort
from spotify_assets.warehouse.tracing import trace as follow
from spotify_assets.warehouse.warehouse import Warehouse

BUILT = ("fct_plays", "mart_discoveries")  # with each refresh, and once a day


def trust(look: Look, choice: Choice) -> dict[str, Any]:
    """What is known of how whole the history is, and of what keeps it so."""
    settings = choice.settings
    warehouse = Warehouse(settings.warehouse_path)
    now = standing(settings)
    return {
        "everything": [
            (each, sums.totals(look, [each.account_id], each.first_date, each.last_date))
            for each in choice.chosen
        ],
        "findings": findings(now, settings.timezone),
        "gaps": [each for each in gaps(warehouse) if each.account_id in choice.ids],
        "sources": [each for each in sources(warehouse) if each.account_id in choice.ids],
        "quarantined": {each.name: each.quarantined_rows for each in now.accounts},
        "imports": [each for each in imports(warehouse) if each.account_id in choice.ids],
        "last_backup": now.last_backup_at,
        "plays_in_no_backup": now.plays_in_no_backup,
        "drill": now.last_drill,
        "polled_by": now.polled_by,
        "last_poll": now.last_poll_at,
        "hidden": hidden(warehouse),
        "built": [look.built_at(model) for model in BUILT],
        "names": {each.account_id: each.name for each in choice.accounts},
        "local": lambda text: times.local(text, settings.timezone),
    }


def trace(_: Look, choice: Choice) -> dict[str, Any]:
    """A play back to its raw rows, and to the page or file that brought them."""
    settings, play_id = choice.settings, choice.query.get("play", "")
    try:
        found = follow(play_id, Warehouse(settings.warehouse_path), State(settings.state_path))
    except (IdTooShort, AmbiguousId) as error:
        raise HTTPException(400, str(error)) from None
    if found is None:
        raise HTTPException(404, "No play has this id.")
    return {"found": found, "local": lambda text: times.local(text, settings.timezone)}
