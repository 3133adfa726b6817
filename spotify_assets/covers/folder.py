"""The folder of the covers: files whose names are made here, from a hash of the album's key.

Belongs here: what a file must be, and how it comes and goes. Does not belong here: which albums
have a cover, and from where it comes.

`<hash>-64` and `<hash>-300` are the images as Spotify sent them. `<hash>.later` says why there is
none, and by its time of change until when nobody asks again. `.partial` is what a kill left.
"""

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from spotify_assets import times

SMALL, MEDIUM = 64, 300  # pixels; Spotify also has 640, which no page needs
LARGEST_FILE = 512 * 1024  # bytes; 300 pixels of Spotify's are 10 to 40 kB
LARGEST_FOLDER = 200 * 2**20

_NAME = re.compile(rf"[0-9a-f]{{32}}-({SMALL}|{MEDIUM})")
_OURS = re.compile(rf"{_NAME.pattern}(\.partial)?|[0-9a-f]{{32}}\.later(\.partial)?")
LARGEST_REASON = 1000  # bytes


def image_type(content: bytes) -> str | None:
    """The media type that the first bytes say, or None for anything but JPEG, PNG and WebP."""
    if content.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return "image/webp"
    return None


def is_whole(image: bytes) -> bool:
    """Whether an image has its end: a body that was cut looks right by its first bytes."""
    if image.startswith(b"\xff"):
        return b"\xff\xd9" in image[-64:]  # some programs add zeros
    if image.startswith(b"RIFF"):
        return len(image) >= 8 + int.from_bytes(image[4:8], "little")
    return image.endswith(b"IEND\xaeB`\x82")


class CoverFolder:
    """The covers at a path; nothing is created before something is stored."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def names(self, album_key: str) -> dict[int, str]:
        """The names of the album's images by their size, of those that are here."""
        found = {size: _name(album_key, size) for size in (SMALL, MEDIUM)}
        return {size: name for size, name in found.items() if (self._path / name).is_file()}

    def read(self, name: str) -> tuple[bytes, str] | None:
        """An image and its media type; None where there is none of this name."""
        if not _NAME.fullmatch(name):
            return None
        with suppress(FileNotFoundError), open(self._path / name, "rb") as file:
            content = file.read(LARGEST_FILE + 1)
            kind = image_type(content)
            if kind and len(content) <= LARGEST_FILE:
                return content, kind
        return None

    def is_settled(self, album_key: str) -> bool:
        """Whether the album has its cover, or nobody asks for it at present.

        The medium image is stored last, so an album that has it is complete.
        """
        if (self._path / _name(album_key, MEDIUM)).is_file():
            return True
        return _time_of(self._later(album_key)) > times.now().timestamp()

    def store(self, album_key: str, size: int, content: bytes) -> None:
        """Keep an image. The caller has checked its size and type, and holds the lock."""
        self._write(self._path / _name(album_key, size), content)

    def leave_alone(self, album_key: str, until: datetime, why: str) -> None:
        """Do not ask for the album's cover before a moment."""
        reason = why.encode("utf-8", "replace")[:LARGEST_REASON]
        self._write(self._later(album_key), reason, changed_at=until.timestamp())

    def size(self) -> int:
        """The bytes of all files."""
        return sum(size for _, size in self._files())

    def prune(self, albums: Sequence[str]) -> int:
        """Remove what no album needs, and the last albums that there is no room for.

        The caller holds the lock. What is not named like a file of ours stays.

        Args:
            albums: keys of the albums that may have a cover, the most wanted first.

        Returns:
            How many bytes were removed.
        """
        sizes = dict(self._files())
        kept, room = set[str](), LARGEST_FOLDER
        for key in albums:
            names = [_name(key, size) for size in (SMALL, MEDIUM)]
            room -= sum(sizes.get(name, 0) for name in names)
            if room >= 0:
                kept.update(names)
            kept.add(self._later(key).name)
        removed = 0
        for name in sizes.keys() - kept:
            with suppress(FileNotFoundError):
                (self._path / name).unlink()
                removed += sizes[name]
        return removed

    def _files(self) -> Iterator[tuple[str, int]]:
        with suppress(FileNotFoundError), os.scandir(self._path) as entries:
            for entry in entries:
                if _OURS.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                    yield entry.name, entry.stat(follow_symlinks=False).st_size

    def _later(self, album_key: str) -> Path:
        return self._path / f"{_hash(album_key)}.later"

    def _write(self, path: Path, content: bytes, changed_at: float | None = None) -> None:
        """Let the file be there whole or not at all, for its owner alone."""
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial = path.with_name(f"{path.name}.partial")
        partial.unlink(missing_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if changed_at is not None:
            os.utime(partial, (changed_at, changed_at))
        partial.replace(path)


def _hash(album_key: str) -> str:
    return hashlib.sha256(album_key.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _name(album_key: str, size: int) -> str:
    return f"{_hash(album_key)}-{size}"


def _time_of(path: Path) -> float:
    with suppress(FileNotFoundError):
        return path.stat().st_mtime
    return 0.0
