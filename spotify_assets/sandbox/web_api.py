"""The Web API under `/v1`, as an app created in 2026 sees it.

Belongs here: endpoints, who may call them, paging. Does not belong here: the shape of objects
(`objects`) and of refusals (`errors`), what there is to tell (`listener`, `world_faults`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, g, jsonify, request
from werkzeug.http import http_date

from spotify_assets.sandbox import objects, record_faults, removed, world_faults
from spotify_assets.sandbox.clock import to_ms
from spotify_assets.sandbox.errors import api_error, not_listed, unauthorized
from spotify_assets.sandbox.grants import Grant
from spotify_assets.sandbox.world import World

RECENTLY_PLAYED_SCOPE = "user-read-recently-played"
WINDOW = 50
JSON_TYPE = "application/json; charset=utf-8"
ALL_METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH")


def blueprint(world: World) -> Blueprint:
    """The Web API of this world."""
    api = Blueprint("web_api", __name__, url_prefix="/v1")

    @api.before_request
    def check_bearer() -> Response | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return unauthorized("missing_token", "No token provided")
        access = world.grants.access(token.strip())
        if access is None:
            return unauthorized("invalid_token", "Invalid access token")
        if world.clock.now() >= access.expires_at:
            expired = "The access token expired"
            return unauthorized("invalid_token", expired, message=expired)
        if access.grant.listener in world.not_listed:
            return not_listed()
        g.grant = access.grant
        return None

    @api.get("/me")
    def me() -> Response:
        return jsonify(objects.current_user(world.listeners[_grant().listener], _api_url()))

    @api.get("/me/player/recently-played")
    def recently_played() -> Response:
        if RECENTLY_PLAYED_SCOPE not in _grant().scopes:
            return api_error(403, "Insufficient client scope")
        try:
            limit, cursor = _limit(), _cursor()
        except ValueError as problem:
            return api_error(400, str(problem))
        if world.recording and not cursor:
            response = Response(world.recording.body, content_type=JSON_TYPE)
            response.headers["Date"] = _date_not_before(world.recording.newest, world.clock.now())
            return response
        return jsonify(_page(_window(world), limit, cursor))

    @api.get("/tracks/<track_id>")
    def track(track_id: str) -> Response:
        found = world.catalogue.track(track_id)
        if found is None:
            return api_error(404, "Resource not found")
        return jsonify(objects.track(found, _api_url()))

    removed.register(api)

    @api.route("/", defaults={"path": ""}, methods=ALL_METHODS)
    @api.route("/<path:path>", methods=ALL_METHODS)
    def nothing_here(path: str) -> Response:
        return api_error(404, "Resource not found")

    return api


def _grant() -> Grant:
    grant: Grant = g.grant
    return grant


def _api_url() -> str:
    return f"{request.host_url}v1"


def _limit() -> int:
    limit = _number("limit", request.args.get("limit", "20"))
    if not 1 <= limit <= WINDOW:
        raise ValueError("Invalid limit")
    return limit


def _cursor() -> dict[str, int]:
    """`before` or `after` in milliseconds, or nothing. Raises ValueError, worded for the client."""
    given = {name: request.args[name] for name in ("before", "after") if name in request.args}
    if len(given) > 1:
        raise ValueError("Only one of before and after can be specified")
    return {name: _number(name, text) for name, text in given.items()}


def _number(name: str, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,15}", text):
        raise ValueError(f"Invalid {name}")
    return int(text)


def _window(world: World) -> list[tuple[int, Any]]:
    """The plays that the API can still tell of, newest first, with their `played_at` in ms."""
    if world.recording:
        return world.recording.window
    listener, base, faults = world.listeners[_grant().listener], _api_url(), world.faults
    window = []
    for play in world_faults.newest(listener, world.clock.now(), WINDOW, faults):
        at = to_ms(record_faults.played_at(listener, play, faults))
        record = objects.play_history(play, base)
        window.append((at, record_faults.told(listener, play, record, faults)))
    return sorted(window, key=lambda told: told[0], reverse=True)


def _page(
    window: Sequence[tuple[int, Any]], limit: int, cursor: dict[str, int]
) -> dict[str, object]:
    """The newest `limit` plays of the window on the asked side of the cursor; both exclusive."""
    before, after = cursor.get("before", math.inf), cursor.get("after", -math.inf)
    page = [(at, item) for at, item in window if after < at < before][:limit]
    address = f"{_api_url()}/me/player/recently-played"
    full = len(page) == limit
    return {
        "items": [item for _, item in page],
        "next": f"{address}?{urlencode({'before': page[-1][0], 'limit': limit})}" if full else None,
        "cursors": {"after": str(page[0][0]), "before": str(page[-1][0])} if page else None,
        "limit": limit,
        "href": f"{address}?{urlencode({**cursor, 'limit': limit})}",
    }


def _date_not_before(newest: datetime, now: datetime) -> str:
    """The `Date` of an answer, which is in whole seconds, never before what the answer tells."""
    whole_second = datetime.fromtimestamp(math.ceil(newest.timestamp()), UTC)
    return http_date(max(now, whole_second))
