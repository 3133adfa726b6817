"""How a refusal is written: in the Web API's form, in the accounts host's, or in plain text.

Belongs here: the bodies and headers that a client has to understand. Does not belong here: when
a request is refused (`web_api`, `tokens`, `removed`, `answer_faults`).
"""

from __future__ import annotations

from flask import Response, jsonify

NO_TOKEN = "Missing/invalid/expired access token"
NOT_LISTED = "Check settings on developer.spotify.com/dashboard, the user may not be registered."


def api_error(status: int, message: str | None = None, reason: str | None = None) -> Response:
    """A refusal of the Web API. Spotify leaves the message out for some endpoints."""
    told = {"status": status, "message": message, "reason": reason}
    response = jsonify(
        {"error": {name: value for name, value in told.items() if value is not None}}
    )
    response.status_code = status
    return response


def accounts_error(code: str, description: str | None = None, status: int = 400) -> Response:
    """A refusal of the accounts host, in the form of RFC 6749."""
    told = {"error": code, "error_description": description}
    response = jsonify({name: value for name, value in told.items() if value is not None})
    response.status_code = status
    response.headers["Cache-Control"] = "no-store"
    return response


def unauthorized(code: str, description: str, message: str = NO_TOKEN) -> Response:
    """A 401 of the Web API, whose header says more than its body."""
    response = api_error(401, message)
    response.headers["WWW-Authenticate"] = (
        f'Bearer realm="spotify", error="{code}", error_description="{description}"'
    )
    return response


def plain(status: int, text: str) -> Response:
    """A refusal in words alone."""
    return Response(text, status, content_type="text/plain; charset=utf-8")


def not_listed() -> Response:
    """What everybody gets who is not on the app's list in the dashboard."""
    return plain(403, NOT_LISTED)
