"""What Spotify does not have: the hand on the clock, and the truth about who played what.

Belongs here: endpoints under `/sandbox` that tell the time and what really happened. Does not
belong here: what goes wrong (`switches`), anything that a client of Spotify could call.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from flask import Blueprint, Response, jsonify, request

from spotify_assets import times
from spotify_assets.sandbox.listener import Play
from spotify_assets.sandbox.world import World
from spotify_assets.sandbox.world_faults import tells_short_plays


def blueprint(world: World) -> Blueprint:
    """The administration of this world."""
    admin = Blueprint("admin", __name__, url_prefix="/sandbox")
    clock = world.clock

    def set_speed(speed: float) -> None:
        clock.speed = speed

    changes: dict[str, Callable[..., None]] = {
        "now": lambda text: clock.set(times.from_text(text)),
        "advance_seconds": lambda seconds: clock.advance(timedelta(seconds=seconds)),
        "speed": set_speed,
    }

    @admin.get("/clock")
    def read_clock() -> Response:
        return jsonify({"now": times.to_text(clock.now()), "speed": clock.speed})

    @admin.post("/clock")
    def change_clock() -> Response:
        body = request.get_json(silent=True)
        if not isinstance(body, dict) or len(body) != 1 or not body.keys() <= changes.keys():
            return _refuse(f"send a JSON object with exactly one of: {', '.join(changes)}")
        [(name, value)] = body.items()
        try:
            changes[name](value)
        except (TypeError, ValueError, OverflowError) as error:
            return _refuse(f"{name}: {error}")
        return read_clock()

    @admin.get("/plays")
    def truth() -> Response:
        listener = world.listeners.get(request.args.get("listener", ""))
        if listener is None:
            return _refuse(f"listener must be one of: {', '.join(world.listeners)}")
        try:
            end = times.from_text(request.args["end"]) if "end" in request.args else clock.now()
            start = times.from_text(request.args["start"])
            plays = listener.plays(start, end, tells_short_plays(world.faults))
        except KeyError:
            return _refuse("start is missing")
        except (ValueError, OverflowError) as error:
            return _refuse(str(error))
        return jsonify({"plays": [_truth(play) for play in plays]})

    return admin


def _truth(play: Play) -> dict[str, object]:
    return {
        "played_at": times.to_text(play.ended_at),
        "started_at": times.to_text(play.started_at),
        "ms_played": play.ms_played,
        "duration_ms": play.track.duration_ms,
        "track_uri": f"spotify:track:{play.track.id}",
        "track_name": play.track.name,
        "artist_name": play.track.artists[0].name,
        "album_name": play.track.album.name,
        "context_uri": play.context.uri if play.context else None,
    }


def _refuse(problem: str) -> Response:
    response = jsonify({"error": problem})
    response.status_code = 400
    return response
