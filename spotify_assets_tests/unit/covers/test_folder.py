"""Names are made here, so no key leads out of the folder; and the folder has a bound."""

from datetime import timedelta
from pathlib import Path

import pytest

from spotify_assets import times
from spotify_assets.covers import folder as folder_module
from spotify_assets.covers.folder import LARGEST_FILE, CoverFolder, image_type, is_whole
from spotify_assets_tests.unit.covers.conftest import PICTURE

JPEG = b"\xff\xd8\xff\xe0" + bytes(200) + b"\xff\xd9"
WEBP = b"RIFF" + (24).to_bytes(4, "little") + b"WEBPVP8 " + bytes(16)


@pytest.fixture
def folder(tmp_path: Path) -> CoverFolder:
    return CoverFolder(tmp_path / "covers")


@pytest.mark.parametrize(
    "key",
    ["../../state.db", "/etc/passwd", "a/b", "..", "", "x" * 5000, "\x00", "\ud800", "CON", "é"],
)
def test_no_key_leads_out_of_the_folder(key: str, folder: CoverFolder, tmp_path: Path) -> None:
    folder.store(key, 64, PICTURE)
    folder.leave_alone(key, times.now(), "../..")
    names = folder.names(key)
    assert folder.read(names[64]) == (PICTURE, "image/png")
    (made,) = tmp_path.iterdir()
    assert {path.parent for path in tmp_path.rglob("*") if path.is_file()} == {made}
    assert all(path.name.isascii() for path in made.iterdir())


@pytest.mark.parametrize(
    "name",
    ["../state.db", "..", "", "called", "a" * 32, f"{'a' * 32}-640", f"{'A' * 32}-64", "a/b-64"],
)
def test_only_names_of_covers_are_read(name: str, folder: CoverFolder, tmp_path: Path) -> None:
    folder.store("an album", 64, PICTURE)
    (tmp_path / "state.db").write_bytes(PICTURE)
    (tmp_path / "covers" / "called").write_bytes(PICTURE)
    assert folder.read(name) is None


def test_a_file_that_is_no_image_any_more_is_not_given_out(
    folder: CoverFolder, tmp_path: Path
) -> None:
    folder.store("an album", 64, PICTURE)
    (path,) = (tmp_path / "covers").iterdir()
    for content in (b"<script>", b"", PICTURE + bytes(LARGEST_FILE)):
        path.write_bytes(content)
        assert folder.read(path.name) is None


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (JPEG, "image/jpeg"),
        (PICTURE, "image/png"),
        (WEBP, "image/webp"),
        (b"GIF89a", None),
        (b"<svg></svg>", None),
        (b" " + PICTURE, None),
        (b"RIFF0000WAVE", None),
        (b"", None),
    ],
)
def test_the_first_bytes_say_what_an_image_is(content: bytes, kind: str | None) -> None:
    assert image_type(content) == kind
    if kind:
        assert is_whole(content)
        assert not is_whole(content[:-5])


def test_what_no_album_needs_goes_and_what_is_not_ours_stays(
    folder: CoverFolder, tmp_path: Path
) -> None:
    place = tmp_path / "covers"
    for key in ("wanted", "not wanted"):
        folder.store(key, 64, PICTURE)
        folder.store(key, 300, PICTURE)
        folder.leave_alone(key, times.now() + timedelta(days=1), "why")
    (place / f"{'a' * 32}-64.partial").write_bytes(b"half")
    others = [place / "photo.jpg", place / "called", place / f"{'a' * 32}-64.txt"]
    for path in others:
        path.write_bytes(b"mine")
    assert folder.prune(["wanted", "never fetched"]) == 2 * len(PICTURE) + len("why") + len("half")
    assert set(folder.names("wanted")) == {64, 300}
    assert folder.names("not wanted") == {}
    assert len(list(place.iterdir())) == 3 + len(others)
    assert folder.prune(["wanted"]) == 0


def test_the_most_wanted_stay_where_there_is_no_room_for_all(
    folder: CoverFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_module, "LARGEST_FOLDER", 2 * len(PICTURE))
    keys = ["first", "second", "third"]
    for key in reversed(keys):
        folder.store(key, 300, PICTURE)
    assert folder.prune(keys) == len(PICTURE)
    assert [bool(folder.names(key)) for key in keys] == [True, True, False]
