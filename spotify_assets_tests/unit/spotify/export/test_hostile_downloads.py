"""Archives that were made, or came, to do damage: each bad file says so, and the others load."""

from __future__ import annotations

import json
import os
import re
import stat
import struct
import threading
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from spotify_assets.sandbox.catalogue import Catalogue
from spotify_assets.sandbox.export import (
    PERSONAL_FILES,
    PERSONAL_MARK,
    write_account_data,
    write_extended,
)
from spotify_assets.sandbox.listener import Listener
from spotify_assets.spotify.export.errors import ExportError
from spotify_assets.spotify.export.files import find_packages
from spotify_assets_tests.unit.spotify.export.downloads import (
    ADDRESS,
    BEGIN,
    FOLDER,
    Home,
    a_minute,
    a_row,
    as_bytes,
    pack,
    rows_of,
    unpack,
)

# No error may tell it: it stands in the file.
MARK = "do-not-tell"
BAD = "Streaming_History_Audio_2020-2021_2.json"
BAD_ROWS = rows_of(*range(200, 230), master_metadata_track_name=MARK)
# One comes before the bad file, one after it.
GOOD: dict[str, list[dict[str, Any]]] = {
    "Streaming_History_Audio_2019_1.json": rows_of(*range(40)),
    "Streaming_History_Video_2024.json": [*rows_of(*range(30, 70)), a_row(70, ms_played=-1)],
}
LINK = stat.S_IFLNK | 0o777

# Where a header has a field: its form, the place in the local one, the place in the directory's.
HEADER = {
    "flags": ("<H", 6, 8),
    "method": ("<H", 8, 10),
    "crc": ("<L", 14, 16),
    "packed": ("<L", 18, 20),
    "size": ("<L", 22, 24),
}
LOCAL_BYTES, ENTRY_BYTES = 30, 46


def overwrite(path: Path, name: str = BAD, **fields: int) -> Path:
    """Write other values over those in both headers of a member."""
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo(f"{FOLDER}/{name}")
    content = bytearray(path.read_bytes())
    entry = content.rindex(member.filename.encode()) - ENTRY_BYTES
    for field, value in fields.items():
        form, local, of_directory = HEADER[field]
        struct.pack_into(form, content, member.header_offset + local, value)
        struct.pack_into(form, content, entry + of_directory, value)
    path.write_bytes(content)
    return path


def spoil(path: Path, name: str = BAD) -> Path:
    """Write noise over the middle of what a member holds."""
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo(f"{FOLDER}/{name}")
    content = bytearray(path.read_bytes())
    data = member.header_offset + LOCAL_BYTES + len(member.filename)
    middle = data + member.compress_size // 2
    noise = b"\x5a\xa5\xff\x00" * 10
    content[middle : middle + len(noise)] = noise
    path.write_bytes(content)
    return path


def with_bad(path: Path, content: object = BAD_ROWS, method: int = zipfile.ZIP_DEFLATED) -> Path:
    return pack(path, GOOD | {BAD: content}, method=method)


def named(name: str) -> Callable[[Path], Path]:
    """The bad file under a name that is written as it is."""

    def build(path: Path) -> Path:
        pack(path, GOOD)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(name, as_bytes(BAD_ROWS))
        return path

    return build


def linked(path: Path) -> Path:
    pack(path, GOOD)
    member = zipfile.ZipInfo(f"{FOLDER}/{BAD}")
    member.create_system, member.external_attr = 3, LINK << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(member, "../../../../../../etc/passwd")
    return path


def twice(path: Path) -> Path:
    with_bad(path)
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr(f"{FOLDER}/{BAD}", as_bytes(rows_of(300)))
    return path


def two_names_for_one_place(path: Path) -> Path:
    """The bad file's entry in the directory points to the data of a good one."""
    with_bad(path)
    with zipfile.ZipFile(path) as archive:
        place = archive.infolist()[0].header_offset
    content = bytearray(path.read_bytes())
    entry = content.rindex(f"{FOLDER}/{BAD}".encode()) - ENTRY_BYTES
    struct.pack_into("<L", content, entry + 42, place)
    path.write_bytes(content)
    return path


def overlapping(path: Path) -> Path:
    """The bad file quotes the header of the good one behind it and goes on with its data.

    As in David Fifield's "A better zip bomb" (2019), where thousands share one kernel.
    """
    whole = [(f"{FOLDER}/{name}".encode(), as_bytes(rows)) for name, rows in GOOD.items()]
    content, entries = b"", b""

    def add(name: bytes, data: bytes, packed_bytes: int) -> bytes:
        """The local header; the entry of the directory is added to the others."""
        nonlocal entries
        fields = struct.pack(
            "<HHHHHLLLHH", 20, 0, 8, 0, 33, zlib.crc32(data), packed_bytes, len(data), len(name), 0
        )
        place = struct.pack("<HHHLL", 0, 0, 0, 0o644 << 16, len(content))
        entries += b"PK\x01\x02\x14\x03" + fields + place + name
        return b"PK\x03\x04" + fields + name

    def packed(data: bytes) -> bytes:
        return zlib.compress(data, wbits=-zlib.MAX_WBITS)

    (first, first_data), (kernel, kernel_data) = whole
    content += add(first, first_data, len(packed(first_data))) + packed(first_data)
    kernel_packed = packed(kernel_data)
    quoted_bytes = LOCAL_BYTES + len(kernel)
    header_bytes = LOCAL_BYTES + len(f"{FOLDER}/{BAD}")
    # The kernel's header is the same wherever it stands, so it can be made before its place is.
    before = (content, entries)
    quoted = add(kernel, kernel_data, len(kernel_packed))
    content, entries = before
    quote = struct.pack("<BHH", 0, quoted_bytes, quoted_bytes ^ 0xFFFF)
    bad_packed = len(quote) + quoted_bytes + len(kernel_packed)
    header = add(f"{FOLDER}/{BAD}".encode(), quoted + kernel_data, bad_packed)
    assert len(header) == header_bytes
    content += header + quote
    content += add(kernel, kernel_data, len(kernel_packed)) + kernel_packed
    end = struct.pack("<HHHHLLH", 0, 0, 3, 3, len(entries), len(content), 0)
    path.write_bytes(content + entries + b"PK\x05\x06" + end)
    return path


BAD_MEMBERS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "leads up": (named(f"../../{BAD}"), "leads out of the archive"),
    "leads up half-way": (named(f"{FOLDER}/../../{BAD}"), "leads out of the archive"),
    "absolute": (named(f"/tmp/{BAD}"), "leads out of the archive"),
    "on a drive": (named(f"C:/Users/{BAD}"), "leads out of the archive"),
    "on a drive, backslashes": (named(f"C:\\Users\\{BAD}"), "leads out of the archive"),
    "leads up by backslashes": (named(f"..\\..\\{BAD}"), "leads out of the archive"),
    "on a share": (named(f"\\\\server\\share\\{BAD}"), "leads out of the archive"),
    "a link": (linked, "or a link"),
    "a folder": (named(f"{FOLDER}/{BAD}/"), "a folder or"),
    "shrinks to a thousandth": (
        lambda path: with_bad(path, b"[" + b" " * 5_000_000 + b"]"),
        "more than 200 times as large",
    ),
    "says that it has 2 GB": (
        lambda path: overwrite(with_bad(path), size=2 << 30, packed=200 << 20),
        "2,147 MB",
    ),
    "says that it is small and is not": (
        lambda path: overwrite(with_bad(path), size=1000),
        "damaged.*Download it again",
    ),
    "says that it is empty": (
        lambda path: overwrite(with_bad(path), size=0),
        "damaged|no JSON list",
    ),
    "shares its data": (two_names_for_one_place, "damaged.*Download it again"),
    "quotes another": (overlapping, "holds no JSON list|damaged"),
    "encrypted": (lambda path: overwrite(with_bad(path), flags=1), "encrypted.*password"),
    "there twice": (twice, "several files of this name"),
    "packed as nobody does": (
        lambda path: overwrite(with_bad(path), method=99),
        "compression.*not supported",
    ),
    "another checksum": (lambda path: overwrite(with_bad(path), crc=1), "damaged.*CRC"),
    "a changed byte": (lambda path: spoil(with_bad(path, method=zipfile.ZIP_STORED)), "damaged"),
    "noise for deflate": (lambda path: spoil(with_bad(path)), "damaged"),
    "noise for bzip2": (
        lambda path: spoil(with_bad(path, method=zipfile.ZIP_BZIP2)),
        "damaged|cannot be read",
    ),
    "noise for lzma": (lambda path: spoil(with_bad(path, method=zipfile.ZIP_LZMA)), "damaged"),
}


@pytest.fixture(scope="module")
def of_good_ones(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the good files alone leave behind."""
    folder = tmp_path_factory.mktemp("good")
    home = Home(folder / "data")
    home.bring(pack(folder / "my_spotify_data.zip", GOOD))
    return home.tables()


def require_good_alone(
    archive: Path, of_good_ones: Mapping[str, Any], home: Home
) -> dict[str, list[str]]:
    """Import twice, require that nothing but the good files is there; the errors by file."""
    done = home.bring(archive)
    errors: dict[str, list[str]] = {}
    for file in done:
        if file.error:
            errors.setdefault(file.file, []).append(file.error)
            assert MARK not in file.error
    assert {file.file: file.receipt.rows_read for file in done if not file.error} == {
        name: len(rows) for name, rows in GOOD.items()
    }
    # A download that was not read to its end says nothing of what was not played.
    assert home.tables() == {**of_good_ones, "export_packages": []}
    lasting = home.lasting()
    again = home.bring(archive)
    assert [(file.file, file.error) for file in again] == [(file.file, file.error) for file in done]
    assert home.lasting() == lasting
    assert sum(file.receipt.rows_loaded for file in again) == 0
    return errors


@pytest.mark.parametrize("case", BAD_MEMBERS)
def test_a_bad_member_says_what_is_wrong_with_it_and_the_others_are_loaded(
    case: str, tmp_path: Path, of_good_ones: dict[str, Any]
) -> None:
    build, words = BAD_MEMBERS[case]
    archive = build(tmp_path / "my_spotify_data.zip")
    before = set(tmp_path.rglob("*"))
    home = Home(tmp_path / "data")
    errors = require_good_alone(archive, of_good_ones, home)
    assert errors.keys() == {BAD}
    assert all(re.search(words, error) for error in errors[BAD])
    assert {path for path in tmp_path.rglob("*") if home.settings.data not in path.parents} == (
        before | {home.settings.data}
    )


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_however_an_archive_is_packed_it_is_read(method: int, tmp_path: Path) -> None:
    archive = pack(tmp_path / "my_spotify_data.zip", {BAD: BAD_ROWS}, method=method)
    assert list(rows_in(archive)) == BAD_ROWS


def test_a_member_that_says_that_it_is_larger_than_it_is_is_read_whole_or_not_at_all(
    tmp_path: Path,
) -> None:
    size = len(as_bytes(BAD_ROWS))
    archive = overwrite(pack(tmp_path / "my_spotify_data.zip", {BAD: BAD_ROWS}), size=size + 100)
    try:
        assert list(rows_in(archive)) == BAD_ROWS
    except ExportError as error:
        assert "damaged" in str(error)


def rows_in(*paths: Path) -> list[Any]:
    return [
        row
        for package in find_packages(paths)
        for file in package.files
        for rows in file.rows()
        for row in rows
    ]


def test_many_small_members_that_are_a_bomb_together_are_not_opened(tmp_path: Path) -> None:
    blank = b"[" + b" " * 900_000 + b"]"
    names = [f"Streaming_History_Audio_2020_{number}.json" for number in range(30)]
    (package,) = find_packages([pack(tmp_path / "bomb.zip", dict.fromkeys(names, blank))])
    assert [file.name for file in package.files] == names
    assert all("200 times as large" in (file.fault or "") for file in package.files)
    for file in package.files:
        with pytest.raises(ExportError, match="200 times as large"):
            list(file.rows())


def a_long_directory() -> bytes:
    name = b"x" * 200
    entry = b"PK\x01\x02" + bytes(24) + struct.pack("<HHHHHLL", len(name), 0, 0, 0, 0, 0, 0) + name
    return entry * (9_000_000 // len(entry))


def end_of_directory(size: int, place: int = 0, comment: bytes = b"") -> bytes:
    return b"PK\x05\x06" + struct.pack("<HHHHLLH", 0, 0, 1, 1, size, place, len(comment)) + comment


def end_of_large_directory(size: int, directory: bytes) -> bytes:
    """As ZIP64 has it, for archives of more than 4 GB."""
    record = b"PK\x06\x06" + struct.pack("<QHHLLQQQQ", 44, 45, 45, 0, 0, 1, 1, size, 0)
    return record + b"PK\x06\x07" + struct.pack("<LQL", 0, len(directory), 1)


def long_directory(path: Path) -> None:
    directory = a_long_directory()
    path.write_bytes(directory + end_of_directory(len(directory)))


def long_directory_with_a_comment(path: Path) -> None:
    directory = a_long_directory()
    path.write_bytes(directory + end_of_directory(len(directory), comment=b"x" * 60_000))


def long_directory_of_zip64(path: Path) -> None:
    directory = a_long_directory()
    large = end_of_large_directory(len(directory), directory)
    path.write_bytes(directory + large + end_of_directory(100))


def long_directory_that_a_false_record_makes_short(path: Path) -> None:
    directory = a_long_directory()
    record = end_of_large_directory(100, directory)[:-20]
    path.write_bytes(directory + record + bytes(20) + end_of_directory(len(directory)))


def long_directory_behind_a_second_end(path: Path) -> None:
    directory = a_long_directory()
    (place,) = struct.unpack("<L", b"PK\x05\x06")
    path.write_bytes(directory + end_of_directory(len(directory), place))


def cut(path: Path, share: float) -> None:
    content = pack(path, GOOD).read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


BAD_ARCHIVES: dict[str, tuple[Callable[[Path], object], str]] = {
    "cut half-way": (lambda path: cut(path, 0.5), "no whole zip archive.*Download it again"),
    "cut at its end": (lambda path: cut(path, 0.99), "no whole zip archive.*Download it again"),
    "empty": (lambda path: path.write_bytes(b""), "no whole zip archive.*Download it again"),
    "a web page": (lambda path: path.write_text("<html>Sign in</html>"), "no whole zip archive"),
    "nothing in it": (lambda path: pack(path, {}), "no listening history in"),
    "personal files alone": (
        lambda path: pack(path, {"Userdata.json": {"email": MARK}}),
        "no listening history in",
    ),
    "other lists": (
        lambda path: pack(
            path, {"mine.json": [{"searchQuery": MARK}], "2.json": [1], "3.json": []}
        ),
        "no listening history in my_spotify_data.zip, nor in an archive in it",
    ),
    "an archive with personal files in it": (
        lambda path: pack(path, {"in.zip": pack(path, {"a.json": [MARK]}).read_bytes()}),
        "no listening history in my_spotify_data.zip, nor in an archive in it",
    ),
    "encrypted, under other names": (
        lambda path: overwrite(pack(path, {"mine.json": BAD_ROWS}), "mine.json", flags=1),
        "encrypted.*password",
    ),
    "thousands of files": (
        lambda path: pack(path, {f"{number}.json": b"[]" for number in range(1_001)}),
        "more than 1,000 JSON files",
    ),
    "copies by macOS alone": (
        lambda path: pack(path, {f"._{name}": b"\0\5\x16\7" for name in GOOD}, "__MACOSX"),
        "no listening history in",
    ),
    "a huge list of members": (long_directory, "far more files"),
    "a huge list, a comment": (long_directory_with_a_comment, "far more files"),
    "a huge list of ZIP64": (long_directory_of_zip64, "far more files"),
    "a huge list, a false record": (
        long_directory_that_a_false_record_makes_short,
        "far more files",
    ),
    "a huge list, two ends": (long_directory_behind_a_second_end, "far more files"),
}


@pytest.mark.parametrize("case", BAD_ARCHIVES)
def test_a_bad_archive_says_what_is_wrong_with_it(case: str, tmp_path: Path) -> None:
    build, words = BAD_ARCHIVES[case]
    path = tmp_path / "my_spotify_data.zip"
    build(path)
    (package,) = find_packages([path])
    assert (package.name, package.files) == (path.name, ())
    assert re.search(words, package.fault or "")
    assert MARK not in (package.fault or "")


def test_bad_archives_keep_no_other_download_from_being_loaded(
    tmp_path: Path, of_good_ones: dict[str, Any]
) -> None:
    paths = [tmp_path / f"{number}.zip" for number in range(len(BAD_ARCHIVES))]
    for path, (build, _) in zip(paths, BAD_ARCHIVES.values(), strict=True):
        build(path)
    paths.insert(5, pack(tmp_path / "my_spotify_data.zip", GOOD))
    home = Home(tmp_path / "data")
    done = home.bring(*paths)
    assert [(file.package, bool(file.error)) for file in done] == [
        (path.name, path.name != "my_spotify_data.zip")
        for path in [*paths[:6], paths[5], *paths[6:]]
    ]
    assert home.tables() == of_good_ones


def test_an_archive_that_says_what_it_holds_as_large_ones_do_is_read(tmp_path: Path) -> None:
    path = pack(tmp_path / "my_spotify_data.zip", GOOD)
    content = path.read_bytes()
    place = content.rindex(b"PK\x05\x06")
    count, _, size, start = struct.unpack_from("<HHLL", content, place + 8)
    record = b"PK\x06\x06" + struct.pack("<QHHLLQQQQ", 44, 45, 45, 0, 0, count, count, size, start)
    locator = b"PK\x06\x07" + struct.pack("<LQL", 0, place, 1)
    end = b"PK\x05\x06" + b"\0" * 4 + b"\xff" * 12 + b"\0\0"
    path.write_bytes(content[:place] + record + locator + end)
    assert len(rows_in(path)) == 81


def test_a_path_where_nothing_is_says_so(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    unpack(tmp_path / "other lists", {"mine.json": [{"searchQuery": MARK}], "Userdata.json": {}})
    (tmp_path / "dangling.zip").symlink_to(tmp_path / "gone.zip")
    (tmp_path / "circle.zip").symlink_to(tmp_path / "circle.zip")
    names = {
        "gone.zip": "no such file",
        "dangling.zip": "no such file",
        "circle.zip": "no such file",
        "photos": "no listening history in photos",
        "other lists": "no listening history in other lists",
    }
    packages = find_packages([tmp_path / name for name in names])
    assert [(package.name, package.files) for package in packages] == [(name, ()) for name in names]
    for package, words in zip(packages, names.values(), strict=True):
        assert words in (package.fault or "")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("holiday.json", b"[]", "an empty list, so it is no listening history"),
        ("Payments.json", [{"card": MARK}], "found: card. It is no listening history"),
        ("Userdata.json", {"email": MARK}, "no JSON list.*but a JSON object"),
        ("letter.pdf", b"%PDF-1.4 " + MARK.encode(), "no JSON list"),
        ("StreamingHistory_music_0.json", [{"a": MARK}], "If Spotify changed its format"),
    ],
)
def test_a_file_that_is_named_and_is_no_history_says_what_was_found(
    name: str, content: object, words: str, tmp_path: Path
) -> None:
    unpack(tmp_path, {name: content})
    home = Home(tmp_path / "data")
    (done,) = home.bring(tmp_path / name)
    assert re.search(words, done.error or "")
    assert MARK not in (done.error or "")
    assert ("newer" in (done.error or "")) == (name == "StreamingHistory_music_0.json")
    assert (home.rows(), home.quarantined(), home.has_bytes(MARK.encode())) == ([], [], [])


def test_a_file_that_is_named_is_read_whatever_its_name_is(tmp_path: Path) -> None:
    """Browsers and people leave endings off and add others."""
    unpack(tmp_path, {"Payments.json": rows_of(1), "endsong_0.json.txt": rows_of(2)})
    pack(tmp_path / "5f3a90", GOOD)
    (tmp_path / "link.zip").symlink_to(tmp_path / "5f3a90")
    for name, rows in {"Payments.json": 1, "endsong_0.json.txt": 1, "5f3a90": 81}.items():
        assert len(rows_in(tmp_path / name)) == rows
    assert len(rows_in(tmp_path / "link.zip")) == 81


def test_what_is_no_file_is_never_opened(tmp_path: Path, of_good_ones: dict[str, Any]) -> None:
    """Opening a pipe waits for its other end, for ever."""
    folder = unpack(tmp_path / "MyData", GOOD)
    elsewhere = tmp_path / "elsewhere.json"
    elsewhere.write_bytes(as_bytes(BAD_ROWS))
    os.mkfifo(folder / BAD)
    os.mkfifo(folder / "my_spotify_data.zip")
    (folder / "endsong_1.json").symlink_to(elsewhere)
    (folder / "endsong_2.json").symlink_to("/dev/zero")
    (folder / "endsong_3.json").symlink_to(tmp_path / "nowhere")
    (folder / "elsewhere.zip").symlink_to(pack(tmp_path / "packed.zip", {BAD: BAD_ROWS}))
    (folder / "endsong_4.json").mkdir()
    with (folder / "endsong_5.json").open("wb") as sparse:
        sparse.truncate(2 << 30)
    home, done = Home(tmp_path / "data"), list[Any]()
    thread = threading.Thread(target=lambda: done.extend(home.bring(folder)), daemon=True)
    thread.start()
    thread.join(60)
    assert not thread.is_alive()
    words = {
        BAD: "no file",
        "my_spotify_data.zip": "no file",
        "elsewhere.zip": "link",
        "endsong_1.json": "link",
        "endsong_2.json": "link",
        "endsong_3.json": "link",
        "endsong_5.json": "2,147 MB",
    }
    errors = {file.file: file.error for file in done if file.error}
    assert errors.keys() == words.keys()
    for name, error in errors.items():
        assert words[name] in error
    assert home.tables() == {**of_good_ones, "export_packages": []}


def test_a_link_that_a_person_names_is_followed(tmp_path: Path) -> None:
    archive = pack(tmp_path / "my_spotify_data.zip", GOOD)
    folder = unpack(tmp_path / "MyData", GOOD)
    links = [tmp_path / "link.zip", tmp_path / "link", tmp_path / BAD]
    targets = [archive, folder, folder / "Streaming_History_Audio_2019_1.json"]
    for link, target in zip(links, targets, strict=True):
        link.symlink_to(target)
    counts = [len(rows_in(link)) for link in links]
    assert counts == [81, 81, 40]


ODD_NAMES = (b"caf\xe9", b"\xff\xfe \x1b[31m", "größe 🎧".encode())


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_folder_may_have_any_name(name: bytes, tmp_path: Path) -> None:
    folder = unpack(tmp_path / os.fsdecode(name), GOOD)
    pack(tmp_path / os.fsdecode(name + b".zip"), GOOD)
    home = Home(tmp_path / "data")
    assert home.total(folder, tmp_path / os.fsdecode(name + b".zip")).rows_read == 2 * 81
    assert len(home.tables()["export_packages"]) == 2


@pytest.mark.parametrize("name", ODD_NAMES)
@pytest.mark.parametrize("begin", ["", "StreamingHistory_podcast_0 "])
def test_a_file_may_have_any_name(begin: str, name: bytes, tmp_path: Path) -> None:
    """In a folder, alone, beside one whose name looks alike, and where it cannot be read."""
    file = os.fsdecode(begin.encode() + name + b".json")
    alike, broken = (os.fsdecode(each + name + b".json") for each in (b"\xfe", b"endsong_0 "))
    members = {file: rows_of(1), alike: rows_of(2), broken: b"["}
    members[os.fsdecode(b"StreamingHistory_video_0 " + name + b".json")] = []
    folder = unpack(tmp_path / "MyData", members)
    home = Home(tmp_path / "data")
    packages = find_packages([folder, folder / file])
    done = home.bring(packages=packages)
    assert Counter(each.error is None for each in done) == {True: 2, False: 1}
    assert [each.receipt.rows_loaded for each in home.bring(folder / file)] == [0]
    names = {text for each in done for text in (each.package, each.file)}
    names |= {text for package in packages for text in (package.name, *package.unknown)}
    assert len(names) == 5
    assert all(text == text.encode().decode() for text in names)


def test_nothing_but_histories_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of other files the first rows are, and of those that Spotify has about the person nothing."""
    decoys: dict[str, object] = {
        **{f"{name}.json": [{"searchQuery": PERSONAL_MARK}] for name in PERSONAL_FILES},
        "Identity (1).json": {"displayName": PERSONAL_MARK},
        "ReadMeFirst_ExtendedStreamingHistory.pdf": PERSONAL_MARK.encode(),
        "._Streaming_History_Audio_2019_1.json": b"\0\5\x16\7" + PERSONAL_MARK.encode(),
        "Streaming_History_Audio_2019_1.json.bak": PERSONAL_MARK.encode(),
        "my Streaming_History_Audio_2019_1.json.html": PERSONAL_MARK.encode(),
    }
    others = {
        "letters.json": [{"to": PERSONAL_MARK, "text": "x" * 100}] * 9_000,
        "friends.json": {"names": [PERSONAL_MARK] * 9_000},
    }
    unknown = ["StreamingHistory_video_0.json", "Streaming_History_Songs_2027.json"]
    others |= dict.fromkeys(unknown, [{"song": PERSONAL_MARK}] * 9_000)
    archive = pack(tmp_path / "my_spotify_data.zip", GOOD | decoys | others)
    for name in decoys:  # whoever opens one meets a compression that does not exist
        overwrite(archive, name, method=99)
    folder = unpack(tmp_path / "MyData", GOOD | decoys | others)
    opened, most_read = list[str](), Counter[str]()
    open_member, open_path = zipfile.ZipFile.open, Path.open

    class Counted:
        """A file of which it is known how much of it was read."""

        def __init__(self, file: Any, name: str) -> None:
            self.file, self.name = file, name

        def __enter__(self) -> Counted:
            return self

        def __exit__(self, *_: object) -> None:
            self.file.close()

        def read(self, size: int = -1) -> Any:
            content = self.file.read(size)
            most_read[self.name] += len(content)
            return content

    def spied(file: Any, name: str) -> Any:
        opened.append(name)
        return Counted(file, name) if name in others else file

    def spy_member(self: zipfile.ZipFile, name: Any, *arguments: Any, **named: Any) -> Any:
        member = Path(getattr(name, "filename", name)).name
        return spied(open_member(self, name, *arguments, **named), member)

    def spy_path(self: Path, *arguments: Any, **named: Any) -> Any:
        return spied(open_path(self, *arguments, **named), self.name)

    monkeypatch.setattr(zipfile.ZipFile, "open", spy_member)
    monkeypatch.setattr(Path, "open", spy_path)
    packages = find_packages([archive, folder])
    home = Home(tmp_path / "data")
    done = home.bring(packages=packages)
    monkeypatch.undo()

    assert [file.error for file in done] == [None] * 4
    assert {name for name in opened if name.endswith(".json")} == GOOD.keys() | others.keys()
    assert 0 < max(most_read.values()) < 2 * 65_000  # in an archive and in a folder
    assert [sorted(package.unknown) for package in packages] == [sorted(unknown)] * 2
    assert home.has_bytes(PERSONAL_MARK.encode()) == []
    assert home.tables()["export_packages"] == []  # of what it did not read nobody knows


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_archives_in_an_archive_are_read_like_archives_beside_each_other(
    method: int, tmp_path: Path, of_good_ones: dict[str, Any]
) -> None:
    inner = tmp_path / "inner"
    members: dict[str, object] = {
        "my_spotify_data.zip": pack(inner, GOOD).read_bytes(),
        "my_spotify_data (1).zip": pack(inner, {"my.json": [a_minute(1)] * 2}).read_bytes(),
        "photos.zip": pack(inner, {"photos.json": {"name": MARK}}).read_bytes(),
        "StreamingHistory0.json": [a_minute(1)],
    }
    home = Home(tmp_path / "data")
    done = home.bring(pack(tmp_path / "both.zip", members, folder="", method=method))
    assert [(file.package, file.file, file.error) for file in done] == [
        ("both.zip", "StreamingHistory0.json", None),
        *(("both.zip/my_spotify_data.zip", name, None) for name in GOOD),
        ("both.zip/my_spotify_data (1).zip", "my.json", None),
    ]
    # Each is a download of its own, and the one that shows more repeats counts.
    extended = [row for row in home.rows() if row["kind"] == "extended"]
    assert extended == of_good_ones["raw_streaming_history"]
    assert len(home.rows()) == len(extended) + 2


@pytest.mark.parametrize("case", BAD_MEMBERS)
def test_a_bad_member_of_an_archive_in_an_archive_says_what_is_wrong_with_it(
    case: str, tmp_path: Path, of_good_ones: dict[str, Any]
) -> None:
    build, words = BAD_MEMBERS[case]
    inner = build(tmp_path / "inner.zip").read_bytes()
    outer = pack(tmp_path / "both.zip", {"my_spotify_data.zip": inner}, method=zipfile.ZIP_STORED)
    errors = require_good_alone(outer, of_good_ones, Home(tmp_path / "data"))
    assert errors.keys() == {BAD}
    assert all(re.search(words, error) for error in errors[BAD])


@pytest.mark.parametrize("name", [".", "./", "/", "//", "\\", ".\\", "", "\0", "./.", "a/.."])
def test_a_member_that_is_the_folder_itself_keeps_no_other_from_being_loaded(
    name: str, tmp_path: Path, of_good_ones: dict[str, Any]
) -> None:
    path = pack(tmp_path / "my_spotify_data.zip", GOOD)
    with zipfile.ZipFile(path, "a") as archive:
        member = zipfile.ZipInfo("x")
        member.filename = name
        archive.writestr(member, b"")
    home = Home(tmp_path / "data")
    assert home.total(path).rows_read == 81
    assert home.tables() == of_good_ones


BAD_INNER: dict[str, tuple[Callable[[Path], Path], str]] = {
    "cut": (
        lambda path: pack(path, {"inner.zip": pack(path, GOOD).read_bytes()[:900]}),
        "no whole",
    ),
    "no archive": (lambda path: pack(path, {"inner.zip": b"<html>"}), "no whole zip archive"),
    "encrypted": (
        lambda path: overwrite(pack(path, {"inner.zip": b"PK"}), "inner.zip", flags=1),
        "encrypted",
    ),
    "shrinks to a thousandth": (
        lambda path: pack(path, {"inner.zip": bytes(5_000_000)}),
        "200 times as large",
    ),
    "larger than memory": (
        lambda path: overwrite(
            pack(path, {"inner.zip": b""}), "inner.zip", size=2**31, packed=2**30
        ),
        "2,147 MB. In an archive, archives of up to 300 MB are read",
    ),
    "packed as nobody does": (
        lambda path: overwrite(pack(path, {"inner.zip": b"PK"}), "inner.zip", method=99),
        "no whole zip archive",
    ),
    "archives all the way down": (
        lambda path: pack(
            path, {"inner.zip": pack(path, {"in.zip": pack(path, GOOD).read_bytes()}).read_bytes()}
        ),
        "The archives in it are not read: unpack it first",
    ),
}


@pytest.mark.parametrize("case", BAD_INNER)
def test_a_bad_archive_in_an_archive_says_what_is_wrong_with_it(case: str, tmp_path: Path) -> None:
    build, words = BAD_INNER[case]
    (package,) = find_packages([build(tmp_path / "outer.zip")])
    assert (package.name, package.files) == ("outer.zip/inner.zip", ())
    assert re.search(words, package.fault or "")


def test_an_archive_two_levels_deep_is_told_of_beside_a_history_as_well(tmp_path: Path) -> None:
    deep = pack(tmp_path / "deep.zip", {"endsong_0.json": rows_of(*range(500, 510))}).read_bytes()
    inner = pack(tmp_path / "inner.zip", {**GOOD, "deep.zip": deep}).read_bytes()
    outer = pack(tmp_path / "outer.zip", {"inner.zip": inner, "endsong_1.json": rows_of(400)})
    home = Home(tmp_path / "data")
    done = home.bring(outer)
    assert [(file.package, file.file) for file in done if file.error is None] == [
        ("outer.zip", "endsong_1.json"),
        *(("outer.zip/inner.zip", name) for name in GOOD),
    ]
    assert len(home.rows()) == 71
    assert [(file.package, file.error) for file in done if file.error] == [
        ("outer.zip/inner.zip", "The archives in it are not read: unpack it first.")
    ]


def test_two_files_of_one_name_can_be_told_apart(tmp_path: Path) -> None:
    for folder in ("2019/MyData", "2026/MyData"):
        unpack(tmp_path / folder, {"endsong_0.json": rows_of(1), "endsong_1.json": rows_of(2)})
    unpack(tmp_path / "old", {"endsong_0.json": rows_of(1)})
    unpack(tmp_path / "new", {"endsong_0.json": rows_of(1)})
    members = {"a/endsong_0.json": rows_of(1), "b/endsong_0.json": rows_of(2), "endsong_1.json": []}
    pack(tmp_path / "my.zip", members, folder="")
    files = [
        tmp_path / "2019", tmp_path / "2026",
        tmp_path / "old/endsong_0.json", tmp_path / "new/endsong_0.json", tmp_path / "my.zip",
    ]  # fmt: skip
    found = [
        (package.name, file.name) for package in find_packages(files) for file in package.files
    ]
    assert found == [
        ("my.zip", "a/endsong_0.json"),
        ("my.zip", "b/endsong_0.json"),
        ("my.zip", "endsong_1.json"),
        ("2019/MyData", "endsong_0.json"),
        ("2019/MyData", "endsong_1.json"),
        ("2026/MyData", "endsong_0.json"),
        ("2026/MyData", "endsong_1.json"),
        ("old/endsong_0.json", "endsong_0.json"),
        ("new/endsong_0.json", "endsong_0.json"),
    ]


def test_of_the_downloads_of_a_listener_nothing_personal_is_kept(tmp_path: Path) -> None:
    listener = Listener("mira", Catalogue(2026), 2026)
    end = BEGIN.replace(month=4)
    write_extended(tmp_path / "my_spotify_data.zip", listener, BEGIN, end)
    write_account_data(tmp_path / "my_spotify_data (1).zip", listener, BEGIN, end)
    home = Home(tmp_path / "data")
    done = home.bring(tmp_path / "my_spotify_data.zip", tmp_path / "my_spotify_data (1).zip")
    assert [(file.error, file.unknown_fields) for file in done] == [(None, ())] * len(done)
    assert {row["kind"] for row in home.rows()} == {"extended", "music", "podcast", "audiobook"}
    assert home.quarantined() == []
    for personal in (PERSONAL_MARK, ADDRESS):
        assert home.has_bytes(personal.encode()) == []


def test_the_same_histories_in_several_folders_of_an_archive_are_all_read(tmp_path: Path) -> None:
    members = {
        "MyData/endsong_0.json": rows_of(1),
        "MyData\\endsong_1.json": rows_of(2),
        "a/b/c/endsong_0.json": rows_of(3),
        "ENDSONG_2.JSON": rows_of(4),
        "StreamingHistory_podcast_0.json": [a_minute(5)],
    }
    (package,) = find_packages([pack(tmp_path / "my.zip", members, folder="")])
    assert package.fault is None
    assert sorted(json.dumps(row) for row in rows_in(tmp_path / "my.zip")) == sorted(
        json.dumps(row) for rows in members.values() for row in rows
    )
