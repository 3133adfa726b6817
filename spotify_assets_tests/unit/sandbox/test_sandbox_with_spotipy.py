"""Spotipy, unchanged but for its base addresses, takes the sandbox for Spotify."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
import requests
import spotipy  # type: ignore[import-untyped]
from spotipy.cache_handler import MemoryCacheHandler  # type: ignore[import-untyped]
from spotipy.oauth2 import (  # type: ignore[import-untyped]
    SpotifyOAuth,
    SpotifyOauthError,
    SpotifyPKCE,
)

from spotify_assets.sandbox.browser import consent
from spotify_assets_tests.unit.sandbox.client import App

SCOPE = "user-read-recently-played"
NEVER_RETRIED = (418,)  # spotipy takes an empty list for its own

Client: TypeAlias = Any  # spotipy has no types


@pytest.fixture(params=["pkce", "secret"])
def client(
    app: App, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Client]:
    """Log a listener in with spotipy."""
    manager = {"pkce": SpotifyPKCE, "secret": SpotifyOAuth}[request.param]
    monkeypatch.setattr(manager, "OAUTH_AUTHORIZE_URL", f"{app.sandbox.accounts_url}/authorize")
    monkeypatch.setattr(manager, "OAUTH_TOKEN_URL", f"{app.sandbox.accounts_url}/api/token")
    secret = {"client_secret": "sandbox-secret"} if request.param == "secret" else {}

    def log_in(listener: str = "mira", scope: str = SCOPE) -> Client:
        auth = manager(
            client_id="sandbox-client",
            redirect_uri=app.redirect_uri,
            scope=scope,
            state="the-state",
            open_browser=False,
            cache_handler=MemoryCacheHandler(),
            **secret,
        )
        callback = consent(auth.get_authorize_url(), listener)
        auth.get_access_token(auth.parse_response_code(callback), check_cache=False)
        spotify = spotipy.Spotify(
            auth_manager=auth, retries=0, status_retries=0, status_forcelist=NEVER_RETRIED
        )
        spotify.prefix = f"{app.sandbox.api_url}/"
        return spotify

    return log_in


def cached(client: Client) -> dict[str, Any]:
    token: dict[str, Any] = client.auth_manager.cache_handler.get_cached_token()
    return token


def age(client: Client) -> dict[str, Any]:
    """Let the access token have expired as far as spotipy knows; returns what it holds."""
    token = {**cached(client), "expires_at": 0}
    client.auth_manager.cache_handler.save_token_to_cache(token)
    return token


def test_it_logs_in_and_reads_the_profile_and_all_recent_plays(
    app: App, client: Callable[..., Client]
) -> None:
    spotify = client("jonas")
    assert spotify.current_user()["id"] == "jonas"
    page = spotify.current_user_recently_played(limit=30)
    items = page["items"]
    while page["next"]:
        page = spotify.next(page)
        items += page["items"]
    truth = app.plays("jonas", "2026-11-01T00:00:00Z")
    assert [item["played_at"] for item in items] == [play["played_at"] for play in truth[:-51:-1]]


@pytest.mark.parametrize("rotation", [False, True])
def test_it_refreshes_and_keeps_or_replaces_its_refresh_token(
    app: App, client: Callable[..., Client], rotation: bool
) -> None:
    app.sandbox.rotation = rotation
    spotify = client()
    for _ in range(2):
        old = age(spotify)
        assert spotify.current_user()["id"] == "mira"
        new = cached(spotify)
        assert new["access_token"] != old["access_token"]
        assert (new["refresh_token"] != old["refresh_token"]) == rotation


def test_a_dead_login_is_an_error_of_its_own(app: App, client: Callable[..., Client]) -> None:
    spotify = client()
    app.sandbox.revoke("mira")
    with pytest.raises(spotipy.SpotifyException) as refused:
        spotify.current_user()
    assert refused.value.http_status == 401
    age(spotify)
    with pytest.raises(SpotifyOauthError) as dead:
        spotify.current_user()
    assert (dead.value.error, dead.value.error_description) == (
        "invalid_grant",
        "Refresh token revoked",
    )


@pytest.mark.parametrize(
    ("fault", "status", "reason", "words"),
    [
        ("rate_limited", 429, None, "API rate limit exceeded"),
        ("rate_limited_plain", 429, None, "Too many requests"),
        ("quota_exceeded", 429, "QUOTA_EXCEEDED", "Too many requests"),
        ("unauthorized", 401, None, "Missing/invalid/expired access token"),
        ("forbidden_scope", 403, None, "Insufficient client scope"),
        ("forbidden_not_listed", 403, None, "the user may not be registered"),
        ("forbidden_no_message", 403, None, "None"),
        ("forbidden_premium_required", 403, "PREMIUM_REQUIRED", "Premium required"),
        ("server_error_html", 502, None, "502 Bad Gateway"),
        ("server_error_empty", 503, None, "None"),
        ("server_error_json", 500, None, "Server error"),
    ],
)
def test_errors_of_the_web_api_become_its_own(
    app: App,
    client: Callable[..., Client],
    fault: str,
    status: int,
    reason: str | None,
    words: str,
) -> None:
    spotify = client()
    app.sandbox.faults.on(fault)
    with pytest.raises(spotipy.SpotifyException) as refused:
        spotify.current_user_recently_played()
    assert (refused.value.http_status, refused.value.reason) == (status, reason)
    assert words in refused.value.msg
    assert refused.value.headers.get("Retry-After") == {
        "rate_limited": "2",
        "rate_limited_plain": "2",
        "quota_exceeded": "43200",
    }.get(fault)


def test_what_was_removed_is_forbidden_and_what_is_not_there_not_found(
    client: Callable[..., Client],
) -> None:
    spotify = client()
    calls: tuple[tuple[Callable[[], Any], int], ...] = (
        (lambda: spotify.tracks(["4uLU6hMCjMI75M1A2tKUQC"]), 403),
        (lambda: spotify.audio_features(["4uLU6hMCjMI75M1A2tKUQC"]), 403),
        (lambda: spotify.recommendations(seed_genres=["jazz"]), 404),
    )
    for call, status in calls:
        with pytest.raises(spotipy.SpotifyException) as refused:
            call()
        assert refused.value.http_status == status


def test_broken_answers_reach_it_as_broken(app: App, client: Callable[..., Client]) -> None:
    spotify = client()
    for fault in ("reset", "answer_lost", "cut_off"):
        app.sandbox.faults.on(fault, times=1)
        with pytest.raises(requests.RequestException):
            spotify.current_user()
    app.sandbox.faults.on("not_json", times=1)
    assert spotify.current_user() is None, "spotipy's way to say that it was no JSON"
