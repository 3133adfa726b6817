"""Each album of the sandbox has a sleeve of its own, a PNG that any program can read."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import pytest
import requests

from spotify_assets.sandbox.catalogue import Catalogue
from spotify_assets.sandbox.sleeves import COMPOSITIONS, sleeve
from spotify_assets_tests.unit.sandbox.client import App

SIZES = (64, 300, 640)


def chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of each chunk, whose check sums are right."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    place = 8
    while place < len(png):
        (length,) = struct.unpack(">I", png[place : place + 4])
        kind, content = png[place + 4 : place + 8], png[place + 8 : place + 8 + length]
        (check,) = struct.unpack(">I", png[place + 8 + length : place + 12 + length])
        assert zlib.crc32(kind + content) == check
        yield kind, content
        place += 12 + length


def pixels(png: bytes, size: int) -> bytes:
    """The rows of a picture of this size, eight bits of red, green and blue each."""
    (first, head), *middle, (last, _) = chunks(png)
    assert (first, last) == (b"IHDR", b"IEND")
    assert struct.unpack(">IIBBBBB", head) == (size, size, 8, 2, 0, 0, 0)
    rows = zlib.decompress(b"".join(content for _, content in middle))
    assert len(rows) == size * (1 + 3 * size)
    assert set(rows[:: 1 + 3 * size]) == {0}
    return rows


@pytest.mark.parametrize("size", SIZES)
def test_a_sleeve_is_a_valid_picture_of_its_size(size: int) -> None:
    for album in map(str, range(60)):
        assert len(set(pixels(sleeve(album, size), size))) > 4


def test_different_albums_have_different_sleeves_of_all_kinds_and_the_same_one_the_same() -> None:
    albums = [album.image for album in Catalogue(2026).albums]
    sleeves = {sleeve(album, 64) for album in albums}
    assert len(sleeves) == len(albums)
    assert {sleeve(album, 64) for album in albums} == sleeves
    assert len(COMPOSITIONS) >= 6


def test_an_albums_images_are_at_the_sandbox_and_ask_for_no_token(app: App) -> None:
    page = app.recently_played(app.log_in()["access_token"], limit=50).json()
    for item in page["items"]:
        images = item["track"]["album"]["images"]
        assert [image["width"] for image in images] == [640, 300, 64]
    for image in images:
        assert image["url"].startswith(f"{app.sandbox.url}/image/")
        answer = requests.get(image["url"], timeout=10)
        assert answer.headers["Content-Type"] == "image/png"
        pixels(answer.content, image["width"])


@pytest.mark.parametrize(
    "name", ["", "nothing", "ab67616d0000b273" + "0" * 24, "ab67616d00001e02", "../v1/me"]
)
def test_there_is_no_image_of_what_is_no_album(app: App, name: str) -> None:
    assert requests.get(f"{app.sandbox.url}/image/{name}", timeout=10).status_code in (401, 404)


def test_a_track_by_its_id_is_the_one_that_was_listed(app: App) -> None:
    token = app.log_in()["access_token"]
    listed = app.recently_played(token, limit=1).json()["items"][0]["track"]
    assert app.get(f"/tracks/{listed['id']}", token).json() == listed
    assert app.get(f"/tracks/{listed['id']}", None).status_code == 401
