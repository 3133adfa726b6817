"""The accounts host: the page where a person agrees or cancels, and the way back to the app.

Belongs here: what may be asked of a person, and their answer. Does not belong here: who gets
tokens for a code (`tokens`), what they are good for (`grants`, `web_api`).
"""

from __future__ import annotations

import re
from urllib.parse import urlencode, urlsplit

from flask import Blueprint, Response, jsonify, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as WerkzeugResponse

from spotify_assets.sandbox.errors import accounts_error
from spotify_assets.sandbox.grants import Grant
from spotify_assets.sandbox.tokens import Refusal, tokens
from spotify_assets.sandbox.world import SandboxConfig, World

# What the consent page says about each scope. A scope that is not here does not exist.
SCOPES = {
    "playlist-modify-private": "Change your private playlists",
    "playlist-modify-public": "Change your public playlists",
    "playlist-read-collaborative": "See playlists that you edit with others",
    "playlist-read-private": "See your private playlists",
    "ugc-image-upload": "Upload pictures in your name",
    "user-follow-modify": "Change whom you follow",
    "user-follow-read": "See whom you follow",
    "user-library-modify": "Change what you saved in your library",
    "user-library-read": "See what you saved in your library",
    "user-modify-playback-state": "Control what plays on your devices",
    "user-read-currently-playing": "See what you are playing now",
    "user-read-email": "See your e-mail address",
    "user-read-playback-position": "See how far you are in a show",
    "user-read-playback-state": "See what plays on your devices",
    "user-read-private": "See your country and subscription",
    "user-read-recently-played": "See what you played recently",
    "user-top-read": "See what you play most",
    "app-remote-control": "Control the app on your phone",
    "streaming": "Play music in your name",
}
NEVER_STORE = "no-store"
INVALID_REDIRECT = "INVALID_CLIENT: Invalid redirect URI"
INSECURE_REDIRECT = "INVALID_CLIENT: Insecure redirect URI"


def blueprint(world: World) -> Blueprint:
    """The accounts host of this world."""
    accounts = Blueprint("accounts", __name__)

    @accounts.get("/authorize")
    def ask() -> Response:
        return _refused_page(world.config) or _consent_page(world)

    @accounts.post("/authorize")
    def answer() -> WerkzeugResponse:
        # The form posts to the address of its own page, so the request is in the query again.
        if refused := _refused_page(world.config):
            return refused
        redirect_uri, state = request.args["redirect_uri"], request.args.get("state")
        listener = request.form.get("listener")
        if request.form.get("decision") != "agree":
            result = {"error": "access_denied"}
        elif listener in world.listeners:
            grant = Grant(
                listener=listener,
                scopes=_scopes(),
                redirect_uri=redirect_uri,
                code_challenge=request.args.get("code_challenge"),
                authorised_at=world.clock.now(),
            )
            result = {"code": world.grants.issue_code(grant)}
        else:
            return _consent_page(world, problem="Choose who you are.")
        if state is not None:
            result["state"] = state
        joint = "&" if "?" in redirect_uri else "?"
        return redirect(f"{redirect_uri}{joint}{urlencode(result)}", code=303)

    @accounts.post("/api/token")
    def token() -> Response:
        try:
            response = jsonify(tokens(world))
        except Refusal as refusal:
            return accounts_error(refusal.code, refusal.description)
        response.headers["Cache-Control"] = NEVER_STORE
        return response

    return accounts


def _scopes() -> tuple[str, ...]:
    return tuple(dict.fromkeys(request.args.get("scope", "").split()))


def _refused_page(config: SandboxConfig) -> Response | None:
    """A page without any redirect when the app asked wrongly; else None."""
    problem = _problem(config)
    if problem is None:
        return None
    asked = request.args.get("redirect_uri")
    page = render_template(
        "refused.html", problem=problem, asked=asked, redirect_uris=config.redirect_uris
    )
    return _page(page, 400)


def _problem(config: SandboxConfig) -> str | None:
    asked = request.args
    method, challenge = asked.get("code_challenge_method"), asked.get("code_challenge")
    redirect_problem = _redirect_problem(asked.get("redirect_uri", ""), config.redirect_uris)
    rules = (
        (asked.get("client_id") == config.client_id, "INVALID_CLIENT: Invalid client"),
        (redirect_problem is None, redirect_problem),
        (asked.get("response_type") == "code", "response_type must be code"),
        (SCOPES.keys() >= set(_scopes()), "INVALID_SCOPE: Invalid scope"),
        (
            method == "S256" if challenge is not None else method is None,
            "code_challenge_method must be S256, and comes with a code_challenge",
        ),
        (
            challenge is None or re.fullmatch(r"[A-Za-z0-9_-]{43}", challenge),
            "code_challenge must be 43 characters of base64url",
        ),
    )
    return next((problem for holds, problem in rules if not holds), None)


def _redirect_problem(redirect_uri: str, registered: tuple[str, ...]) -> str | None:
    """What is wrong about where the app wants to be called back.

    Spotify's rules of 2025: https, or http to a loopback address written as a number and with a
    port, which the dashboard asks for since 2026; `localhost` never. Schemes of an app's own are
    let through. RFC 6749 forbids a fragment.
    """
    if redirect_uri not in registered:
        return INVALID_REDIRECT
    try:
        parts = urlsplit(redirect_uri)
        port = parts.port
    except ValueError:
        return INVALID_REDIRECT
    host = parts.hostname or ""
    is_web, is_loopback = parts.scheme in ("http", "https"), host in ("127.0.0.1", "::1")
    if host.rstrip(".") == "localhost" or (parts.scheme == "http" and host and not is_loopback):
        return INSECURE_REDIRECT
    no_address = not parts.scheme or "#" in redirect_uri or (is_web and not host)
    return INVALID_REDIRECT if no_address or (is_loopback and port is None) else None


def _consent_page(world: World, problem: str | None = None) -> Response:
    page = render_template(
        "authorize.html",
        app_name=world.config.app_name,
        redirect_uri=request.args["redirect_uri"],
        scopes=[(scope, SCOPES[scope]) for scope in _scopes()],
        listeners=world.listeners.values(),
        problem=problem,
    )
    return _page(page, 400 if problem else 200)


def _page(page: str, status: int) -> Response:
    response = make_response(page, status)
    response.headers["Cache-Control"] = NEVER_STORE
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
    )
    return response
