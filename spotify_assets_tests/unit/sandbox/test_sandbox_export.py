from __future__ import annotations

import json
import re
import zipfile
from bisect import bisect
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from spotify_assets.sandbox.catalogue import Catalogue
from spotify_assets.sandbox.export import (
    PERSONAL_FILES,
    PERSONAL_MARK,
    account_data_rows,
    extended_rows,
    write_account_data,
    write_extended,
)
from spotify_assets.sandbox.export_form import EXTENDED_KEYS, ExportRow, Row
from spotify_assets.sandbox.listener import Listener

CATALOGUE = Catalogue(2026)
START = datetime(2022, 3, 1, 17, 30, tzinfo=UTC)
END = datetime(2026, 3, 1, 9, 15, tzinfo=UTC)
PACKED_SINCE = END - timedelta(days=70)
MINUTE, SLACK = timedelta(minutes=1), timedelta(seconds=3)
EXTENDED = "Spotify Extended Streaming History/"
ACCOUNT = "Spotify Account Data/"
VIDEOS = "Streaming_History_Video_2026.json"  # the first was seen in January
# Those of a real row in an export of 2025 that was published.
KEYS_OF_A_REAL_ROW = (
    "ts platform ms_played conn_country ip_addr master_metadata_track_name"
    " master_metadata_album_artist_name master_metadata_album_album_name spotify_track_uri"
    " episode_name episode_show_name spotify_episode_uri audiobook_title audiobook_uri"
    " audiobook_chapter_uri audiobook_chapter_title reason_start reason_end shuffle skipped"
    " offline offline_timestamp incognito_mode"
)


def a_listener(listener_id: str = "mira", always_on: bool = False) -> Listener:
    return Listener(listener_id, CATALOGUE, 2026, always_on)


@pytest.fixture(scope="module")
def rows() -> list[ExportRow]:
    """Four years of somebody who sleeps."""
    return list(extended_rows(a_listener(), START, END))


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The extended history of ten weeks of somebody who does not."""
    path = tmp_path_factory.mktemp("export") / "my_spotify_data.zip"
    write_extended(path, a_listener(always_on=True), PACKED_SINCE, END)
    return path


@pytest.fixture(scope="module")
def account_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "my_spotify_data_2.zip"
    write_account_data(path, a_listener(), START, END)
    return path


def moment(ts: str) -> datetime:
    return datetime.fromisoformat(ts)


def ends(row: Row) -> list[datetime]:
    """The moments at which the row's play may have ended: `ts`, and as the client's clock says."""
    found = [moment(row["ts"])]
    if row["offline"] or row["reason_end"] == "logout":
        start = row["offline_timestamp"] / (1000 if row["offline_timestamp"] > 1e11 else 1)
        found.append(datetime.fromtimestamp(start + row["ms_played"] / 1000, UTC))
    return found


def contents(path: Path, name: str) -> dict[str, Any]:
    """The members of an archive whose name, without the folder, matches; by that name, parsed."""
    with zipfile.ZipFile(path) as archive:
        return {
            Path(member).name: json.loads(archive.read(member))
            for member in archive.namelist()
            if re.fullmatch(name, Path(member).name)
        }


def test_every_row_has_the_keys_of_a_real_row_in_their_order(rows: list[ExportRow]) -> None:
    assert " ".join(EXTENDED_KEYS) == KEYS_OF_A_REAL_ROW
    assert {tuple(item.row) for item in rows} == {EXTENDED_KEYS}


def test_every_play_has_one_row_and_the_truth_names_it(rows: list[ExportRow]) -> None:
    plays = a_listener().plays(START, END, with_short=True)
    told = [item for item in rows if item.kind == "play"]
    assert len(plays) > 15_000
    by_end = sorted(told, key=lambda item: item.play.ended_at if item.play else START)
    assert [item.play for item in by_end] == plays
    for item in told:
        assert item.play
        assert item.row["spotify_track_uri"] == f"spotify:track:{item.play.track.id}"
        assert item.row["ms_played"] == item.play.ms_played


def test_what_the_web_api_lists_has_a_row_of_the_same_track_within_a_minute(
    rows: list[ExportRow],
) -> None:
    by_uri: dict[str, list[datetime]] = {}
    for item in rows:
        if item.row["ms_played"]:
            by_uri.setdefault(item.row["spotify_track_uri"], []).extend(ends(item.row))
    for times in by_uri.values():
        times.sort()
    for play in a_listener().plays(START, END):
        times, ended = by_uri[f"spotify:track:{play.track.id}"], play.ended_at
        place = bisect(times, ended)
        assert min(abs(end - ended) for end in times[max(place - 1, 0) : place + 1]) <= SLACK


def test_a_row_is_stamped_up_to_two_seconds_later_than_the_api_says_or_rarely_far_later(
    rows: list[ExportRow],
) -> None:
    late, delays = [], Counter[int]()
    for row, play, _ in rows:
        if play and (row["offline"] or row["reason_end"] == "logout"):
            late.append(row)
            assert moment(row["ts"]) > play.ended_at - timedelta(seconds=1)
            assert min(abs(end - play.ended_at) for end in ends(row)) < timedelta(seconds=3)
        elif play:
            ended = play.ended_at.replace(microsecond=0)
            delays[int((moment(row["ts"]) - ended).total_seconds())] += 1
    assert delays.keys() <= {0, 1, 2}
    assert len(delays) == 2
    assert 10 < len(late) < len(rows) / 50


def test_other_people_have_other_delays() -> None:
    def delays(listener_id: str) -> set[float]:
        told = extended_rows(a_listener(listener_id), END - timedelta(days=30), END)
        return {
            (moment(row["ts"]) - play.ended_at.replace(microsecond=0)).total_seconds()
            for row, play, _ in told
            if play and not row["offline"] and row["reason_end"] != "logout"
        }

    found = {frozenset(delays(name)) for name in ("mira", "jonas", "a", "b", "c", "d", "e")}
    assert found == {frozenset({0, 1}), frozenset({1, 2})}


def test_what_is_in_the_export_but_not_in_the_api_is_there_but_rare(rows: list[ExportRow]) -> None:
    kinds = Counter(item.kind for item in rows)
    expected = {"duplicate", "copy", "zero", "podcast", "audiobook", "video", "local", "incognito"}
    assert kinds.keys() == {"play"} | expected
    assert all(20 < kinds[kind] < len(rows) / 40 for kind in expected)


SHAPES: dict[str, Callable[[Row], bool]] = {
    "zero": lambda row: row["ms_played"] == 0 and bool(row["spotify_track_uri"]),
    "podcast": lambda row: bool(row["episode_name"] and row["spotify_episode_uri"]),
    "video": lambda row: bool(row["episode_name"] and row["spotify_episode_uri"]),
    "audiobook": lambda row: bool(row["audiobook_title"] and row["audiobook_chapter_uri"]),
    "local": lambda row: bool(row["master_metadata_track_name"]) and not row["spotify_track_uri"],
    "incognito": lambda row: row["incognito_mode"] and bool(row["spotify_track_uri"]),
}


@pytest.mark.parametrize("kind", SHAPES)
def test_rows_of_a_kind_look_like_it_and_are_nobody_s_play(
    kind: str, rows: list[ExportRow]
) -> None:
    of_kind = [item for item in rows if item.kind == kind]
    assert of_kind
    assert all(SHAPES[kind](item.row) and item.play is None for item in of_kind)
    if kind in {"podcast", "video", "audiobook"}:
        assert not any(item.row["spotify_track_uri"] for item in of_kind)


def test_duplicates_repeat_the_row_of_their_play_and_copies_lack_skipped_only(
    rows: list[ExportRow],
) -> None:
    of_play = {item.play: item.row for item in rows if item.kind == "play"}
    for row, play, kind in rows:
        if kind == "duplicate":
            assert row == of_play[play]
        if kind == "copy":
            assert row["skipped"] is None
            assert of_play[play] == {**row, "skipped": of_play[play]["skipped"]}
            assert of_play[play]["skipped"] is not None


def test_offline_sessions_share_one_stamp_and_no_two_plays_become_one_row(
    rows: list[ExportRow],
) -> None:
    plays = [item.row for item in rows if item.kind == "play"]
    stamps = Counter(row["ts"] for row in plays if row["offline"])
    assert max(stamps.values()) > 2
    keys = [(row["ts"], row["ms_played"], row["spotify_track_uri"]) for row in plays]
    assert len(set(keys)) == len(keys)


def test_a_start_comes_in_seconds_in_milliseconds_and_not_at_all(rows: list[ExportRow]) -> None:
    starts = [item.row["offline_timestamp"] for item in rows]
    in_ms = {start for start in starts if start and start > 1e11}
    assert 0 < len(in_ms) < len(rows) / 30
    assert 0 < starts.count(None) < len(rows) / 100
    for row, play, _ in rows:
        if play and row["offline_timestamp"] not in in_ms | {None}:
            assert row["offline_timestamp"] == int(play.started_at.timestamp())


def test_some_rows_have_lost_their_names_but_not_their_track(rows: list[ExportRow]) -> None:
    nameless = [
        item for item in rows if item.play and item.row["master_metadata_track_name"] is None
    ]
    assert 0 < len(nameless) < len(rows) / 200
    assert all(item.row["spotify_track_uri"] for item in nameless)


def test_rows_say_the_artist_of_the_album(rows: list[ExportRow]) -> None:
    artists = {
        item.row["master_metadata_album_artist_name"]
        for item in rows
        if item.play and item.play.track.album.album_type == "compilation"
    }
    assert artists - {None} == {"Various Artists"}


def test_a_play_that_is_cut_short_is_skipped_and_what_follows_says_so(
    rows: list[ExportRow],
) -> None:
    plays = [item for item in rows if item.kind == "play" and not item.row["offline"]]
    for row, play, _ in plays:
        assert play
        whole = play.ms_played == play.track.duration_ms
        assert row["reason_end"] in {"logout", "trackdone"} or not whole
        if row["ts"] >= "2022-11":
            assert row["skipped"] == (row["reason_end"] in {"fwdbtn", "backbtn", "endplay"})
        if row["ts"] < "2022-09-30":
            assert row["skipped"] is False
    pairs = Counter(
        (earlier.row["reason_end"], later.row["reason_start"]) for earlier, later in pairwise(plays)
    )
    assert pairs["trackdone", "trackdone"] > 0.6 * len(plays)
    assert pairs["fwdbtn", "fwdbtn"] > 0.05 * len(plays)


def test_the_names_of_platforms_became_short_in_october_2023(rows: list[ExportRow]) -> None:
    before = {item.row["platform"] for item in rows if item.row["ts"] < "2023-10-18"}
    since = {item.row["platform"] for item in rows if item.row["ts"] > "2023-10-20"}
    assert all(re.fullmatch("[a-z_]+", platform) for platform in since)
    assert all(" " in platform for platform in before)


@pytest.mark.parametrize("always_on", [False, True])
def test_the_same_rows_come_out_whatever_windows_are_asked_for(always_on: bool) -> None:
    nights = [START.replace(hour=4, minute=0) + timedelta(days=day) for day in (0, 1, 4, 5, 30)]
    whole = list(extended_rows(a_listener(always_on=always_on), nights[0], nights[-1]))
    fresh = a_listener(always_on=always_on)
    pieces = [
        list(extended_rows(fresh, start, end)) for start, end in reversed(list(pairwise(nights)))
    ]
    assert [item for piece in reversed(pieces) for item in piece] == whole


def test_a_row_that_spotify_was_told_of_later_is_in_later_windows_only(
    rows: list[ExportRow],
) -> None:
    listener = a_listener()
    late = [item for item in rows if item.kind == "play" and item.row["offline"]]
    for item in late[:: len(late) // 10]:
        assert item.play
        start, told = item.play.ended_at - MINUTE, moment(item.row["ts"])
        early = list(extended_rows(listener, start, told - MINUTE))
        assert item not in early
        assert item in extended_rows(listener, start, told)
        plays = listener.plays(start, told - MINUTE, with_short=True)
        missing = set(plays) - {other.play for other in early}
        assert item.play in missing
        assert missing <= {other.play for other in rows if other.row["ts"] == item.row["ts"]}


def test_the_archive_is_packed_as_spotify_packs_it(packed: Path) -> None:
    with zipfile.ZipFile(packed) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        text = archive.read(names[1]).decode()
    assert names == [
        EXTENDED + "ReadMeFirst_ExtendedStreamingHistory.pdf",
        EXTENDED + "Streaming_History_Audio_2025-2026_0.json",
        EXTENDED + "Streaming_History_Audio_2026_1.json",
        EXTENDED + VIDEOS,
    ]
    assert text.startswith('[\n  {\n    "ts": "2025-')
    assert "まど" in text


def test_a_file_holds_16000_rows_out_of_order_and_its_span_overlaps_the_next(packed: Path) -> None:
    first, second = (
        [row["ts"] for row in file] for file in contents(packed, ".*_Audio_.*").values()
    )
    assert len(first) == 16_000
    assert max(first) > min(second)
    ordered = sum(earlier <= later for earlier, later in pairwise(first))
    assert 0.4 < ordered / len(first) < 0.9


def test_the_files_hold_all_rows_and_the_video_file_those_of_videos(packed: Path) -> None:
    expected = list(extended_rows(a_listener(always_on=True), PACKED_SINCE, END))
    files = contents(packed, ".*json")
    videos = files.pop(VIDEOS)
    assert videos == [item.row for item in expected if item.kind == "video"]
    assert {row["ts"][:4] for row in videos} == {"2026"}
    found = [row for file in files.values() for row in file]
    assert as_counts(found) == as_counts(item.row for item in expected if item.kind != "video")


def test_a_short_history_is_one_file_without_a_counter(tmp_path: Path) -> None:
    write_extended(tmp_path / "zip", a_listener(), END - timedelta(days=20), END)
    assert list(contents(tmp_path / "zip", ".*Audio.*")) == ["Streaming_History_Audio_2026.json"]


def test_the_same_export_has_the_same_bytes_and_another_person_s_has_others(
    packed: Path, tmp_path: Path
) -> None:
    again, other = tmp_path / "again", tmp_path / "other"
    write_extended(again, a_listener(always_on=True), PACKED_SINCE, END)
    write_extended(other, a_listener("jonas", always_on=True), END - timedelta(days=5), END)
    assert again.read_bytes() == packed.read_bytes()
    assert not as_texts(contents(other, ".*json")) & as_texts(contents(packed, ".*json"))
    for write in (again, other):
        write_account_data(write, a_listener(), END - timedelta(days=20), END)
    assert again.read_bytes() == other.read_bytes()


def test_account_data_is_the_last_year_by_the_minute_in_files_of_10000_rows(
    account_data: Path,
) -> None:
    expected = list(extended_rows(a_listener(), END - timedelta(days=365), END))
    left_out = {"duplicate", "copy", "video"}
    of_music = {"play", "zero", "local", "incognito"}
    stamps = [
        item.row["ts"][:16].replace("T", " ") for item in expected if item.kind not in left_out
    ]
    files = contents(account_data, "StreamingHistory_.*")
    assert {name: len(file) for name, file in files.items()} == {
        "StreamingHistory_music_0.json": 10_000,
        "StreamingHistory_music_1.json": sum(item.kind in of_music for item in expected) - 10_000,
        "StreamingHistory_podcast_0.json": sum(item.kind == "podcast" for item in expected),
        "StreamingHistory_audiobook_0.json": sum(item.kind == "audiobook" for item in expected),
    }
    found = [row for file in files.values() for row in file]
    assert sorted(row["endTime"] for row in found) == stamps
    assert {tuple(row) for row in found} == {
        ("endTime", "artistName", "trackName", "msPlayed"),
        ("endTime", "podcastName", "episodeName", "msPlayed"),
        ("endTime", "audiobookName", "authorName", "msPlayed"),
    }
    assert all(value for row in found for key, value in row.items() if key != "msPlayed")


def test_account_data_names_tracks_as_the_extended_history_does_or_says_unknown() -> None:
    plays = [item for item in account_data_rows(a_listener(), START, END) if item.play]
    unknown = 0
    for row, play, kind in plays:
        assert play
        names = (play.track.album.artists[0].name, play.track.name)
        assert kind == "play"
        if (row["artistName"], row["trackName"]) == ("Unknown Artist", "Unknown Track"):
            unknown += 1
        else:
            assert (row["artistName"], row["trackName"]) == names
        assert row["msPlayed"] == play.ms_played
    assert 0 < unknown < len(plays) / 200


def test_every_personal_file_bears_the_mark_and_no_history_does(
    packed: Path, account_data: Path
) -> None:
    marked, others = set[str](), set[str]()
    for path in (packed, account_data):
        with zipfile.ZipFile(path) as archive:
            for member in archive.namelist():
                has_mark = PERSONAL_MARK.encode() in archive.read(member)
                (marked if has_mark else others).add(member)
    assert marked == {
        EXTENDED + "ReadMeFirst_ExtendedStreamingHistory.pdf",
        ACCOUNT + "Read_Me_First.pdf",
        *(f"{ACCOUNT}{name}.json" for name in PERSONAL_FILES),
    }
    assert {"Userdata", "Identity", "SearchQueries", "YourLibrary"} <= set(PERSONAL_FILES)
    assert all("History_" in member for member in others)


def test_every_address_is_one_for_documentation(rows: list[ExportRow]) -> None:
    assert all(item.row["ip_addr"].startswith("203.0.113.") for item in rows)


def as_counts(rows: Iterable[Row]) -> Counter[str]:
    return Counter(json.dumps(row) for row in rows)


def as_texts(files: dict[str, Any]) -> set[str]:
    return {json.dumps(row) for file in files.values() for row in file}
