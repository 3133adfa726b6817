"""From where an image may come, and how often the Web API is asked."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from spotify_assets import times
from spotify_assets.covers.host import ImageHost
from spotify_assets.covers.tracks import MOST_CALLS, Tracks
from spotify_assets.settings import Settings
from spotify_assets_tests.unit.covers.conftest import PICTURE, Library

if TYPE_CHECKING:
    from spotify_assets_tests.unit.conftest import Serve

AT_SPOTIFY = "https://i.scdn.co/image/ab67616d0000b273e784490e65cc1f1465653e52"


@pytest.fixture
def real() -> Settings:
    """Settings of Spotify itself."""
    return Settings.load({}, env_file=None)


def image(url: object, width: object = 300) -> dict[str, object]:
    return {"url": url, "width": width, "height": width}


@pytest.mark.parametrize(
    "url",
    [
        "http://i.scdn.co/image/ab67",
        "https://i.scdn.co.example.org/image/ab67",
        "https://example.org/image/ab67",
        "https://i.scdn.co@example.org/image/ab67",
        "https://i.scdn.co:8443/image/ab67",
        "https://user:pass@i.scdn.co/image/ab67",
        "https://i.scdn.co\\@example.org/image/ab67",
        "https://i.scdn.co/image/../secrets",
        "https://i.scdn.co/image/ab67?x=1",
        "https://i.scdn.co/image/ab67\n",
        "https://i.scdn.co/image/",
        "https://i.scdn.co/elsewhere/ab67",
        "https://i.scdn.co/image/" + "a" * 101,
        "//i.scdn.co/image/ab67",
        "file:///etc/passwd",
        "http://127.0.0.1:8808/image/ab67",
        "",
        None,
        7,
    ],
)
def test_an_address_that_is_not_exactly_an_image_of_spotifys_counts_as_nothing(
    url: object, real: Settings
) -> None:
    assert ImageHost(real).addresses([image(url)]) == {}
    assert ImageHost(real).addresses([image(url), image(AT_SPOTIFY)]) == {300: AT_SPOTIFY}


def test_beside_a_sandbox_only_the_sandbox_is_asked(real: Settings) -> None:
    host = ImageHost(replace(real, api_url="http://127.0.0.1:8808/v1"))
    own = "http://127.0.0.1:8808/image/ab67"
    for url in (AT_SPOTIFY, "http://127.0.0.1:8809/image/ab67", "http://[::1]:8808/image/ab67"):
        assert host.addresses([image(url)]) == {}
    assert host.addresses([image(own)]) == {300: own}


@pytest.mark.parametrize(
    ("widths", "nearest"),
    [
        ((640, 300, 64), {64: 64, 300: 300}),
        ((64, 300, 640), {64: 64, 300: 300}),
        ((640,), {300: 640}),
        ((64,), {300: 64}),
        ((640, 160), {64: 160, 300: 160}),
        ((None,), {300: None}),
        ((None, 64), {64: 64, 300: 64}),
        (("64", 320), {64: 320, 300: 320}),
        ((True, 320), {64: 320, 300: 320}),
    ],
)
def test_the_nearest_size_is_taken_and_one_image_for_both_is_the_medium_one(
    widths: tuple[Any, ...], nearest: dict[int, Any], real: Settings
) -> None:
    urls = {width: f"{AT_SPOTIFY}{place}" for place, width in enumerate(widths)}
    found = ImageHost(real).addresses([image(url, width) for width, url in urls.items()])
    wanted = {size: urls[width] for size, width in nearest.items()}
    if len(set(wanted.values())) == 1:
        wanted.pop(64, None)
    assert found == wanted
    assert list(found)[-1] == 300


@pytest.mark.parametrize("images", [None, {}, "images", 7, [None], [[]], [{}], [{"url": []}]])
def test_images_of_another_shape_count_as_nothing(images: object, real: Settings) -> None:
    assert ImageHost(real).addresses(images) == {}


def test_the_web_api_is_asked_three_times_an_hour_and_never_without_a_login(
    serve: Serve, library: Library, real: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve((200, {}, b"{}"))
    sandbox = library(server)
    settings = replace(sandbox, api_url=real.api_url)
    now = times.now()
    assert Tracks(settings).calls_left() == MOST_CALLS == 3
    assert Tracks(replace(settings, data=settings.data / "nobody")).calls_left() == 0
    Tracks(sandbox).images_of_album(f"spotify:track:{'0' * 22}")
    assert Tracks(settings).calls_left() == 0
    monkeypatch.setattr(times, "now", lambda: now + timedelta(hours=1))
    assert Tracks(settings).calls_left() == 3


def test_an_image_is_asked_for_with_nothing_that_says_who_asks(
    serve: Serve, library: Library
) -> None:
    server = serve((200, {"Set-Cookie": "who=mira"}, PICTURE))
    host = ImageHost(library(server))
    for _ in range(2):
        assert host.get(f"{server.url}/image/1") == PICTURE
    allowed = {"Host", "User-Agent", "Accept-Encoding", "Accept", "Connection"}
    assert {name for seen in server.seen for name in seen.headers} <= allowed
