"""The archive of a backup: a tar of database files, compressed with zstd.

`tar --zstd -xf` opens it anywhere. Here it is read as a stream with known names and sizes, since
an archive may come from anywhere: what is not as the manifest says is refused as it is met, and
nothing is written outside the folder or beyond the sizes.
"""

import hashlib
import os
import shutil
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol, cast

import zstandard

from spotify_assets.warehouse.backups.errors import BackupError
from spotify_assets.warehouse.backups.manifest import Manifest, PackedFile

LEVEL = 3  # zstd's own default; higher levels take seconds more for a percent less
LARGEST_WINDOW = 2**27  # bytes; what the zstd program itself accepts by default
CHUNK = 2**20


class _Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


class _Hashing:
    """A file, with the number of the bytes that went through and their SHA-256 (hex)."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._sha256 = hashlib.sha256()
        self.size = 0

    def read(self, size: int = -1) -> bytes:
        return self._seen(self._file.read(size))

    def write(self, data: bytes) -> int:
        return self._file.write(self._seen(data))

    def _seen(self, data: bytes) -> bytes:
        self._sha256.update(data)
        self.size += len(data)
        return data

    @property
    def sha256(self) -> str:
        return self._sha256.hexdigest()


@dataclass(frozen=True)
class Packed:
    """An archive that was written: its size in bytes, its SHA-256, and those of its members."""

    size: int
    sha256: str
    members: dict[str, tuple[int, str]]


def pack(files: Sequence[Path], archive: Path) -> Packed:
    """Write an archive, readable by its owner alone, and wait until it is on the disk."""
    members = {}
    descriptor = os.open(archive, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as file:
        written = _Hashing(file)
        compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True, threads=-1)
        with (
            compressor.stream_writer(cast("IO[bytes]", written), closefd=False) as stream,
            # By default in pieces of 10 kB, which took twelve times as long.
            tarfile.open(  # type: ignore[call-overload] # copybufsize is not in the stubs
                fileobj=stream,
                mode="w|",
                bufsize=CHUNK,
                copybufsize=CHUNK,
                format=tarfile.GNU_FORMAT,
            ) as tar,
        ):
            for path in files:
                member = tarfile.TarInfo(path.name)  # no owner, no times: they say nothing here
                member.size, member.mode = path.stat().st_size, 0o600
                with path.open("rb") as content:
                    read = _Hashing(content)
                    tar.addfile(member, cast("IO[bytes]", read))
                members[path.name] = (read.size, read.sha256)
        file.flush()
        os.fsync(descriptor)
    return Packed(written.size, written.sha256, members)


def check_archive(archive: Path, manifest: Manifest, *, whole: bool = True) -> None:
    """Compare an archive, as it lies there, with its manifest.

    Args:
        whole: read all of it. Without, only its size is compared.

    Raises:
        BackupError: it is missing, or was changed.
    """
    name = archive.name
    try:
        with archive.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size == 0:
                raise BackupError(f"{name} is empty.")
            if size != manifest.archive_size:
                what = "was cut short" if size < manifest.archive_size else "was appended to"
                raise BackupError(
                    f"{name} {what}: it has {size:,} bytes of {manifest.archive_size:,}."
                )
            if not whole:
                return
            if hashlib.file_digest(file, "sha256").hexdigest() != manifest.archive_sha256:
                raise BackupError(f"{name} was changed: its SHA-256 is not that of its manifest.")
    except FileNotFoundError:
        raise BackupError(f"{name} is missing; only its manifest is there.") from None
    except OSError as error:  # of the disk: it is this backup's fault, not that of all others
        raise BackupError(f"{name} cannot be read: {error.strerror}") from error


def check_packed(archive: Path, files: Mapping[str, PackedFile]) -> None:
    """Read an archive to its end and compare what is in it, byte by byte, with sizes and hashes.

    Raises:
        BackupError: something is not as it should be.
    """
    with _members(archive, files) as members:
        for _, packed, content in members:
            _copy(content, None, packed, archive)


def unpack(archive: Path, files: Mapping[str, PackedFile], folder: Path) -> None:
    """Write what is in an archive into an existing folder.

    Raises:
        BackupError: something is not as it should be; what was written is to be thrown away.
    """
    needed, free = sum(file.size for file in files.values()), shutil.disk_usage(folder).free
    if needed > free:
        raise BackupError(
            f"{archive.name} needs {needed / 1e6:,.1f} MB in {folder}, where {free / 1e6:,.1f} MB "
            "are free. Make room, and try again."
        )
    with _members(archive, files) as members:
        for name, packed, content in members:
            with open(folder / name, "xb") as file:
                _copy(content, file, packed, archive)


@contextmanager
def _members(
    archive: Path, files: Mapping[str, PackedFile]
) -> Iterator[Iterator[tuple[str, PackedFile, _Readable]]]:
    decompressor = zstandard.ZstdDecompressor(max_window_size=LARGEST_WINDOW)
    try:
        with archive.open("rb") as file, decompressor.stream_reader(file) as stream:
            yield _read_members(archive, stream, files)
    except zstandard.ZstdError as error:
        raise BackupError(f"{archive.name} is damaged: {error}") from error


def _read_members(
    archive: Path, stream: _Readable, files: Mapping[str, PackedFile]
) -> Iterator[tuple[str, PackedFile, _Readable]]:
    """The members of a tar, which are exactly these files in this order."""
    for name, packed in files.items():
        try:
            # Not by `tarfile.open`: it reads extended headers of any size into memory.
            header = stream.read(tarfile.BLOCKSIZE)
            member = tarfile.TarInfo.frombuf(header, "utf-8", "strict")
        except (tarfile.HeaderError, UnicodeDecodeError):
            raise BackupError(f"{archive.name} is damaged: it holds no {name}.") from None
        if (member.name, member.size, member.type) != (name, packed.size, tarfile.REGTYPE):
            raise BackupError(f"{archive.name} holds {member.name!r} in the place of {name}.")
        yield name, packed, stream
        stream.read(-packed.size % tarfile.BLOCKSIZE)
    # A tar is filled up with zeros to ten thousand bytes; zstd would make any number from a few.
    if stream.read(CHUNK).strip(b"\0") or stream.read(1):
        raise BackupError(f"{archive.name} holds more than its manifest says.")


def _copy(content: _Readable, file: IO[bytes] | None, packed: PackedFile, archive: Path) -> None:
    sha256, left = hashlib.sha256(), packed.size
    while left and (data := content.read(min(CHUNK, left))):
        sha256.update(data)
        left -= len(data)
        if file:
            file.write(data)
    if left or sha256.hexdigest() != packed.sha256:
        raise BackupError(f"{archive.name} is damaged: a database in it is not as it was made.")
