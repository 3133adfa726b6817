"""The archive: an ordinary file for others, and exactly what was packed for us."""

import subprocess
import tarfile
from hashlib import sha256
from pathlib import Path

import pytest
import zstandard

from spotify_assets.warehouse.backups.archive import CHUNK, Packed, check_packed, pack, unpack
from spotify_assets.warehouse.backups.errors import BackupError
from spotify_assets.warehouse.backups.manifest import PackedFile
from spotify_assets_tests.support import need_tool

# Sizes around the blocks of a tar and the pieces in which all is read.
CONTENTS = [
    (b"", b""),
    (b"x" * 511, b"y" * 512),
    (b"x" * 513, b""),
    (b"x" * (CHUNK - 1), b"y" * (CHUNK + 1)),
    (bytes(3 * CHUNK), b"y"),
    (b"x" * 20_000_000, b"y" * 10_000),
]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return tmp_path / "spotify-0001.tar.zst"


def packed_of(tmp_path: Path, archive: Path, contents: tuple[bytes, ...]) -> Packed:
    paths = [tmp_path / name for name in ("spotify.db", "state.db")]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return pack(paths, archive)


def files_of(packed: Packed) -> dict[str, PackedFile]:
    return {name: PackedFile(*member, tables={}) for name, member in packed.members.items()}


@pytest.mark.parametrize("contents", CONTENTS, ids=lambda contents: str(len(contents[0])))
def test_what_was_packed_is_unpacked(
    tmp_path: Path, archive: Path, contents: tuple[bytes, bytes]
) -> None:
    packed = packed_of(tmp_path, archive, contents)
    check_packed(archive, files_of(packed))
    folder = tmp_path / "unpacked"
    folder.mkdir()
    unpack(archive, files_of(packed), folder)
    unpacked = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert unpacked == dict(zip(("spotify.db", "state.db"), contents, strict=True))


def test_sizes_and_hashes_are_those_of_what_was_written(tmp_path: Path, archive: Path) -> None:
    contents = (b"one" * 1000, b"other")
    packed = packed_of(tmp_path, archive, contents)
    written = archive.read_bytes()
    assert (packed.size, packed.sha256) == (len(written), sha256(written).hexdigest())
    assert list(packed.members.values()) == [
        (len(content), sha256(content).hexdigest()) for content in contents
    ]


def test_only_its_owner_reads_it_and_it_says_nothing_of_him(tmp_path: Path, archive: Path) -> None:
    packed_of(tmp_path, archive, (b"one", b"other"))
    assert archive.stat().st_mode & 0o777 == 0o600
    with (
        archive.open("rb") as file,
        zstandard.ZstdDecompressor().stream_reader(file) as stream,
        tarfile.open(fileobj=stream, mode="r|") as tar,
    ):
        for info in tar:
            said = (info.mode, info.uid, info.gid, info.uname, info.gname, info.mtime)
            assert said == (0o600, 0, 0, "", "", 0)


def test_the_usual_programs_open_it(tmp_path: Path, archive: Path) -> None:
    tar = need_tool("tar", "an archive must open without this program")
    need_tool("zstd", "an archive must open without this program")
    packed_of(tmp_path, archive, (b"one", b"other"))
    (tmp_path / "there").mkdir()
    subprocess.run([tar, "--zstd", "-xf", archive, "-C", tmp_path / "there"], check=True)
    assert (tmp_path / "there" / "spotify.db").read_bytes() == b"one"
    assert (tmp_path / "there" / "state.db").read_bytes() == b"other"


def test_no_cut_of_an_archive_reads_as_whole(tmp_path: Path, archive: Path) -> None:
    packed = packed_of(tmp_path, archive, (bytes(range(256)) * 8, b"other"))
    whole = archive.read_bytes()
    check_packed(archive, files_of(packed))
    for end in range(len(whole) - 4):  # the last are a checksum of what was read by then
        archive.write_bytes(whole[:end])
        with pytest.raises(BackupError, match=archive.name):
            check_packed(archive, files_of(packed))


def test_nothing_that_is_there_is_written_over(tmp_path: Path, archive: Path) -> None:
    packed = packed_of(tmp_path, archive, (b"one", b"other"))
    folder = tmp_path / "unpacked"
    folder.mkdir()
    (folder / "state.db").write_bytes(b"present")
    with pytest.raises(FileExistsError):
        unpack(archive, files_of(packed), folder)
    assert (folder / "state.db").read_bytes() == b"present"
