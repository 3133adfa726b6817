"""Rows that Spotify does not usually send, from what was received to the fact, in one build.

Every optional field in turn has another type in a whole page and in a whole file; rows are of
another kind than the name of their file says; chapters and tracks end in one second.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from spotify_assets import times
from spotify_assets.contracts.recently_played import BOOLEANS, INTEGERS, TEXTS
from spotify_assets.sandbox.server import Sandbox
from spotify_assets.spotify.export.fields import OF_EXTENDED
from spotify_assets.spotify.export.files import find_packages
from spotify_assets.spotify.state import LandedPage
from spotify_assets.warehouse.draining import load_of
from spotify_assets.warehouse.drift import unread_fields
from spotify_assets.warehouse.importing import import_packages
from spotify_assets.warehouse.loading import write_load
from spotify_assets.warehouse.tables import raw_recently_played
from spotify_assets.warehouse.warehouse import Warehouse
from spotify_assets_tests.models.building import dbt_run
from spotify_assets_tests.support import user_of

BEGIN = datetime(2024, 3, 1, 8, tzinfo=UTC)
LISTED_FROM = BEGIN + timedelta(days=60)  # so that no play of one source is one of the other
SPACING = timedelta(minutes=5)
EACH = 6  # plays of each page and file
OBJECTS = ("artists", "album", "external_ids", "context")
ODD: tuple[Any, ...] = ({"a": 1}, [7], -1.5)

Row = dict[str, Any]


def item(number: int) -> Row:
    artists = [{"name": f"artist {number}", "uri": f"spotify:artist:{number}"}]
    album = {
        "name": "album",
        "uri": "spotify:album:1",
        "album_type": "album",
        "total_tracks": 9,
        "release_date": "2020",
        "release_date_precision": "year",
        "artists": artists,
    }
    track = {
        "uri": f"spotify:track:{number}",
        "id": str(number),
        "name": f"song {number}",
        "artists": artists,
        "album": album,
        "duration_ms": 200_000,
        "explicit": False,
        "is_local": False,
        "external_ids": {"isrc": f"NO{number}"},
        "disc_number": 1,
        "track_number": 1,
    }
    ended = times.to_text(LISTED_FROM + number * SPACING)
    return {"played_at": ended, "track": track, "context": {"type": "album", "uri": "x"}}


def change(item: Row, field: str, value: Any) -> None:
    """Give a column's value, or an object that holds several, another type."""
    track, album = item["track"], item["track"]["album"]
    first = track["artists"][0] if isinstance(track["artists"], list) else {}
    places: dict[str, tuple[Row, str]] = {
        **{name: (track, name) for name in ("artists", "album", "external_ids")},
        "context": (item, "context"),
        "track_id": (track, "id"),
        "artist_name": (first, "name"),
        "artist_uri": (first, "uri"),
        "album_name": (album, "name"),
        "album_uri": (album, "uri"),
        "album_artist_name": (album["artists"][0], "name"),
        "album_total_tracks": (album, "total_tracks"),
        "isrc": (track["external_ids"], "isrc"),
        "context_type": (item["context"], "type"),
        "context_uri": (item["context"], "uri"),
    }
    holder, name = places.get(field) or (album if field in album else track, field)
    holder[name] = value


def exported(number: int, **changes: Any) -> Row:
    return {
        "ts": times.to_text(BEGIN + number * SPACING)[:19] + "Z",
        "ms_played": 200_000,
        "spotify_track_uri": f"spotify:track:x{number}",
        "master_metadata_track_name": f"title {number}",
        "master_metadata_album_artist_name": "somebody",
        "master_metadata_album_album_name": "an album",
    } | changes


API_FIELDS = [*INTEGERS, *BOOLEANS, *(name for name in TEXTS if name != "artist_names"), *OBJECTS]
EXPORT_FIELDS = [name for name in OF_EXTENDED if name not in ("ts", "ms_played")]

NO_URI: Row = dict.fromkeys(
    ("spotify_track_uri", *(name for name in exported(0) if name.startswith("master")))
)
BOOK = NO_URI | {"audiobook_title": "a book", "audiobook_uri": "spotify:show:1"}
# Plays of one second and equal length that are different ones.
AT_ONCE: dict[str, list[Row]] = {
    "chapters with URIs": [
        BOOK | {"audiobook_chapter_uri": f"spotify:episode:c{n}"} for n in range(3)
    ],
    "chapters with titles": [
        NO_URI | {"audiobook_title": "a book", "audiobook_chapter_title": f"chapter {n}"}
        for n in range(3)
    ],
    "chapters with the URI of their book": [
        BOOK | {"audiobook_chapter_title": f"chapter {n}"} for n in range(3)
    ],
    "books": [NO_URI | {"audiobook_title": f"book {n}"} for n in range(3)],
    "tracks of other albums": [
        {"spotify_track_uri": None, "master_metadata_album_album_name": f"album {n}"}
        for n in range(3)
    ],
    "files of one's own": [
        {"spotify_track_uri": None, "master_metadata_track_name": f"file {n}"} for n in range(3)
    ],
    "episodes without URIs": [
        NO_URI | {"episode_name": f"episode {n}", "episode_show_name": "a show"} for n in range(3)
    ],
    "an episode, a chapter and a track": [
        NO_URI | {"spotify_episode_uri": "spotify:episode:1"},
        NO_URI | {"audiobook_chapter_uri": "spotify:episode:2"},
        {"spotify_track_uri": "spotify:track:1"},
    ],
}
OF_OTHER_KINDS = {
    "StreamingHistory_music_0.json": [
        {"endTime": "2025-07-01 08:00", "artistName": "a", "trackName": "t", "msPlayed": 180_001},
        {"endTime": "2025-07-01 09:00", "podcastName": "p", "episodeName": "e", "msPlayed": 1},
        {"endTime": "2025-07-01 10:00", "audiobookName": "b", "authorName": "w", "msPlayed": 2},
        {"endTime": "2025-07-01 11:00", "artistName": "", "trackName": "", "podcastName": "p 2",
         "episodeName": "e 2", "msPlayed": 3},
    ],
    "StreamingHistory_podcast_0.json": [
        {"endTime": "2025-07-02 08:00", "artistName": "a", "trackName": "t 2", "msPlayed": 4},
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def warehouse(still_spotify: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    folder: Path = tmp_path_factory.mktemp("odd")
    settings = user_of(still_spotify.environment(), folder / "user").settings
    settings.make_data_folder()
    warehouse = Warehouse(settings.warehouse_path)
    for place, field in enumerate(API_FIELDS):
        items = [item(place * 10 + number) for number in range(EACH)]
        for number, each in enumerate(items):
            change(each, field, ODD[number % len(ODD)])
        body = json.dumps({"items": items[::-1]})
        answered = times.to_text(LISTED_FROM + (place + 1) * 10 * SPACING)
        page = LandedPage(f"page {field}", "mira", answered, answered, body)
        write_load(warehouse.writer(), raw_recently_played, load_of(page))
    files: dict[str, list[Row]] = {
        f"endsong_{place}.json": [
            exported(place * 10 + number, **{field: ODD[number % len(ODD)]})
            for number in range(EACH)
        ]
        for place, field in enumerate(EXPORT_FIELDS)
    }
    import_files(folder / "drift", settings, "mira", files)
    for place, rows in enumerate(AT_ONCE.values()):
        files = {"endsong_0.json": [exported(place, **row) for row in rows]}
        import_files(folder / str(place), settings, f"at once {place}", files)
    import_files(folder / "kinds", settings, "jonas", OF_OTHER_KINDS)
    dbt_run(settings, "--select", "+fct_plays")
    return warehouse


def import_files(folder: Path, settings: Any, account: str, files: dict[str, list[Row]]) -> None:
    folder.mkdir()
    for name, rows in files.items():
        (folder / name).write_text(json.dumps(rows))
    done = list(import_packages(settings, account, find_packages([folder]), lambda *_: None))
    assert [file.error for file in done] == [None] * len(files)
    assert [file.receipt.rows_loaded for file in done] == [len(rows) for rows in files.values()]


def rows(warehouse: Warehouse, query: str) -> Iterator[tuple[Any, ...]]:
    return map(tuple, warehouse.read(text(query)))


def test_a_format_that_changes_loses_no_play_and_its_fields_are_named(warehouse: Warehouse) -> None:
    plays = dict(
        rows(
            warehouse,
            "select source, count(*) from fct_plays where account_id = 'mira' group by source",
        )
    )
    assert plays == {"api": EACH * len(API_FIELDS), "export": EACH * len(EXPORT_FIELDS)}
    without = "select count(*) from fct_plays where ms_played is null or started_at is null"
    assert list(rows(warehouse, without)) == [(0,)]
    for source, fields in (("recently_played", API_FIELDS), ("streaming_history", EXPORT_FIELDS)):
        found = unread_fields(warehouse, source, times.now())
        # A list is what `artists` should be, and an object what the others should be.
        names = {each.field.removesuffix("[0]").removesuffix(".artists") for each in found}
        assert names == set(fields)
        assert all(each.has_changed for each in found if each.rows >= EACH)
        assert sum(each.has_changed for each in found) >= len(fields) - len(OBJECTS)


@pytest.mark.parametrize("place", range(len(AT_ONCE)), ids=list(AT_ONCE))
def test_plays_of_one_second_and_equal_length_are_as_many(place: int, warehouse: Warehouse) -> None:
    of_account = f"where account_id = 'at once {place}'"
    counted = "count(*), count(distinct row_key)"
    raw = rows(warehouse, f"select {counted} from raw_streaming_history {of_account}")
    assert list(raw) == [(3, 3)]
    assert list(rows(warehouse, f"select count(*) from fct_plays {of_account}")) == [(3,)]


def test_rows_of_another_kind_are_plays_of_theirs(warehouse: Warehouse) -> None:
    query = (
        "select content_type, track_name, artist_name from fct_plays"
        " where account_id = 'jonas' order by ended_at"
    )
    assert list(rows(warehouse, query)) == [
        ("track", "t", "a"),
        ("episode", "e", "p"),
        ("audiobook", "b", "w"),
        ("episode", "e 2", "p 2"),
        ("track", "t 2", "a"),
    ]
