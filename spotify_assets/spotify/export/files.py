"""Finding the histories in what a person has: archives as downloaded, folders, single files.

A package is what came in one download: an archive, or the files of one folder. Archives are read
where they are, member by member; nothing is written to the disk.
"""

import lzma
import os
import stat
import struct
import zipfile
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any

from spotify_assets.spotify.export.errors import ExportError
from spotify_assets.spotify.export.names import Kind, in_order, kind_of, looks_like_history
from spotify_assets.spotify.export.rows import LARGEST_FILE_BYTES, read_rows

# Histories shrink to a tenth, at most to a thirtieth; bombs to a thousandth.
LARGEST_RATIO = 200
SMALLEST_BOMB_BYTES = 1_000_000
LARGEST_DIRECTORY_BYTES = 8_000_000  # a list of 50,000 members; downloads have fewer than 100
END_OF_DIRECTORY, END_BYTES, LONGEST_COMMENT = b"PK\x05\x06", 22, 65_535
# What a large archive has before its end: a record of 56 bytes and its locator.
END_OF_ZIP64, LOCATOR_OF_ZIP64, END_BYTES_OF_ZIP64 = b"PK\x06\x06", b"PK\x06\x07", 76
ENCRYPTED = 0x1
TOO_SMALL = (
    f"Unpacked it would be more than {LARGEST_RATIO} times as large as it is packed, "
    "as no history is."
)
# What zipfile raises on archives that are damaged, or made to do damage.
_BAD_ARCHIVE = (
    zipfile.BadZipFile,
    NotImplementedError,
    RuntimeError,
    EOFError,
    ValueError,
    OverflowError,
    struct.error,
    zlib.error,
    lzma.LZMAError,
)


@dataclass(frozen=True)
class HistoryFile:
    """A file with a history's name.

    Attributes:
        name: as a person knows it: below the archive or the folder that it is in.
        kind: what its name says that its rows are.
        size: in bytes, as far as is known before it is read.
        fault: why it must not be opened, or None.
    """

    name: str
    kind: Kind
    size: int
    fault: str | None
    _open: Callable[[], AbstractContextManager[IO[bytes]]]

    def rows(self, tell: Callable[[int], None] = lambda _: None) -> Iterator[list[Any]]:
        """Its rows, in lists of some thousands; each is whatever JSON value stands there.

        Args:
            tell: is called with how many bytes have been read so far.

        Raises:
            ExportError: it must not be opened, cannot be, or turns out damaged on the way. Rows
                that were yielded before are not to be kept.
        """
        if self.fault:
            raise ExportError(self.fault)
        try:
            with self._open() as file:
                for rows in read_rows(file):
                    tell(file.tell())
                    yield rows
        except _BAD_ARCHIVE as error:
            raise ExportError(f"It is damaged ({error}). Download it again.") from None
        except OSError as error:
            raise ExportError(f"It cannot be read: {error.strerror or error}.") from None


@dataclass(frozen=True)
class Package:
    """What came in one download.

    Attributes:
        name: of the archive, folder or file.
        files: the histories in it, in their order.
        unknown: names of files that look like histories and that nobody here knows.
        fault: why nothing in it can be read, or None.
    """

    name: str
    files: tuple[HistoryFile, ...] = ()
    unknown: tuple[str, ...] = ()
    fault: str | None = None


def find_packages(paths: Iterable[Path]) -> list[Package]:
    """The packages at some paths. Files of one folder are one package, however they were named.

    A path that holds no history is a package with a fault.
    """
    archives: dict[Path, None] = {}
    loose: defaultdict[Path, dict[Path, None]] = defaultdict(dict)
    faults: list[Package] = []
    for path in paths:
        if path.is_dir():
            found = list(_below(path))
            if not any(map(_is_archive, found)) and not any(
                kind_of(each.name) or looks_like_history(each.name) for each in found
            ):
                faults.append(Package(path.name, fault=_nothing_in(path)))
        else:
            fault = _not_usable(path)
            if fault:
                faults.append(Package(path.name, fault=fault))
                continue
            found = [path.resolve()]  # a link that a person names is meant
        for each in found:
            if _is_archive(each):
                archives[each] = None
            elif kind_of(each.name) or looks_like_history(each.name):
                loose[each.parent][each] = None
    return [
        *map(_archive, archives),
        *(_folder(folder, files) for folder, files in loose.items()),
        *faults,
    ]


def _below(folder: Path) -> Iterator[Path]:
    for here, folders, names in os.walk(folder):  # which follows no link to a folder
        folders[:] = sorted(name for name in folders if name not in ("__MACOSX", ".git"))
        yield from (Path(here, name).absolute() for name in sorted(names))


def _is_archive(path: Path) -> bool:
    return path.suffix.lower() == ".zip" and not path.name.startswith(".")


def _not_usable(path: Path) -> str | None:
    if not path.exists():
        return "There is no such file or folder."
    path = path.resolve()  # by its name it is read, wherever a link to it stands
    if not (_is_archive(path) or kind_of(path.name) or looks_like_history(path.name)):
        return (
            "Its name is none of Spotify's. Histories are called Streaming_History_Audio_….json, "
            "endsong_….json or StreamingHistory_….json, archives ….zip."
        )
    return None


def _nothing_in(path: Path) -> str:
    return f"There is no listening history in {path.name}, and no archive (.zip)."


def _folder(folder: Path, files: Iterable[Path]) -> Package:
    """The histories of one folder; of a single one, the package has its name."""
    known = [(path, kind) for path in files if (kind := kind_of(path.name))]
    unknown = [path.name for path in files if not kind_of(path.name)]
    histories = sorted((_loose(path, kind) for path, kind in known), key=_order)
    name = folder.name if len(histories) + len(unknown) > 1 else next(iter(files)).name
    return Package(name, tuple(histories), tuple(unknown))


def _loose(path: Path, kind: Kind) -> HistoryFile:
    size = path.lstat().st_size
    fault = _no_file(path) or _size_fault(size)
    return HistoryFile(path.name, kind, size, fault, partial(_opened, path))


def _no_file(path: Path) -> str | None:
    """What is wrong where something else stands at a path; opening that may take for ever."""
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        return "It is a link, and only files are read. Name the file itself."
    return None if stat.S_ISREG(mode) else "It is no file."


def _opened(path: Path) -> IO[bytes]:
    return path.open("rb")


def _archive(path: Path) -> Package:
    fault = _no_file(path)
    if fault:
        return Package(path.name, fault=fault)
    try:
        _require_small_directory(path)
        with zipfile.ZipFile(path) as archive:
            members = [each for each in archive.infolist() if not _is_of_macos(each)]
    except OSError as error:
        return Package(path.name, fault=f"It cannot be read: {error.strerror or error}.")
    except _BAD_ARCHIVE as error:
        words = f"It is no whole zip archive ({error}). Download it again."
        return Package(path.name, fault=words)
    except ExportError as error:
        return Package(path.name, fault=str(error))
    known = [(each, kind) for each in members if (kind := kind_of(each.filename))]
    times = Counter(each.filename for each, _ in known)
    faults = [_member_fault(each, times[each.filename]) for each, _ in known]
    # Members that overlap are a bomb together.
    whole = sum(each.file_size for (each, _), fault in zip(known, faults, strict=True) if not fault)
    bomb = whole > SMALLEST_BOMB_BYTES and whole > LARGEST_RATIO * path.stat().st_size
    files = sorted(
        (
            HistoryFile(
                name=_path(member.filename).name,
                kind=kind,
                size=member.file_size,
                fault=fault or (TOO_SMALL if bomb else None),
                _open=partial(_member, path, member),
            )
            for (member, kind), fault in zip(known, faults, strict=True)
        ),
        key=_order,
    )
    unknown = [each.filename for each in members if not kind_of(each.filename)]
    unknown = [_path(name).name for name in unknown if looks_like_history(name)]
    fault = None if files or unknown else _nothing_in(path)
    return Package(path.name, tuple(files), tuple(unknown), fault)


def _order(file: HistoryFile) -> tuple[str, list[int], str]:
    return (file.kind, *in_order(file.name))


@contextmanager
def _member(path: Path, member: zipfile.ZipInfo) -> Iterator[IO[bytes]]:
    with zipfile.ZipFile(path) as archive, archive.open(member) as file:
        yield file


def _path(name: str) -> PurePosixPath:
    return PurePosixPath(name.replace("\\", "/"))  # which Windows tools write


def _is_of_macos(member: zipfile.ZipInfo) -> bool:
    parts = _path(member.filename).parts
    return "__MACOSX" in parts or (bool(parts) and parts[-1].startswith("._"))


def _member_fault(member: zipfile.ZipInfo, times: int) -> str | None:
    path = _path(member.filename)
    if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
        return "Its path leads out of the archive; Spotify's do not."
    if member.is_dir() or stat.S_ISLNK(member.external_attr >> 16):
        return "It is a folder or a link, and only files are read."
    if member.flag_bits & ENCRYPTED:
        return "It is encrypted. Unpack the archive with its password and import the folder."
    if times > 1:
        return "The archive holds several files of this name. Download it again."
    small = member.file_size <= SMALLEST_BOMB_BYTES
    if not (small or member.file_size <= LARGEST_RATIO * member.compress_size):
        return TOO_SMALL
    return _size_fault(member.file_size)


def _size_fault(size: int) -> str | None:
    if size <= LARGEST_FILE_BYTES:
        return None
    return (
        f"It has {size / 1_000_000:,.0f} MB, and Spotify's have 13. Files of more than "
        f"{LARGEST_FILE_BYTES >> 20:,} MB are not read."
    )


def _require_small_directory(path: Path) -> None:
    """Look at the length of the list of members, which zipfile reads whole into memory."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - LONGEST_COMMENT - END_BYTES - END_BYTES_OF_ZIP64))
        end = file.read()
    # As zipfile looks for it: at the end, else before a comment.
    place = len(end) - END_BYTES
    if not (end.startswith(END_OF_DIRECTORY, place) and end.endswith(b"\0\0")):
        place = end.rfind(END_OF_DIRECTORY)
    if place < 0 or len(end) - place < END_BYTES:
        return  # zipfile says what is wrong
    (length,) = struct.unpack_from("<L", end, place + 12)
    large = place - END_BYTES_OF_ZIP64
    is_large = large >= 0 and end.startswith(END_OF_ZIP64, large)
    if is_large and end.startswith(LOCATOR_OF_ZIP64, large + 56):
        (length,) = struct.unpack_from("<Q", end, large + 40)
    if length > LARGEST_DIRECTORY_BYTES:
        raise ExportError("It lists far more files than a download of Spotify's has.")
