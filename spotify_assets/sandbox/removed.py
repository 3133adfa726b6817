"""The endpoints that Spotify took away from apps of 2026, and how it refuses them.

Belongs here: the table of them. Does not belong here: endpoints that Spotify has and this
sandbox has not; those are not found, like any other address.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from flask import Blueprint, Response

from spotify_assets.sandbox.errors import api_error

READ, WRITE, CHANGE = ("GET",), ("PUT", "DELETE"), ("GET", "POST", "PUT", "DELETE")
SAVED = ("tracks", "albums", "episodes", "shows", "audiobooks", "following")

_forbidden = partial(api_error, 403, "Forbidden")
_forbidden_in_silence = partial(api_error, 403)
_not_found = partial(api_error, 404, "Resource not found")

REMOVED: tuple[tuple[tuple[str, ...], str, Callable[[], Response]], ...] = (
    (READ, "/tracks", _forbidden),
    (READ, "/albums", _forbidden),
    (READ, "/artists", _forbidden),
    (READ, "/episodes", _forbidden),
    (READ, "/shows", _forbidden),
    (READ, "/audiobooks", _forbidden),
    (READ, "/chapters", _forbidden),
    (READ, "/artists/<id>/top-tracks", _forbidden),
    (READ, "/markets", _forbidden),
    (READ, "/browse/new-releases", _forbidden),
    (READ, "/browse/categories", _forbidden),
    (READ, "/browse/categories/<id>", _forbidden),
    (READ, "/users/<id>", _forbidden),
    (("GET", "POST"), "/users/<id>/playlists", _forbidden),
    *((WRITE, f"/me/{kind}", _forbidden) for kind in SAVED),
    *((READ, f"/me/{kind}/contains", _forbidden) for kind in SAVED),
    (WRITE, "/playlists/<id>/followers", _forbidden),
    (READ, "/playlists/<id>/followers/contains", _forbidden),
    (CHANGE, "/playlists/<id>/tracks", _forbidden),
    (READ, "/audio-features", _forbidden_in_silence),
    (READ, "/audio-features/<id>", _forbidden_in_silence),
    (READ, "/audio-analysis/<id>", _forbidden_in_silence),
    (READ, "/recommendations", _not_found),
    (READ, "/artists/<id>/related-artists", _not_found),
)


def register(api: Blueprint) -> None:
    """Let the Web API refuse all of them."""
    for number, (methods, path, refusal) in enumerate(REMOVED):

        def refuse(refusal: Callable[[], Response] = refusal, **_: str) -> Response:
            return refusal()

        api.add_url_rule(path, f"removed_{number}", refuse, methods=methods)
