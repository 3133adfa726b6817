"""Covers on the models as dbt builds them: which albums, and what the dashboard serves of them."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text
from starlette.testclient import TestClient

from spotify_assets.covers.folder import CoverFolder
from spotify_assets.covers.wanted import albums, look_up
from spotify_assets.outputs.dashboard.app import app
from spotify_assets.outputs.marts.albums import albums_of
from spotify_assets.outputs.marts.look import Kind, Marts
from spotify_assets.outputs.report import write_reports
from spotify_assets.same_origin import hosts_of
from spotify_assets.sandbox.sleeves import sleeve
from spotify_assets.settings import Settings
from spotify_assets_tests.models.building import Built
from spotify_assets_tests.models.test_dashboard import ADDRESS

SMALL, MEDIUM = sleeve("an album", 64), sleeve("an album", 300)
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


@pytest.fixture
def settings(built: Built, tmp_path: Path) -> Settings:
    """Settings of the same warehouse, in a data folder of the test's own."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "spotify.db").symlink_to(built.settings.warehouse_path)
    return replace(built.settings, data=data)


def client_of(settings: Settings) -> TestClient:
    return TestClient(app(settings, hosts_of(3030)), base_url=ADDRESS)


def keep_all(built: Built, settings: Settings) -> None:
    folder = CoverFolder(settings.covers)
    for key in albums(built.warehouse):
        folder.store(key, 64, SMALL)
        folder.store(key, 300, MEDIUM)


def test_every_played_album_is_wanted_and_its_images_are_those_that_spotify_listed(
    built: Built,
) -> None:
    played = text("""
        select album_key from fct_track_days inner join dim_tracks using (track_key)
        where fct_track_days.content_type = 'track' and album_key <> 'unknown'
        group by 1 order by sum(plays) desc, 1
    """)
    keys = [key for (key,) in built.warehouse.read(played)]
    assert len(keys) > 10
    assert sorted(albums(built.warehouse)) == sorted(keys)
    found = list(look_up(built.warehouse, keys))
    assert [each.album_key for each in found] == keys
    for each in found:
        if each.album_key.startswith("spotify:album:"):
            assert isinstance(each.images, list)
            assert [image["width"] for image in each.images] == [640, 300, 64]
        assert str(each.track_uri).startswith("spotify:track:")


def test_a_track_has_the_cover_of_its_album_and_an_artist_that_of_an_own_one(
    built: Built,
) -> None:
    query = text("""
        select track_key, album_key, artist_key, album_artist_name = artist_name as is_own
        from dim_tracks where content_type = 'track' and album_key <> 'unknown'
    """)
    rows = built.warehouse.read(query)
    with Marts(built.settings.warehouse_path).look() as look:
        assert look is not None
        tracks = albums_of(look, Kind.TRACKS, [row.track_key for row in rows])
        assert tracks == {row.track_key: [row.album_key] for row in rows}
        artists = {row.artist_key for row in rows}
        own = {(row.artist_key, row.album_key) for row in rows if row.is_own}
        found = albums_of(look, Kind.ARTISTS, sorted(artists))
        assert found.keys() == artists
        for artist, theirs in found.items():
            assert sorted(theirs) == sorted(
                {row.album_key for row in rows if row.artist_key == artist}
            )
            if artist in {owner for owner, _ in own}:
                assert (artist, theirs[0]) in own
        assert albums_of(look, Kind.ALBUMS, ["any key"]) == {"any key": ["any key"]}
        assert albums_of(look, Kind.PODCASTS, ["any key"]) == {}
        assert albums_of(look, Kind.TRACKS, []) == {}


PAGES = ["/?period=all", *(f"/top?period=all&kind={kind}" for kind in ("tracks", "albums"))]


@pytest.mark.parametrize("page", [*PAGES, "/top?period=all&kind=artists", "/discover?period=all"])
def test_a_page_shows_the_covers_that_are_there_and_tiles_for_the_rest(
    page: str, built: Built, settings: Settings
) -> None:
    client = client_of(settings)
    assert "<img" not in client.get(page).text
    keep_all(built, settings)
    shown = client.get(page).text
    images = re.findall("<img[^>]*>", shown)
    assert images
    for image in images:
        assert re.search('width="([0-9]+)" height="\\1" alt="" loading="lazy"', image)
        for address in re.findall("/covers/[0-9a-f]{32}-(?:64|300)", image):
            assert client.get(address).status_code == 200
    assert "<img" not in client_of(replace(settings, covers_on=False)).get(page).text


@pytest.mark.parametrize("kind", ["artists", "tracks", "albums"])
def test_a_large_cover_leads_to_spotify(kind: str, built: Built, settings: Settings) -> None:
    keep_all(built, settings)
    client = client_of(settings)
    top = client.get(f"/top?period=all&kind={kind}").text
    for address in re.findall(rf'href="(/{kind}/one[^"]+)"', top):
        page = client.get(address.replace("&amp;", "&")).text
        (link,) = re.findall('<a class="cover" href="([^"]+)"', page)
        assert re.fullmatch("https://open.spotify.com/(album|track)/[0-9A-Za-z]{22}", link)


def test_a_cover_is_served_by_what_it_is(built: Built, settings: Settings) -> None:
    keep_all(built, settings)
    client = client_of(settings)
    name = CoverFolder(settings.covers).names(albums(built.warehouse)[0])[300]
    answer = client.get(f"/covers/{name}")
    assert answer.content == MEDIUM
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "private, max-age=604800"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert (
        client.get(f"/covers/{name}", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    )
    assert client_of(replace(settings, covers_on=False)).get(f"/covers/{name}").status_code == 404
    (settings.covers / name).write_bytes(SVG)
    assert client.get(f"/covers/{name}").status_code == 404


@pytest.mark.parametrize(
    "name", ["../spotify.db", "%2e%2e/spotify.db", "..%2fspotify.db", "called", "", "a" * 32]
)
def test_nothing_else_is_served_as_a_cover(name: str, built: Built, settings: Settings) -> None:
    keep_all(built, settings)
    (settings.covers / "called").write_bytes(SMALL)
    assert client_of(settings).get(f"/covers/{name}").status_code == 404


@pytest.mark.parametrize("large", [False, True])
def test_the_file_of_a_year_holds_its_covers_as_far_as_there_is_room(
    large: bool, built: Built, settings: Settings
) -> None:
    folder = CoverFolder(settings.covers)
    for key in albums(built.warehouse):
        folder.store(key, 64, SMALL)
        # The end is where it has to be.
        folder.store(key, 300, MEDIUM[:-12] + b"\0" * 250_000 + MEDIUM[-12:] if large else MEDIUM)
    (report,) = write_reports(settings, account="mira") or []
    html = report.page.read_text("utf-8")
    assert report.page.stat().st_size < 1_000_000
    images = re.findall(r'<img [^>]*src="([^"]*)"', html)
    assert 0 < len(images) < 60
    assert (len(images) < 10) == large
    assert {each[:22] for each in images} == {"data:image/png;base64,"}
    assert "srcset" not in html
    assert "/covers/" not in html
    links = re.findall(r'href="([^"]*)"', html)
    assert all(each.startswith("https://open.spotify.com/") for each in links)
    without = replace(settings, covers_on=False)
    (again,) = write_reports(without, account="mira") or []
    assert "<img" not in again.page.read_text("utf-8")
