"""Importing downloads: again, in parts, in another form, for whom, and ended in the middle."""

from __future__ import annotations

import itertools
import json
import zipfile
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from spotify_assets import times
from spotify_assets.cli import main
from spotify_assets.settings import Settings
from spotify_assets.spotify.export import rows as reader
from spotify_assets.spotify.export.files import find_packages
from spotify_assets.spotify.export.names import Kind
from spotify_assets.spotify.landing import look_at_all
from spotify_assets.spotify.retrying import Retrying
from spotify_assets.spotify.state import Identity, State
from spotify_assets.warehouse import importing
from spotify_assets.warehouse.drift import unread_fields
from spotify_assets.warehouse.importing import ImportedFile, import_packages, whose
from spotify_assets.warehouse.loading import Receipt
from spotify_assets.warehouse.lock import writing
from spotify_assets.warehouse.quarantine import retry
from spotify_assets.warehouse.tables import account_zones, loads, raw_recently_played
from spotify_assets_tests.support import user_of
from spotify_assets_tests.unit.spotify.export.downloads import (
    ADDRESS,
    Home,
    a_minute,
    a_row,
    pack,
    rows_of,
    unpack,
)

AUTHORIZED_AT = "2026-11-01T10:00:00.000Z"
MEMBERS: dict[str, list[dict[str, Any]]] = {
    "Streaming_History_Audio_2019_1.json": rows_of(*range(40)),
    "Streaming_History_Audio_2019_2.json": [*rows_of(*range(35, 60)), a_row(70, ms_played=-1)],
    "StreamingHistory_music_0.json": [a_minute(number) for number in (1, 2, 2, 3)],
    "StreamingHistory_podcast_0.json": [a_minute(number, Kind.PODCAST) for number in (1, 1)],
}
ALL = sum(map(len, MEMBERS.values()))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "data")


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return pack(tmp_path / "my_spotify_data.zip", MEMBERS)


def test_the_same_archive_again_brings_nothing_but_loads(home: Home, archive: Path) -> None:
    assert home.total(archive) == Receipt(ALL, ALL - 6, 5, 1)
    before = home.tables()
    assert home.total(archive) == Receipt(ALL, 0, ALL - 1, 1)
    after = home.tables()
    for name in ("raw_streaming_history", "quarantined_rows"):
        assert after[name] == before[name]
    assert len(after["loads"]) == 2 * len(before["loads"]) == 8
    windows = [load[3:] for load in after["loads"]]
    assert windows[:4] == windows[4:]


def renamed(folder: Path) -> list[Path]:
    return [pack(folder / "my_spotify_data (3) Kopie.ZIP", MEMBERS)]


def in_another_folder(folder: Path) -> list[Path]:
    return [pack(folder / "my.zip", MEMBERS, folder="MyData/deep/er")]


def packed_flat(folder: Path) -> list[Path]:
    return [pack(folder / "my.zip", MEMBERS, folder="", method=zipfile.ZIP_STORED)]


def packed_by_macos(folder: Path) -> list[Path]:
    path = pack(folder / "Archive.zip", MEMBERS)
    with zipfile.ZipFile(path, "a") as archive:
        for name in MEMBERS:
            archive.writestr(f"__MACOSX/Spotify/._{name}", b"\0\5\x16\7\0\2\0\0Mac OS X")
        archive.writestr("Spotify/.DS_Store", b"\0\0\0\1Bud1")
    return [path]


def as_folder(folder: Path) -> list[Path]:
    return [unpack(folder / "MyData", MEMBERS)]


def as_files(folder: Path) -> list[Path]:
    unpack(folder / "MyData", MEMBERS)
    return [folder / "MyData" / name for name in reversed(MEMBERS)]


def as_folder_by_macos(folder: Path) -> list[Path]:
    junk = {f"__MACOSX/._{name}": b"\0\5\x16\7" for name in MEMBERS}
    return [unpack(folder / "MyData", {**MEMBERS, **junk, ".DS_Store": b"\0\0\0\1"})]


def archive_in_a_folder(folder: Path) -> list[Path]:
    (folder / "Downloads" / "Spotify").mkdir(parents=True)
    pack(folder / "Downloads" / "Spotify" / "my.zip", MEMBERS)
    unpack(folder / "Downloads", {"holiday.json": {}, "letter.pdf": b"%PDF"})
    return [folder / "Downloads"]


def named_twice(folder: Path) -> list[Path]:
    path = pack(folder / "my.zip", MEMBERS)
    return [path, folder / "." / "my.zip", folder]


def bom_free_with_windows_lines(folder: Path) -> list[Path]:
    texts = {name: json.dumps(rows, indent=1) for name, rows in MEMBERS.items()}
    return [
        unpack(folder / "My", {k: text.replace("\n", "\r\n").encode() for k, text in texts.items()})
    ]


FORMS: list[Callable[[Path], list[Path]]] = [
    renamed,
    in_another_folder,
    packed_flat,
    packed_by_macos,
    as_folder,
    as_files,
    as_folder_by_macos,
    archive_in_a_folder,
    named_twice,
    bom_free_with_windows_lines,
]


@pytest.fixture(scope="module")
def as_downloaded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("downloaded")
    home = Home(folder / "data")
    home.total(pack(folder / "my_spotify_data.zip", MEMBERS))
    return home.lasting()


@pytest.mark.parametrize("form", FORMS)
def test_in_whatever_form_a_download_comes_its_rows_are_the_same(
    form: Callable[[Path], list[Path]],
    tmp_path: Path,
    home: Home,
    as_downloaded: dict[str, Any],
) -> None:
    (tmp_path / "form").mkdir()
    assert home.total(*form(tmp_path / "form")) == Receipt(ALL, ALL - 6, 5, 1)
    assert home.lasting() == as_downloaded
    packages = home.tables()["export_packages"]
    assert [account for account, _, _ in packages] == ["mira"]


def test_what_overlaps_is_counted_once_in_any_order(tmp_path: Path) -> None:
    parts = [range(50), range(30, 80), range(60, 100), range(40, 70)]
    paths = [
        pack(tmp_path / f"{number}.zip", {f"endsong_{number}.json": rows_of(*part)})
        for number, part in enumerate(parts)
    ]
    results = []
    for name, order in enumerate([paths, paths[::-1], [*paths[2:], *paths[:2]]]):
        home = Home(tmp_path / f"data {name}")
        assert home.total(*order).rows_loaded == 100
        results.append(home.lasting())
    assert results[0] == results[1] == results[2]


def test_a_newer_download_adds_rows_and_changed_variants_only(tmp_path: Path, home: Home) -> None:
    old = rows_of(*range(20), skipped=None)
    new = [*rows_of(*range(5), skipped=False), *old[5:], *rows_of(*range(20, 30))]
    home.total(pack(tmp_path / "old.zip", {"endsong_0.json": old}))
    before = home.rows()
    done = home.total(pack(tmp_path / "new.zip", {"Streaming_History_Audio_2024.json": new}))
    assert done == Receipt(rows_read=30, rows_loaded=15, rows_duplicate=15)
    after = home.rows()
    assert [row for row in after if row in before] == before
    assert len({row["row_key"] for row in after}) == 30
    assert len(after) == 35


def test_the_most_repeats_that_one_download_showed_are_kept(tmp_path: Path) -> None:
    downloads: list[dict[str, object]] = [
        {"StreamingHistory0.json": [a_minute(1)] * 2, "StreamingHistory1.json": [a_minute(1)]},
        {"StreamingHistory_music_0.json": [a_minute(1), a_minute(2), a_minute(1)]},
        {"StreamingHistory_music_0.json": [a_minute(2)], "StreamingHistory0.json": [a_minute(2)]},
        {
            "StreamingHistory_music_0.json": [a_minute(3)],
            "StreamingHistory_music_1.json": [a_minute(3)],
        },
    ]
    paths = [pack(tmp_path / f"{number}.zip", members) for number, members in enumerate(downloads)]
    results = []
    for name, order in enumerate([paths, paths[::-1], [*paths[1:], paths[0]]]):
        home = Home(tmp_path / f"data {name}")
        home.total(*order)
        results.append(home.rows())
    assert all(rows == results[0] for rows in results)
    assert sorted(row["master_metadata_track_name"] for row in results[0]) == [
        *["trackName 1"] * 3,
        "trackName 2",
        *["trackName 3"] * 2,
    ]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_file_that_fails_leaves_the_counts_of_repeats_as_they_were(
    place: int, tmp_path: Path, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows were counted as they were read, before it turned out to be broken."""
    monkeypatch.setattr(reader, "PIECE_BYTES", 500)
    broken = json.dumps([a_minute(1)] * 50).encode()[:-1]
    files: list[object] = [[a_minute(1)] * 2, [a_minute(1)] * 3]
    files.insert(place, broken)
    members = {f"StreamingHistory{number}.json": rows for number, rows in enumerate(files)}
    done = home.bring(pack(tmp_path / "my.zip", members))
    assert [bool(file.error) for file in done] == [number == place for number in range(3)]
    assert [file.receipt.rows_loaded for file in done if not file.error] == [2, 3]
    alone = Home(tmp_path / "alone")
    alone.total(
        pack(tmp_path / "alone.zip", {f"{k}": v for k, v in members.items() if v != broken})
    )
    assert home.rows() == alone.rows()


def test_a_duplicate_in_another_account_is_none(tmp_path: Path, home: Home, archive: Path) -> None:
    first = home.total(archive, account="mira")
    assert home.total(archive, account="jonas") == first
    assert {row["account_id"] for row in home.rows()} == {"mira", "jonas"}
    assert [account for account, _, _ in home.quarantined()] == ["mira", "jonas"] or [
        account for account, _, _ in home.quarantined()
    ] == ["jonas", "mira"]
    zones = home.warehouse.read(select(account_zones.c.account_id, account_zones.c.zone))
    assert sorted(map(tuple, zones)) == [("jonas", "UTC"), ("mira", "UTC")]


def test_the_load_of_a_file_says_when_its_plays_ended(tmp_path: Path, home: Home) -> None:
    rows = [*rows_of(5, 2, 9), a_row(1, ms_played=-1), a_row(20, ts="2999-01-01T00:00:00Z")]
    home.total(pack(tmp_path / "my.zip", {"endsong_0.json": rows, "endsong_1.json": []}))
    first, second = home.warehouse.read(select(loads).order_by(loads.c.load_id))
    ends = (a_row(2)["ts"], a_row(9)["ts"])
    assert (first.window_from, first.window_to) == tuple(f"{end[:-1]}.000Z" for end in ends)
    assert (second.window_from, second.window_to) == (None, None)
    assert (first.source, first.page_id) == ("streaming_history", None)


# Rows of other kinds than the name of their file says, and files under other names


def in_its_file(kind: Kind, number: int = 0) -> str:
    return f"StreamingHistory_{kind}_{number}.json"


ACCOUNT_DATA = {
    kind: [a_minute(number, kind) for number in (1, 2, 2, 3)]
    for kind in (Kind.MUSIC, Kind.PODCAST, Kind.AUDIOBOOK)
}
# Fields of other kinds may be absent, null, or empty.
EMPTY = dict.fromkeys(("artistName", "trackName", "podcastName", "episodeName"))
EMPTY |= dict.fromkeys(("audiobookName", "authorName"), "")
MIXED = [row for rows in zip(*ACCOUNT_DATA.values(), strict=True) for row in rows]
WRONG: dict[str, dict[str, list[dict[str, Any]]]] = {
    "all in the music file": {in_its_file(Kind.MUSIC): MIXED},
    "with the fields of all kinds": {
        in_its_file(Kind.MUSIC): [EMPTY | row for row in MIXED],
    },
    "a song in the podcast file": {
        in_its_file(Kind.PODCAST): [*ACCOUNT_DATA[Kind.MUSIC], *ACCOUNT_DATA[Kind.PODCAST]],
        in_its_file(Kind.AUDIOBOOK): ACCOUNT_DATA[Kind.AUDIOBOOK],
    },
    "whole files under others' names": {
        in_its_file(Kind.AUDIOBOOK): ACCOUNT_DATA[Kind.MUSIC],
        in_its_file(Kind.MUSIC): ACCOUNT_DATA[Kind.PODCAST],
        "Streaming_History_Audio_1234-5678_0.json": ACCOUNT_DATA[Kind.AUDIOBOOK],
    },
    "with extended rows in one file": {"everything.json": [*rows_of(1, 2), *MIXED, *rows_of(3)]},
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_row_is_what_its_fields_say_in_whatever_file_it_comes(wrong: str, tmp_path: Path) -> None:
    """The same rows in their own files are duplicates, before and after."""
    right: dict[str, object] = {in_its_file(kind): rows for kind, rows in ACCOUNT_DATA.items()}
    if "extended" in wrong:
        right["endsong_0.json"] = rows_of(1, 2, 3)
    paths = [
        pack(tmp_path / "wrong.zip", WRONG[wrong]),
        pack(tmp_path / "right.zip", right),
    ]
    results = []
    for order in (paths, paths[::-1]):
        home = Home(tmp_path / f"data {order[0].stem}")
        first, second = (home.total(path) for path in order)
        assert first == Receipt(first.rows_read, first.rows_read)
        assert second == Receipt(first.rows_read, 0, first.rows_read)
        results.append(home.rows())
    assert results[0] == results[1]
    account_data = [row for row in results[0] if row["kind"] != "extended"]
    assert Counter(row["kind"] for row in account_data) == dict.fromkeys(map(str, ACCOUNT_DATA), 4)
    names = [
        (row["kind"], row["episode_name"], row["episode_show_name"], row["audiobook_title"])
        for row in account_data
        if row["ts"] == account_data[0]["ts"]
    ]
    assert len(names) >= 3
    for kind, episode, show, book in names:
        assert (bool(episode), bool(show), bool(book)) == (
            kind == "podcast",
            kind == "podcast",
            kind == "audiobook",
        )


def test_repeats_of_several_kinds_in_one_file_are_each_counted(tmp_path: Path, home: Home) -> None:
    podcast = a_minute(1, Kind.PODCAST)
    rows = [a_minute(1), podcast, a_minute(1), podcast, podcast]
    home.total(pack(tmp_path / "my.zip", {"StreamingHistory_music_0.json": rows}))
    assert Counter(row["kind"] for row in home.rows()) == {"music": 2, "podcast": 3}


@pytest.mark.parametrize(
    "copy",
    ["StreamingHistory_music_0 2.json", "StreamingHistory_music_0 (1).json", "mine.json",
     "endsong_0.json", "StreamingHistory_podcast_0.json", "old/StreamingHistory0.json",
     "StreamingHistory0.json", "StreamingHistory.json", "StreamingHistory_music_00.json",
     "StreamingHistory_music_0.JSON", "streaminghistory_music_0.json",
     "StreamingHistory_music_0_1.json"],
)  # fmt: skip
def test_a_copy_beside_its_file_adds_no_repeats(copy: str, tmp_path: Path, home: Home) -> None:
    rows = [a_minute(number) for number in (1, 2, 2)]
    members = {"StreamingHistory_music_0.json": rows, copy: rows}
    assert home.total(pack(tmp_path / "my.zip", members)) == Receipt(6, 3, 3)
    assert home.total(unpack(tmp_path / "MyData", members)) == Receipt(6, 0, 6)


@pytest.mark.parametrize(
    "bad",
    [
        a_minute(1, msPlayed=-1),
        a_minute(1, Kind.PODCAST, msPlayed=None),
        a_minute(1, Kind.AUDIOBOOK, endTime="yesterday", podcastName=None),
        EMPTY | a_minute(1, Kind.PODCAST, msPlayed=[1]),
        a_row(1, ms_played={"ms": 1}),
        {"podcastName": "x"},
        {"strange": 1},
        7,
    ],
)
def test_a_bad_row_is_one_in_quarantine_under_whatever_names_it_comes(
    bad: Any, tmp_path: Path, home: Home
) -> None:
    names = [*map(in_its_file, ACCOUNT_DATA), "endsong_0.json", "mine.json"]
    for number, name in enumerate(names):
        home.total(pack(tmp_path / f"{number}.zip", {name: [a_row(9), bad]}))
    ((_, payload, reasons),) = home.quarantined()
    assert reasons
    assert retry(home.settings)["mira"] == Receipt(rows_read=1, rows_quarantined=1)
    assert home.quarantined() == [("mira", payload, reasons)]


CHANGED_NAMES = (
    *("Streaming_History_Audio_2019-2020_3 2.json", "Streaming_History_Audio_2019_3 - Kopie.json"),
    *("Streaming_History_Audio_2019-2020_3 (1) (1).json", "spotify_streaming_2023.json"),
    *("Streaming_History_Audio_spotify_import_test.json", "my_listens.json", "2019.JSON"),
)


@pytest.mark.parametrize("name", CHANGED_NAMES)
def test_a_history_is_read_under_any_name(name: str, tmp_path: Path, home: Home) -> None:
    members = {name: rows_of(1, 2)}
    folder = unpack(tmp_path / "MyData", members)
    assert home.total(folder / name) == Receipt(2, 2)
    assert home.total(folder) == Receipt(2, 0, 2)
    assert home.total(pack(tmp_path / "my.zip", members)) == Receipt(2, 0, 2)


@pytest.mark.parametrize("rows", [rows_of(1, 2, 3), [a_minute(1), a_minute(1), a_minute(2)]])
def test_what_other_programs_make_of_a_history_is_read(
    rows: list[dict[str, Any]], tmp_path: Path, home: Home
) -> None:
    """Written by pandas, all rows have the fields of all kinds, and numbers have a point."""
    home.total(pack(tmp_path / "my.zip", {"mine.json": rows}))
    every: dict[str, Any] = dict.fromkeys([*a_row(), *EMPTY, *a_minute()])
    floats = {"ms_played", "msPlayed", "offline_timestamp"}
    written = [
        {name: float(value) if name in floats and value else value for name, value in row.items()}
        for row in (every | row for row in rows)
    ]
    assert home.total(pack(tmp_path / "by_pandas.zip", {"x.json": written})).rows_loaded == 0


# Fields whose type changes


@pytest.mark.parametrize("value", [{"a": {"b": 1}}, ["x"], 10**12 + 0.5])
def test_a_field_that_changes_its_type_loses_no_play_and_is_counted(
    value: Any, tmp_path: Path, home: Home
) -> None:
    row = a_row()
    names = [name for name in row if name not in ("ts", "ms_played", "ip_addr")]
    for number, name in enumerate(names):
        rows = [a_row(10 * number + place, **{name: value}) for place in range(6)]
        assert home.total(pack(tmp_path / f"{name}.zip", {"endsong_0.json": rows})).rows_loaded == 6
    counted = [json.loads(each) for (each,) in home.warehouse.read(select(loads.c.unread))]
    assert counted == [{name: 6} for name in names]
    found = unread_fields(home.warehouse, "streaming_history", times.now())
    assert {each.field: each.rows for each in found} == dict.fromkeys(names, 6)
    assert all(each.has_changed and each.of_rows == 6 * len(names) for each in found)
    assert unread_fields(home.warehouse, "recently_played", times.now()) == []
    later = times.now() + timedelta(days=31)
    assert unread_fields(home.warehouse, "streaming_history", later) == []


@pytest.mark.parametrize(
    ("odd", "all_rows", "warns"),
    [(4, 4, False), (5, 5, True), (5, 500, False), (6, 500, True)],
)
def test_a_few_odd_values_are_no_new_format(
    odd: int, all_rows: int, warns: bool, tmp_path: Path, home: Home
) -> None:
    rows = [a_row(number, platform=7 if number < odd else "ios") for number in range(all_rows)]
    home.total(pack(tmp_path / "my.zip", {"endsong_0.json": rows}))
    home.total(pack(tmp_path / "my.zip", {"endsong_0.json": rows}))  # what is known counts once
    (found,) = unread_fields(home.warehouse, "streaming_history", times.now())
    assert (found.rows, found.of_rows, found.has_changed) == (odd, all_rows, warns)


# Whose


def test_an_import_is_for_whom_it_names(home: Home) -> None:
    for name in ("mira", "größe", "a b.c@d-e", "x" * 64):
        assert whose(home.settings, name) == name
    assert not home.settings.data.exists()


@pytest.mark.parametrize("name", ["", "x" * 65, ".hidden", "a/b", "../a", "a\nb", "a\0b", "\ud800"])
def test_an_import_for_a_name_that_cannot_be_one_is_refused(
    name: str, home: Home, archive: Path
) -> None:
    with pytest.raises(ValueError, match="cannot be an account's name"):
        whose(home.settings, name)
    with pytest.raises(ValueError, match="cannot be an account's name"):
        home.bring(archive, account=name)
    assert not home.settings.warehouse_path.exists()


def test_an_import_that_names_nobody_is_for_the_only_account(home: Home, archive: Path) -> None:
    with pytest.raises(ValueError, match="Say whose plays these are: --account NAME.$"):
        whose(home.settings, None)
    home.bring(archive, account="mira")
    assert whose(home.settings, None) == "mira"
    home.settings.state_path.unlink()  # its plays are still here
    assert whose(home.settings, None) == "mira"
    State(home.settings.state_path).add_account("jonas")
    with pytest.raises(ValueError, match=r"--account NAME\. Here are: jonas, mira\."):
        whose(home.settings, None)
    assert whose(home.settings, "lena") == "lena"


def test_an_account_that_nobody_logged_in_to_is_not_looked_at_until_somebody_does(
    settings: Settings, state: State, log_in: Callable[..., Any], archive: Path
) -> None:
    home = Home(settings.data)
    home.total(archive, account="mira")
    (account,) = state.accounts()
    assert (account.account_id, account.spotify_id, account.authorized_at) == ("mira", None, None)
    assert look_at_all(settings, state, Retrying.never()) == []
    assert look_at_all(settings, state, Retrying.never(), side_by_side=True) == []
    rows = home.rows()

    log_in("mira")
    (account,) = state.accounts()
    assert (account.account_id, account.spotify_id) == ("mira", "mira")
    (look,) = look_at_all(settings, state, Retrying.never())
    assert (look.account_id, look.new_page, look.error) == ("mira", True, None)
    assert home.rows() == rows
    assert home.total(archive, account="mira").rows_loaded == 0


@pytest.mark.parametrize("named", ["me", None])
def test_an_account_of_an_import_belongs_to_whom_logs_in_to_it_first(
    named: str | None, home: Home, archive: Path
) -> None:
    state = State(home.settings.state_path)
    home.total(archive, account="me")
    spotify_id = "me" if named is None else "31xyz"
    account = state.attach(Identity(spotify_id, "stable", "Mira"), named, AUTHORIZED_AT)
    assert (account.account_id, account.spotify_id) == ("me", spotify_id)
    assert [each.account_id for each in state.accounts()] == ["me"]
    with pytest.raises(ValueError, match="belongs to Spotify user"):
        state.attach(Identity("somebody else", "other", None), "me", AUTHORIZED_AT)
    home.total(archive, account="me")
    assert state.accounts() == [account]


# Ends in the middle


class Stop(Exception):
    """Something that nobody expects."""


@pytest.mark.parametrize("error", [KeyboardInterrupt, Stop])
def test_an_import_that_ends_in_its_second_file_leaves_the_first_done_and_goes_on_from_there(
    error: type[BaseException], home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "PIECE_BYTES", 8_000)
    names = ["endsong_0.json", "endsong_1.json", "endsong_2.json"]
    path = pack(
        tmp_path / "my.zip",
        {name: rows_of(*range(n * 20, n * 20 + 20)) for n, name in enumerate(names)},
    )

    def tell(name: str, _bytes: int, rows: int) -> None:
        if name == "endsong_1.json" and rows > 30:
            raise error

    done = list[ImportedFile]()
    with pytest.raises(error):
        done.extend(import_packages(home.settings, "mira", find_packages([path]), tell))
    assert [file.file for file in done] == ["endsong_0.json"]
    tables = home.tables()
    assert len(tables["raw_streaming_history"]) == 20
    assert tables["export_files"] == [(1, "endsong_0.json")]
    assert (len(tables["loads"]), len(tables["export_days"])) == (1, 1)
    assert tables["export_packages"] == []
    with writing(home.settings.locks, "who comes next"):  # the lock is free
        pass
    assert home.total(path) == Receipt(rows_read=60, rows_loaded=40, rows_duplicate=20)
    whole = Home(tmp_path / "whole")
    whole.total(path)
    assert home.rows() == whole.rows()


def test_what_is_read_is_told_as_it_is_read(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "PIECE_BYTES", 5_000)
    told: list[tuple[str, int, int]] = []
    members: dict[str, object] = {
        "endsong_0.json": rows_of(*range(50)),
        "endsong_1.json": b"nothing",
        "endsong_2.json": rows_of(*range(50, 80)),
    }
    path = unpack(tmp_path / "MyData", members)
    home.bring(path, tell=lambda *what: told.append(what))
    assert [name for name, _ in itertools.groupby(told, lambda one: one[0])] == [
        "endsong_0.json",
        "endsong_2.json",
    ]
    for column in (1, 2):
        numbers = [one[column] for one in told]
        assert numbers == sorted(numbers)
    assert told[-1][1:] == (sum(file.stat().st_size for file in path.iterdir()), 80)
    assert len(told) > 10


def test_the_export_of_a_listener_leaves_the_pages_of_spotify_alone(
    home: Home, tmp_path: Path, archive: Path, new_load: Callable[..., Any], items: list[Any]
) -> None:
    from spotify_assets.warehouse.loading import write_load

    write_load(home.warehouse.writer(), raw_recently_played, new_load(items))
    before = home.warehouse.read(select(raw_recently_played))
    home.total(archive)
    assert home.warehouse.read(select(raw_recently_played)) == before
    assert home.warehouse.newest_play() == max(row.played_at for row in before)


# The command


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    settings = user_of({}, tmp_path / "user").settings
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(main, ["import", *arguments])

    return run


def test_the_command_says_what_became_of_each_file(
    command: Callable[..., Any], tmp_path: Path
) -> None:
    members: dict[str, object] = {
        **MEMBERS,
        "endsong_3.json": b"[",
        "endsong_4.json": rows_of(90, **{"evil\x1b[31m\nname": 1}),
        "StreamingHistory_video_0.json": [],
    }
    path = str(pack(tmp_path / "my_spotify_data.zip", members))
    done = command(path)
    assert done.exit_code == 2
    assert "Say whose plays these are: --account NAME" in done.stderr

    done = command(path, "--account", "mira")
    assert done.exit_code == 1
    assert (
        "Streaming_History_Audio_2019_1.json: 40 read = 40 loaded + 0 duplicate + 0 quarantined + "
        "0 ignored" in done.stdout
    )
    assert "StreamingHistory_video_0.json: not read. It is called like a history" in done.stdout
    assert "evil [31m name" in done.stdout
    assert "\x1b" not in done.output
    assert done.stdout.splitlines()[-2].startswith(f"{ALL + 1} read = {ALL - 5} loaded")
    assert "Error: my_spotify_data.zip: endsong_3.json: It is cut short" in done.stderr

    done = command(path, "--json")
    assert done.exit_code == 1
    answer = json.loads(done.stdout)
    assert answer["account_id"] == "mira"
    assert (answer["rows_read"], answer["rows_loaded"]) == (ALL + 1, 0)
    assert answer["unknown_files"] == ["StreamingHistory_video_0.json"]
    assert [file["file"] for file in answer["files"] if file["error"]] == ["endsong_3.json"]
    assert (
        sum(file["rows_duplicate"] for file in answer["files"]) == answer["rows_duplicate"] == ALL
    )
    files = [path for path in (tmp_path / "user").rglob("*") if path.is_file()]
    assert len(files) > 5  # Dagster's among them
    assert [path for path in files if ADDRESS.encode() in path.read_bytes()] == []


def test_the_command_at_ctrl_c_says_what_is_done(
    command: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = pack(tmp_path / "my.zip", MEMBERS)
    read_rows = reader.read_rows

    def interrupted(file: Any) -> Any:
        for rows in read_rows(file):
            yield rows
            if rows[0] == MEMBERS["Streaming_History_Audio_2019_2.json"][0]:
                raise KeyboardInterrupt

    monkeypatch.setattr("spotify_assets.spotify.export.files.read_rows", interrupted)
    done = command(str(path), "--account", "mira")
    assert done.exit_code == 1
    assert "Interrupted: what is listed above is done." in done.stderr
    assert "\nStreaming_History_Audio_2019_1.json: 40 read" in done.stdout
    assert done.stdout.splitlines()[-2].startswith("40 read = 40 loaded")


@pytest.mark.parametrize("broken", ["no folder", "no YAML"])
def test_the_command_says_what_is_done_where_dagster_cannot_be_told(
    broken: str, command: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "dagster"
    if broken == "no YAML":
        unpack(home, {"dagster.yaml": b"storage: ["})
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    path = pack(tmp_path / "my.zip", {"endsong_0.json": rows_of(*range(40))})
    done = command(str(path), "--account", "mira")
    assert done.exit_code == 1
    assert "endsong_0.json: 40 read = 40 loaded" in done.stdout
    assert "\n40 read = 40 loaded" in done.stdout
    assert "Stopped: what is listed above is done." in done.stderr
    if broken == "no folder":
        assert "DAGSTER_HOME is" in done.stderr
    again = command(str(path), "--account", "mira", "--json")
    assert again.exit_code == 1
    assert json.loads(again.stdout)["rows_duplicate"] == 40


def test_the_command_for_a_bad_path_or_name_is_one_clear_line(
    command: Callable[..., Any], tmp_path: Path
) -> None:
    done = command(str(tmp_path / "gone.zip"), "--account", "mira")
    assert done.exit_code == 1
    assert done.stderr.strip() == "Error: gone.zip: There is no such file or folder."
    done = command(str(tmp_path), "--account", "a/b")
    assert done.exit_code == 2
    assert "cannot be an account's name" in done.stderr


@pytest.mark.parametrize("empty", ["", "  "])
@pytest.mark.parametrize("beside", [[], ["endsong_0.json"]])
def test_the_command_refuses_an_empty_path(
    empty: str,
    beside: list[str],
    command: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of an unset variable in a script, say; as a path it would be the present folder."""
    monkeypatch.chdir(unpack(tmp_path / "here", {"endsong_0.json": rows_of(1)}))
    done = command("--account", "mira", *beside, empty)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "it is empty" in done.stderr
    assert "spotify-assets import ~/Downloads/my_spotify_data.zip" in done.stderr
    assert not list((tmp_path / "user").rglob("warehouse.db"))


@pytest.mark.parametrize("path", [".", "./", "..", "../here/.", "../here/inside/.."])
def test_the_command_names_the_folder_that_holds_no_history(
    path: str, command: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here" / "inside").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    name = "here" if path != ".." else tmp_path.name
    done = command("--account", "mira", path)
    assert done.exit_code == 1
    assert f"There is no listening history in {name}, and no archive (.zip)." in done.stderr


def test_whoever_waits_has_his_turn_between_the_files_of_a_long_import(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "TURN_EVERY_SECONDS", 0)
    download = tmp_path / "download"
    download.mkdir()
    for number in range(6):
        row = {"ts": f"2026-01-0{number % 9 + 1}T10:00:00Z", "ms_played": number}
        (download / f"endsong_{number}.json").write_text(json.dumps([row]), "utf-8")
    done: list[ImportedFile] = []

    def wait_for_a_turn() -> int:
        with writing(settings.locks, "somebody who waits"):
            return len(done)

    with ThreadPoolExecutor(1) as beside:
        turn: Future[int] | None = None
        for file in import_packages(settings, "mira", find_packages([download]), lambda *_: None):
            done.append(file)
            turn = turn or beside.submit(wait_for_a_turn)
        assert turn is not None
        assert turn.result() < len(done) == 6
