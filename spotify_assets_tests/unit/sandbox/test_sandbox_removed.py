"""The endpoints that Spotify took away, as it refuses them."""

from __future__ import annotations

import pytest
import requests

from spotify_assets.sandbox.removed import REMOVED
from spotify_assets_tests.unit.sandbox.client import App

FORBIDDEN = (403, {"error": {"status": 403, "message": "Forbidden"}})
WITHOUT_MESSAGE = (403, {"error": {"status": 403}})
NOT_FOUND = (404, {"error": {"status": 404, "message": "Resource not found"}})


def ask(app: App, method: str, path: str, token: str | None) -> requests.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return requests.request(method, f"{app.sandbox.api_url}{path}", headers=headers, timeout=10)


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/tracks?ids=1,2", FORBIDDEN),
        ("GET", "/artists?ids=1", FORBIDDEN),
        ("GET", "/artists/1/top-tracks", FORBIDDEN),
        ("GET", "/browse/new-releases", FORBIDDEN),
        ("GET", "/users/mira", FORBIDDEN),
        ("POST", "/users/mira/playlists", FORBIDDEN),
        ("PUT", "/me/tracks", FORBIDDEN),
        ("DELETE", "/me/following", FORBIDDEN),
        ("GET", "/me/albums/contains", FORBIDDEN),
        ("PUT", "/playlists/1/followers", FORBIDDEN),
        ("GET", "/playlists/1/tracks", FORBIDDEN),
        ("GET", "/audio-features/1", WITHOUT_MESSAGE),
        ("GET", "/audio-features?ids=1", WITHOUT_MESSAGE),
        ("GET", "/audio-analysis/1", WITHOUT_MESSAGE),
        ("GET", "/recommendations?seed_tracks=1", NOT_FOUND),
        ("GET", "/artists/1/related-artists", NOT_FOUND),
        # Neither removed nor in the sandbox.
        ("GET", "/tracks/1", NOT_FOUND),
        ("GET", "/me/tracks", NOT_FOUND),
        ("GET", "/playlists/1/items", NOT_FOUND),
    ],
)
def test_what_was_removed_is_refused_as_spotify_does(
    app: App, method: str, path: str, expected: tuple[int, object]
) -> None:
    answer = ask(app, method, path, app.log_in()["access_token"])
    assert (answer.status_code, answer.json()) == expected
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"


def test_every_removed_endpoint_asks_for_a_token_first_and_then_never_serves(app: App) -> None:
    token = app.log_in()["access_token"]
    for methods, path, _ in REMOVED:
        for method in methods:
            assert ask(app, method, path.replace("<id>", "1"), None).status_code == 401
            refused = ask(app, method, path.replace("<id>", "1"), token)
            assert refused.status_code in (403, 404), (method, path)
