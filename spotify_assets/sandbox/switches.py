"""What can be switched while the sandbox runs: faults, rotation, the app's list, revocation.

Belongs here: endpoints under `/sandbox` that change how Spotify behaves. Does not belong here:
the clock and the truth (`admin`), what a switch does (`faults`, `world`).
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, request

from spotify_assets.sandbox.world import World


def blueprint(world: World) -> Blueprint:
    """The switches of this world."""
    switches = Blueprint("switches", __name__, url_prefix="/sandbox")

    @switches.errorhandler(ValueError)
    def refuse(problem: ValueError) -> Response:
        response = jsonify({"error": str(problem)})
        response.status_code = 400
        return response

    @switches.get("/faults")
    def faults() -> Response:
        return jsonify({"faults": world.faults.describe()})

    @switches.put("/faults/<name>")
    def switch_on(name: str) -> Response:
        world.faults.on(name, **_object())
        return faults()

    @switches.delete("/faults/<name>")
    def switch_off(name: str) -> Response:
        world.faults.off(name)
        return faults()

    @switches.delete("/faults")
    def switch_all_off() -> Response:
        world.faults.off()
        return faults()

    @switches.get("/rotation")
    def rotation() -> Response:
        return jsonify({"rotation": world.rotation})

    @switches.put("/rotation")
    def switch_rotation() -> Response:
        value = _only("rotation")
        if not isinstance(value, bool):
            raise ValueError("rotation must be true or false")
        world.rotation = value
        return rotation()

    @switches.get("/not-listed")
    def not_listed() -> Response:
        return jsonify({"not_listed": world.not_listed})

    @switches.put("/not-listed")
    def change_not_listed() -> Response:
        value = _only("not_listed")
        if not isinstance(value, list):
            raise ValueError("not_listed must be a list of listeners")
        world.not_listed = tuple(value)
        return not_listed()

    @switches.post("/revoke")
    def revoke() -> Response:
        listener = _only("listener")
        world.revoke(listener)
        return jsonify({"revoked": listener})

    return switches


def _object() -> dict[str, Any]:
    """The request's JSON object; an empty one where nothing was sent. Raises ValueError."""
    body = request.get_json(silent=True) if request.get_data() else {}
    if not isinstance(body, dict):
        raise ValueError("send a JSON object as application/json, or nothing")
    return body


def _only(name: str) -> Any:
    """The one value that is asked for. Raises ValueError."""
    body = _object()
    if body.keys() != {name}:
        raise ValueError(f"send a JSON object with exactly one member: {name}")
    return body[name]
