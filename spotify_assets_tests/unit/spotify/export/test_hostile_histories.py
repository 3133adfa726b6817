"""Histories whose content is none: each says why, nothing of it is kept, and all others load."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest

from spotify_assets.spotify.export import rows as reader
from spotify_assets.spotify.export.errors import ExportError
from spotify_assets.spotify.export.files import find_packages
from spotify_assets.warehouse.importing import ImportedFile
from spotify_assets_tests.unit.spotify.export.downloads import (
    Home,
    a_minute,
    a_row,
    as_bytes,
    pack,
    rows_of,
    unpack,
)

MARK = "do-not-tell"
ROWS = rows_of(*range(20), master_metadata_track_name=MARK)
WHOLE = as_bytes(ROWS)
COMPACT = json.dumps(ROWS, separators=(",", ":")).encode()
GOOD: dict[str, object] = {
    "Streaming_History_Audio_2001_0.json": rows_of(*range(100, 130)),
    "Streaming_History_Audio_2999_9.json": rows_of(*range(120, 160)),
    "StreamingHistory_music_0.json": [a_minute(number) for number in range(10)],
}


def with_value(value: bytes) -> bytes:
    """The history with this value for the time that its last row played."""
    begin, _, end = COMPACT.rpartition(b'"ms_played":200000')
    return begin + b'"ms_played":' + value + end


def nested(opening: bytes, times: int, closing: bytes = b"") -> bytes:
    return opening * times + (b"1" + closing * times if closing else b"")


BAD: dict[str, tuple[bytes, str]] = {
    "cut in a row": (WHOLE[: len(WHOLE) // 2], "cut short.*Download it again"),
    "cut in a title": (WHOLE[: WHOLE.rindex(MARK.encode()) + 3], "cut short.*Download it again"),
    "cut behind a row": (WHOLE[: WHOLE.rindex(b"}") + 1], "cut short.*Download it again"),
    "cut behind a comma": (COMPACT[: COMPACT.rindex(b"},") + 2], "cut short.*Download it again"),
    "without its begin": (WHOLE[len(WHOLE) // 2 :], "no JSON list"),
    "empty": (b"", "no JSON list"),
    "blank": (b" \n" * 300, "no JSON list"),
    "an opening bracket": (b"[", "cut short"),
    "an object": (as_bytes(ROWS[0]), "no JSON list.*but a JSON object"),
    "an object around the list": (as_bytes({"history": ROWS}), "no JSON list"),
    "a text": (as_bytes(MARK), "no JSON list"),
    "null": (b"null", "no JSON list"),
    "NUL bytes": (bytes(5000), "no JSON list"),
    "rows in lines": (b"\n".join(map(as_bytes, ROWS)), "no JSON list"),
    "a web page": (b"<!doctype html><p>" + MARK.encode(), "no JSON list"),
    "garbage behind it": (WHOLE + MARK.encode(), "cut short|no JSON"),
    "a bracket too many": (WHOLE + b"]", "no JSON near byte"),
    "two lists": (WHOLE + WHOLE, "no JSON near byte"),
    "two lists in a row": (WHOLE + b"," + WHOLE, "no JSON near byte"),
    "a comma too many": (WHOLE.rstrip(b"] \n") + b",]", "no JSON"),
    "a comma alone": (b"[,]", "no JSON near byte"),
    "two commas": (COMPACT.replace(b"},{", b"},,{", 1), "no JSON near byte"),
    "no comma": (COMPACT.replace(b"},{", b"}{", 1), "no JSON near byte"),
    "a page break": (COMPACT + b"\x0c", "cut short|no JSON"),
    "a comment": (b"[/* " + MARK.encode() + b" */" + COMPACT[1:], "no JSON near byte"),
    "single quotes": (str(ROWS).encode(), "no JSON near byte"),
    "a tab in a title": (COMPACT.replace(MARK.encode(), b"do\tnot"), "no JSON near byte"),
    "a byte-order mark": (b"\xef\xbb\xbf" + WHOLE, "byte-order mark"),
    "UTF-16": (WHOLE.decode().encode("utf-16"), "byte-order mark"),
    "UTF-16, big ends": (b"\xfe\xff" + WHOLE.decode().encode("utf-16-be"), "byte-order mark"),
    "UTF-16 without a mark": (WHOLE.decode().encode("utf-16-le"), "cut short|no JSON"),
    "UTF-16 without a mark, big ends": (WHOLE.decode().encode("utf-16-be"), "no JSON list"),
    "UTF-32": (WHOLE.decode().encode("utf-32"), "byte-order mark"),
    "Latin-1": (COMPACT.replace(b"not", "größe".encode("latin-1")), "not UTF-8 near byte"),
    "half a character in UTF-8": (COMPACT.replace(b"not", b"\xed\xa0\x80"), "not UTF-8 near byte"),
    "NaN": (with_value(b"NaN"), "NaN.*no number"),
    "Infinity": (with_value(b"Infinity"), "Infinity.*no number"),
    "-Infinity": (with_value(b"-Infinity"), "-Infinity.*no number"),
    "a hexadecimal number": (with_value(b"0xff"), "no JSON near byte"),
    "a number that begins with 0": (with_value(b"0200000"), "no JSON near byte"),
    "one key twice": (with_value(b'1,"ts":"2024-01-01T00:00:00Z"'), "same key twice"),
    "one key twice, a space": (with_value(b'1,"ts" \n:"2024-01-01T00:00:00Z"'), "same key twice"),
    "one key twice, escaped": (with_value(b'1,"\\u0074s":""'), "same key twice"),
    "one key twice within a value": (with_value(b'{"a":1,"a" :2}'), "same key twice"),
    "one key twice, a title like keys": (
        with_value(b'1,"ts":""').replace(MARK.encode(), b'\\"ts\\":\\"a\\":'),
        "same key twice",
    ),
    "other objects": (
        as_bytes([{"searchQuery": MARK}, {"searchTime": MARK}]),
        "lack ts and ms_played, or endTime and msPlayed; found: searchQuery\\. ",
    ),
    "hostile names": (
        as_bytes([{name * 9000: MARK for name in "abcd"}]),
        r"found: a{20}, b{20}, c{20}\.",
    ),
    "texts": (as_bytes([MARK, MARK]), "lack ts and ms_played"),
    "lists": (as_bytes([[row] for row in ROWS]), "lack ts and ms_played"),
    "a list in the list": (as_bytes([ROWS]), "lack ts and ms_played"),
    "numbers": (b"[1,2,3]", "lack ts and ms_played"),
    "brackets": (nested(b"[", 100_000), "cut short"),
    "closed brackets": (nested(b"[", 100_000, b"]"), "nested too deeply"),
    "megabytes of brackets": (nested(b"[", 9_500_000), "row of more than"),
    "megabytes of closed brackets": (nested(b"[", 2_000_000, b"]"), "nested too deeply"),
    "objects in objects": (b"[" + nested(b'{"a":', 50_000, b"}") + b"]", "nested too deeply"),
    "objects and lists": (nested(b'[{"a":', 50_000, b"}]"), "nested too deeply"),
    "megabytes of objects and lists": (nested(b'[{"a":', 1_000_000, b"}]"), "nested too deeply"),
    "open objects and lists": (nested(b'[{"a":', 1_600_000), "row of more than"),
    "deep behind good rows": (
        COMPACT[:-1] + b"," + nested(b'{"a":[', 50_000, b"]}") + b"]",
        "nested too deeply",
    ),
    "a row of megabytes": (b'[{"ts":"' + b"x" * 9_500_000 + b'"}]', "row of more than"),
    "megabytes of blanks": (COMPACT[:-1] + b" " * 9_500_000 + b"]", "row of more than|no JSON"),
}
NUMBERED = {f"Streaming_History_Audio_20{number:02}.json": case for number, case in enumerate(BAD)}


class Imported(NamedTuple):
    home: Home
    path: Path
    done: dict[str, ImportedFile]


@pytest.fixture(scope="module", params=["an archive", "a folder"])
def imported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Imported:
    """All of them in one download, good files before and behind."""
    folder = tmp_path_factory.mktemp("bad")
    members: dict[str, object] = {name: BAD[case][0] for name, case in NUMBERED.items()}
    if request.param == "an archive":
        # Stored: none is a bomb.
        path = pack(folder / "my_spotify_data.zip", GOOD | members, method=zipfile.ZIP_STORED)
    else:
        path = unpack(folder / "MyData", GOOD | members)
    home = Home(folder / "data")
    done = home.bring(path)
    assert len(done) == len(GOOD) + len(BAD)
    return Imported(home, path, {file.file: file for file in done})


@pytest.mark.parametrize("name", NUMBERED, ids=list(BAD))
def test_a_file_that_is_no_history_says_why(name: str, imported: Imported) -> None:
    error = imported.done[name].error
    assert error
    assert re.search(BAD[NUMBERED[name]][1], error)
    assert MARK not in error
    assert len(error) < 200
    assert imported.done[name].receipt.rows_read == 0


def test_beside_files_that_are_no_histories_all_others_are_loaded_to_the_last_row(
    imported: Imported, tmp_path: Path
) -> None:
    alone = Home(tmp_path / "data")
    alone.bring(pack(tmp_path / "my_spotify_data.zip", GOOD))
    # A download that was not read to its end says nothing of what was not played.
    assert imported.home.tables() == {**alone.tables(), "export_packages": []}
    assert imported.home.has_bytes(MARK.encode()) == []


def test_importing_files_that_are_no_histories_again_changes_nothing(imported: Imported) -> None:
    before = imported.home.lasting()
    again = imported.home.bring(imported.path)
    assert {file.file: file.error for file in again} == {
        name: file.error for name, file in imported.done.items()
    }
    assert imported.home.lasting() == before


@pytest.mark.parametrize("broken", [0, 3, 50, 99])
def test_a_file_that_breaks_after_rows_were_read_leaves_none_of_them(
    broken: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is read in many pieces, and those before the fault were written already."""
    monkeypatch.setattr(reader, "PIECE_BYTES", 20_000)
    rows = [json.dumps(a_row(number, ms_played=-number)) for number in range(100)]
    rows[broken] = rows[broken].replace('"ms_played": ', '"ms_played": x')
    (tmp_path / "endsong_0.json").write_text(f"[{','.join(rows)}]")
    unpack(tmp_path, {"endsong_1.json": rows_of(200, 201)})
    home = Home(tmp_path / "data")
    bad, good = home.bring(tmp_path / "endsong_0.json", tmp_path / "endsong_1.json")
    assert "no JSON near byte" in (bad.error or "")
    place = int(re.sub(r"\D", "", bad.error or ""))
    assert abs(place - f"[{','.join(rows)}]".index(": x")) < 30
    assert (good.error, good.receipt.rows_loaded) == (None, 2)
    assert len(home.rows()) == 2
    assert (home.quarantined(), len(home.receipts())) == ([], 1)


@pytest.mark.parametrize("content", [b"[]", b" [ \n ] ", b"[\n]\n"])
def test_a_history_without_rows_is_one(content: bytes, tmp_path: Path) -> None:
    home = Home(tmp_path / "data")
    archive = pack(tmp_path / "my.zip", {"endsong_0.json": content, "endsong_1.json": rows_of(1)})
    assert [(file.error, file.receipt.rows_read) for file in home.bring(archive)] == [
        (None, 0),
        (None, 1),
    ]
    assert len(home.tables()["export_packages"]) == 1


def test_a_history_that_is_hidden_in_good_rows_is_read(tmp_path: Path) -> None:
    """One row of the right shape makes the file a history; the others are rows in quarantine."""
    rows = [{"searchQuery": "x"}, "text", None, [1], *rows_of(1), 7, {}]
    home = Home(tmp_path / "data")
    (done,) = home.bring(pack(tmp_path / "my.zip", {"endsong_0.json": rows}))
    assert (done.error, done.receipt.rows_read, done.receipt.rows_loaded) == (None, 7, 1)
    assert done.receipt.rows_quarantined == 6
    payloads = sorted(json.dumps(payload) for _, payload, _ in home.quarantined())
    assert payloads == sorted(
        json.dumps(payload)
        for payload in (
            {"unknown_fields": ["searchQuery"]},
            {"not_an_object": "str"},
            {"not_an_object": "NoneType"},
            {"not_an_object": "list"},
            {"not_an_object": "int"},
            {},
        )
    )


def test_a_file_that_is_larger_than_any_history_is_not_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its size may have been another when it was looked at."""
    path = tmp_path / "endsong_0.json"
    path.write_bytes(WHOLE)
    (package,) = find_packages([path])
    monkeypatch.setattr(reader, "LARGEST_FILE_BYTES", 10_000)
    monkeypatch.setattr(reader, "PIECE_BYTES", 1_000)
    with pytest.raises(ExportError, match="larger than"):
        list(package.files[0].rows())


def test_a_file_that_is_gone_or_closed_to_us_says_so(tmp_path: Path) -> None:
    unpack(tmp_path, {"endsong_0.json": ROWS, "endsong_1.json": ROWS})
    pack(tmp_path / "my.zip", {"endsong_2.json": ROWS})
    packages = find_packages([tmp_path])
    for path in tmp_path.iterdir():
        path.unlink()
    unpack(tmp_path, {"endsong_0.json/nothing": b""})
    done = Home(tmp_path / "data").bring(packages=packages)
    assert len(done) == 3
    assert all("cannot be read" in (file.error or "") for file in done)
    assert {file.receipt.rows_read for file in done} == {0}
