"""The manifest: read back as it was written, or refused, whatever became of it or its author."""

import hashlib
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from spotify_assets.warehouse.backups.errors import BackupError
from spotify_assets.warehouse.backups.folder import Backup
from spotify_assets.warehouse.backups.manifest import LARGEST, manifest_path, read_manifest
from spotify_assets_tests.support import User
from spotify_assets_tests.unit.warehouse.backups.trying import refusal

Change = Callable[[dict[str, Any]], object]  # of a manifest's values, in their place

SHA256 = "0" * 64


def assert_each_is_refused(archive: Path, texts: Iterator[bytes]) -> None:
    """None of these can stand in the place of the manifest; what stood there can."""
    path = manifest_path(archive)
    whole = path.read_bytes()
    tried = 0
    for text in texts:
        assert text != whole
        path.write_bytes(text)
        with pytest.raises(BackupError, match=rf"^{archive.name}: its manifest {path.name} is "):
            read_manifest(archive)
        tried += 1
    assert tried >= len(whole) - 1
    path.write_bytes(whole)
    assert read_manifest(archive).to_bytes() == whole


@pytest.mark.parametrize(
    "bits",
    [(0, 5), pytest.param((1, 2, 3, 4, 6, 7), marks=pytest.mark.soak)],  # 1 and a, a and A
)
def test_no_flipped_bit_passes(backup: Backup, bits: tuple[int, ...]) -> None:
    whole = manifest_path(backup.archive).read_bytes()
    flipped = (
        whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :]
        for place in range(len(whole))
        for bit in bits
    )
    assert_each_is_refused(backup.archive, flipped)


def test_no_cut_passes(backup: Backup) -> None:
    whole = manifest_path(backup.archive).read_bytes()
    assert_each_is_refused(backup.archive, (whole[:end] for end in range(len(whole))))


def test_no_missing_character_passes(backup: Backup) -> None:
    whole = manifest_path(backup.archive).read_bytes()
    shorter = (whole[:place] + whole[place + 1 :] for place in range(len(whole)))
    assert_each_is_refused(backup.archive, shorter)


def forged(archive: Path, change: Change) -> Path:
    """Another archive, whose manifest was changed and fits itself, as far as it can.

    Written as the manifest's module says, not with it: it may refuse to write what is tried here.
    """
    values = json.loads(manifest_path(archive).read_text("utf-8"))
    del values["archive"]
    change(values)
    name_hash = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]
    other = archive.with_name(f"{archive.name[:29]}-{name_hash}.tar.zst")
    archive.rename(other)
    text = json.dumps({"archive": other.name, **values}, indent=2) + "\n"
    manifest_path(archive).unlink()
    manifest_path(other).write_text(text, "utf-8")
    return other


def with_contents(**contents: Any) -> Change:
    return lambda values: values["contents"].update(contents)


def with_file(name: str = "spotify.db", **packed: Any) -> Change:
    def change(values: dict[str, Any]) -> None:
        files = values["contents"]["files"]
        files[name] = {**files["spotify.db"], **packed}

    return change


def with_table(name: str, rows: Any = 0, sha256: Any = SHA256) -> Change:
    return lambda values: values["contents"]["files"]["spotify.db"]["tables"].update(
        {name: {"rows": rows, "sha256": sha256}}
    )


def test_a_forged_manifest_is_trusted_to_be_one(owner: User, backup: Backup) -> None:
    """Or the following would be refused for how they are forged."""
    other = forged(backup.archive, with_contents(plays=17))
    assert other != backup.archive
    assert read_manifest(other).contents.plays == 17
    before = asdict(read_manifest(other))
    again = forged(other, lambda values: None)
    assert asdict(read_manifest(again)) == before


WRONG_VALUES: dict[str, Change] = {
    "number is text": with_contents(number="0002"),
    "number is true": with_contents(number=True),
    "number is negative": with_contents(number=-2),
    "plays are text": with_contents(plays="many"),
    "plays are half": with_contents(plays=1.5),
    "plays are negative": with_contents(plays=-1),
    "plays are none": with_contents(plays=None),
    "plays are not a number": with_contents(plays=math.nan),
    "plays are infinite": with_contents(plays=math.inf),
    "plays are a list": with_contents(plays=[1]),
    "plays have 4,000 digits": with_contents(plays=10**4000),
    "load beyond SQLite": with_contents(highest_load=2**63),
    "no load": lambda values: values["contents"].pop("highest_load"),
    "made at no time": with_contents(made_at="2026-13-01T04:45:00.000Z"),
    "made at a word": with_contents(made_at="yesterday"),
    "made at a number": with_contents(made_at=1_772_340_300),
    "made on a day": with_contents(made_at="2026-03-01"),
    "made at a place": with_contents(made_at="2026-03-01/04:45:00.000Z"),
    "made elsewhere": with_contents(made_at="2026-03-01T04:45:00.000+01:00"),
    "newest play at no time": with_contents(newest_play="today"),
    "oldest play a number": with_contents(oldest_play=0),
    "version clears the screen": with_contents(version="1\x1b[2J"),
    "version of two lines": with_contents(version="1\nError: all is lost"),
    "version is a number": with_contents(version=1),
    "version of half a character": with_contents(version="\ud800"),
    "revision of two lines": with_contents(schema_revision="0099\n"),
    "revision is a list": with_contents(schema_revision=["0003"]),
    "a field that nobody knows": with_contents(owner="me"),
    "no files": with_contents(files={}),
    "files are a list": with_contents(files=["spotify.db"]),
    "a file above": with_file("../evil"),
    "a file at the root": with_file("/etc/evil"),
    "a file of ours": with_file("tokens"),
    "a file without a name": with_file(""),
    "size is negative": with_file(size=-1),
    "size is text": with_file(size="532480"),
    "size is beyond files": with_file(size=2**63),
    "size has 4,000 digits": with_file(size=10**4000),
    "hash is a number": with_file(sha256=5),
    "tables are a list": with_file(tables=["loads"]),
    "a table that is SQL": with_table('loads" union select * from "loads'),
    "a table of two lines": with_table("loads\n"),
    "a table without a name": with_table(""),
    "rows are negative": with_table("loads", rows=-1),
    "rows are text": with_table("loads", rows="0"),
    "hash of rows is none": with_table("loads", sha256=None),
    "archive's size is negative": lambda values: values.update(archive_size=-1),
    "archive's size is text": lambda values: values.update(archive_size="5"),
    "archive's hash is none": lambda values: values.update(archive_sha256=None),
    "contents are none": lambda values: values.update(contents=None),
    "contents are deep": with_contents(plays=json.loads("[" * 500 + "]" * 500)),
}


@pytest.mark.parametrize("wrong", WRONG_VALUES)
def test_a_manifest_that_fits_itself_is_refused_for_a_value_that_cannot_be(
    owner: User, backup: Backup, wrong: str
) -> None:
    other = forged(backup.archive, WRONG_VALUES[wrong])
    assert refusal(owner.settings, other.name) == (
        f"{other.name}: its manifest {manifest_path(other).name} is damaged."
    )


def replaced(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    return lambda whole: whole.replace(old, new, 1)


WRONG_TEXTS: dict[str, Callable[[bytes], bytes]] = {
    "a list": lambda _: b"[]",
    "null": lambda _: b"null",
    "a text": lambda _: b'"contents"',
    "a number": lambda _: b"1",
    "deep lists": lambda _: b"[" * 10_000 + b"]" * 10_000,
    "deep objects": lambda _: b'{"contents":' * 10_000 + b"1" + b"}" * 10_000,
    "deep inside": replaced(b'"plays": ', b'"plays": ' + b"[" * 10_000 + b"]" * 10_000 + b" "),
    "a number of 5,000 digits": replaced(b'"plays": ', b'"plays": ' + b"9" * 5_000),
    "a number too large for a float": replaced(b'"plays": ', b'"plays": 1e'),
    "UTF-16": lambda whole: whole.decode().encode("utf-16"),
    "a byte order mark": lambda whole: b"\xef\xbb\xbf" + whole,
    "no UTF-8": replaced(b"0", b"\xff"),
    "a key twice": replaced(b'"plays"', b'"plays": 1,\n    "plays"'),
    "a key more": replaced(b'  "archive_size"', b'  "owner": "me",\n  "archive_size"'),
    "lines of Windows": lambda whole: whole.replace(b"\n", b"\r\n"),
    "one line": lambda whole: json.dumps(json.loads(whole)).encode(),
    "zeros": lambda whole: bytes(len(whole)),
}


@pytest.mark.parametrize("wrong", WRONG_TEXTS)
def test_a_text_that_is_no_manifest_of_ours_is_refused(
    owner: User, backup: Backup, wrong: str
) -> None:
    path = manifest_path(backup.archive)
    whole = path.read_bytes()
    path.write_bytes(WRONG_TEXTS[wrong](whole))
    assert path.read_bytes() != whole
    assert refusal(owner.settings, backup.archive.name) == (
        f"{backup.archive.name}: its manifest {path.name} is damaged."
    )


def test_a_manifest_too_large_to_be_one_is_not_read(owner: User, backup: Backup) -> None:
    with manifest_path(backup.archive).open("r+b") as file:
        file.truncate(LARGEST + 1)
    assert refusal(owner.settings, backup.archive.name).endswith(" is damaged: it is too large.")


def test_the_command_refuses_a_forged_manifest_before_it_shows_anything_of_it(
    owner: User, backup: Backup
) -> None:
    other = forged(backup.archive, WRONG_VALUES["newest play at no time"])
    done = owner.run("restore", other.name)  # which would show what is in it, and ask
    assert done.returncode == 1
    assert done.stderr == (
        f"Error: {other.name}: its manifest {manifest_path(other).name} is damaged.\n"
    )
