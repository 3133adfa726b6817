"""Two accounts compared."""

from typing import Any

from starlette.exceptions import HTTPException

from spotify_assets.outputs.dashboard.choice import Choice, Link
from spotify_assets.outputs.marts.look import Look
from spotify_assets.outputs.marts.together import taste

SHOWN = 12


def together(look: Look, choice: Choice) -> dict[str, Any]:
    """What two accounts both love, and what one could show the other."""
    known = {each.account_id: each for each in choice.accounts}
    ids = list(known)
    if len(ids) == 1:
        raise HTTPException(404, "To compare two listeners there must be two accounts.")
    one = choice.query.get("one") or choice.one or ids[0]
    other = choice.query.get("other") or next(each for each in ids if each != one)
    if one not in known or other not in known or one == other:
        raise HTTPException(400, "Choose two accounts that there are.")

    def links(name: str, chosen: str, not_this: str) -> list[Link]:
        return [
            Link(
                each.name,
                choice.address("together", **{"one": one, "other": other, name: each.account_id}),
                each.account_id == chosen,
            )
            for each in choice.accounts
            if each.account_id != not_this
        ]

    return {
        "one": known[one],
        "other": known[other],
        "ones": links("one", one, other),
        "others": links("other", other, one),
        "taste": taste(look, one, other, choice.period.first, choice.period.last, SHOWN),
    }
