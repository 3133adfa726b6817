from __future__ import annotations

import json
import re
import subprocess
import sys
import unicodedata

import pytest

from spotify_assets.sandbox import objects
from spotify_assets.sandbox.catalogue import Catalogue, Track
from spotify_assets.sandbox.names import AWKWARD_TITLES

API = "http://127.0.0.1:1/v1"


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue(2026)


def as_json(tracks: tuple[Track, ...]) -> str:
    return json.dumps([objects.track(track, API) for track in tracks], sort_keys=True)


def test_the_same_seed_gives_the_same_catalogue_in_another_process(catalogue: Catalogue) -> None:
    program = (
        "import hashlib, json\n"
        "from spotify_assets.sandbox import objects\n"
        "from spotify_assets.sandbox.catalogue import Catalogue\n"
        f"tracks = [objects.track(track, {API!r}) for track in Catalogue(2026).tracks]\n"
        "print(json.dumps(tracks, sort_keys=True))\n"
    )
    environment = {"PYTHONHASHSEED": "1", "PYTHONPATH": ":".join(sys.path)}
    other = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert other.stdout.strip() == as_json(catalogue.tracks)


def test_another_seed_gives_another_catalogue(catalogue: Catalogue) -> None:
    other = {track.id for track in Catalogue(2027).tracks}
    assert other.isdisjoint(track.id for track in catalogue.tracks)


def test_it_is_about_as_large_as_a_record_collection(catalogue: Catalogue) -> None:
    assert len(catalogue.artists) == 40
    assert len(catalogue.albums) == 120
    assert 850 <= len(catalogue.tracks) <= 1000


@pytest.mark.parametrize(
    "script",
    [
        "LATIN",
        "CYRILLIC",
        "GREEK",
        "HEBREW",
        "ARABIC",
        "DEVANAGARI",
        "THAI",
        "HANGUL",
        "HIRAGANA",
        "KATAKANA",
        "CJK UNIFIED IDEOGRAPH",
    ],
)
def test_every_script_is_in_many_titles_and_in_an_artist_name(
    catalogue: Catalogue, script: str
) -> None:
    def written_in(text: str) -> bool:
        return any(unicodedata.name(letter, "").startswith(script) for letter in text)

    assert sum(written_in(track.name) for track in catalogue.tracks) > 10
    assert any(written_in(artist.name) for artist in catalogue.artists)


@pytest.mark.parametrize("seed", [0, 1, 2026])
def test_every_awkward_title_is_there_for_any_seed(seed: int) -> None:
    names = {track.name for track in Catalogue(seed).tracks}
    assert set(AWKWARD_TITLES) <= names
    everything = "\n".join(names)
    for trouble in ("<script>", "&amp;", "{{", "%s", "'", '"', "`", "“", "drop table", "\u200d"):
        assert trouble in everything
    assert 480 <= max(map(len, names)) <= 600
    assert any(name != name.strip() for name in names)


def test_ids_are_unique_and_of_spotifys_form(catalogue: Catalogue) -> None:
    ids = [artist.id for artist in catalogue.artists]
    ids += [album.id for album in catalogue.albums]
    ids += [track.id for track in catalogue.tracks]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[0-9A-Za-z]{22}", id_) for id_ in ids)
    assert all(re.fullmatch(r"ZZ[A-Z0-9]{3}[0-9]{7}", track.isrc) for track in catalogue.tracks)


def test_durations_and_positions_make_sense(catalogue: Catalogue) -> None:
    durations = [track.duration_ms for track in catalogue.tracks]
    assert 35_000 <= min(durations) < 60_000
    assert 480_000 < max(durations) <= 720_000
    for album, tracks in catalogue.by_album.items():
        assert len(tracks) == album.total_tracks
        places = [(track.disc_number, track.track_number) for track in tracks]
        assert places == sorted(set(places))


def test_a_compilation_holds_known_recordings_under_another_album_artist(
    catalogue: Catalogue,
) -> None:
    compilations = [album for album in catalogue.albums if album.album_type == "compilation"]
    assert compilations
    for album in compilations:
        for track in catalogue.by_album[album]:
            assert not set(album.artists) & set(track.artists)
            [original] = (
                other
                for other in catalogue.tracks
                if other.isrc == track.isrc
                and other.name == track.name
                and other.album.album_type != "compilation"
            )
            assert original.id != track.id


def test_guests_shared_recordings_precisions_and_other_editions_occur(
    catalogue: Catalogue,
) -> None:
    assert sum(len(track.artists) > 1 for track in catalogue.tracks) > 50
    assert all(len(set(track.artists)) == len(track.artists) for track in catalogue.tracks)
    precisions = {
        len(album.release_date): album.release_date_precision for album in catalogue.albums
    }
    assert precisions == {4: "year", 7: "month", 10: "day"}
    assert 3 <= sum(album.shelf_id != album.id for album in catalogue.albums) <= 40


def test_a_track_has_exactly_the_keys_that_a_new_app_gets(catalogue: Catalogue) -> None:
    artist = {"external_urls", "href", "id", "name", "type", "uri"}
    album = {
        *artist,
        *("album_type", "artists", "images", "is_playable", "release_date"),
        *("release_date_precision", "total_tracks"),
    }
    track = {
        *artist,
        *("album", "artists", "disc_number", "duration_ms", "explicit", "external_ids"),
        *("is_local", "is_playable", "track_number"),
    }
    for item in catalogue.tracks:
        written = objects.track(item, API)
        assert written.keys() == track
        assert written["album"].keys() == album
        assert all(someone.keys() == artist for someone in written["artists"])
        assert all(someone.keys() == artist for someone in written["album"]["artists"])
        assert written["external_ids"] == {"isrc": item.isrc}
        assert written["uri"] == f"spotify:track:{item.id}"
        assert written["href"] == f"{API}/tracks/{item.id}"
        assert written["album"]["href"] == f"{API}/albums/{item.album.id}"
        assert written["external_urls"] == {"spotify": f"https://open.spotify.com/track/{item.id}"}
