"""Finding the histories in what a person has: archives as downloaded, folders, single files.

A package is what came in one download: an archive, or the files of one folder. Archives are read
where they are, member by member; nothing is written to the disk. An archive in an archive is read
like one beside it; what archives lie in that one is not.

A file that a person names is read. Of other files those are histories that are called like one, or
whose first rows are a history's.
"""

import io
import lzma
import os
import stat
import struct
import zipfile
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePath, PurePosixPath
from typing import IO, Any

from spotify_assets.spotify.export.errors import ExportError
from spotify_assets.spotify.export.fields import has_history
from spotify_assets.spotify.export.names import (
    Series,
    as_text,
    in_order,
    kind_of,
    looks_like_history,
    may_be_history,
    series,
)
from spotify_assets.spotify.export.rows import LARGEST_FILE_BYTES, first_rows, read_rows

# Histories shrink to a tenth, at most to a thirtieth; bombs to a thousandth.
LARGEST_RATIO = 200
SMALLEST_BOMB_BYTES = 1_000_000
LARGEST_DIRECTORY_BYTES = 8_000_000  # a list of 50,000 members; downloads have fewer than 100
MOST_LOOKED_INTO = 1_000  # members of an archive; that takes a second
LARGEST_INNER_BYTES = 300_000_000  # an archive in an archive is held in memory while it is read
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


# Opens a file for reading.
Opener = Callable[[], AbstractContextManager[IO[bytes]]]


@dataclass(frozen=True)
class HistoryFile:
    """A file that is a history, or that a person named.

    Attributes:
        name: as a person knows it: without the folders above it, where that is enough to tell it
            from the other files of its package.
        series: the same for files that continue each other, as Spotify's numbered ones do.
        size: in bytes, as far as is known before it is read.
        fault: why it must not be opened, or None.
    """

    name: str
    series: Series
    size: int
    fault: str | None
    _open: Opener

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
        unknown: names of files that are called like a history and whose rows nobody here knows.
        fault: why nothing in it can be read, or None.
        is_as_found: whether what it came from is still what was found: no file was changed,
            replaced or added since.
    """

    name: str
    files: tuple[HistoryFile, ...] = ()
    unknown: tuple[str, ...] = ()
    fault: str | None = None
    is_as_found: Callable[[], bool] = lambda: True


def find_packages(paths: Iterable[Path]) -> list[Package]:
    """The packages at some paths. Files of one folder are one package, however they were named.

    A path that holds no history, or a folder that cannot be listed, is a package with a fault.
    """
    archives: dict[Path, None] = {}
    searched: dict[Path, frozenset[str]] = {}  # with the names in them, before they are looked at
    loose: defaultdict[Path, dict[Path, bool]] = defaultdict(dict)  # whether it is read
    faults: dict[Path, str] = {}
    for path in paths:
        if path.is_dir():
            try:
                names_in = {Path(here).absolute(): frozenset(n) for here, _, n in os.walk(path)}
                found = dict(_below(path))
            except OSError as error:
                folder = as_text(error.filename or str(path))
                faults[path.absolute()] = f"{folder} cannot be listed: {error.strerror or error}."
                continue
            searched |= {each.parent: names_in.get(each.parent, frozenset()) for each in found}
            if not found:
                name = path.resolve().name or str(path.resolve())  # of "." and ".." as well
                faults[path.absolute()] = f"{_nothing_in(name)}, and no archive (.zip)."
        elif path.exists():
            found = {path.resolve(): True}  # a link that a person names is meant
        else:
            found = {}
            faults[path.absolute()] = "There is no such file or folder."
        for each, is_read in found.items():
            if _is_archive(each) or (
                each.is_file() and not path.is_dir() and zipfile.is_zipfile(each)
            ):
                archives[each] = None
            else:
                loose[each.parent][each] = is_read or loose[each.parent].get(each, False)
    # The package of a single file has its name.
    folders = {
        folder if len(files) > 1 else next(iter(files)): files for folder, files in loose.items()
    }
    names = _distinct_names([*archives, *folders, *faults])
    return [
        *(package for path in archives for package in _archive(names[path], path)),
        *(_folder(names[path], files, searched) for path, files in folders.items()),
        *(Package(names[path], fault=fault) for path, fault in faults.items()),
    ]


def _mark(path: Path) -> tuple[int, ...] | None:
    """What is another one where a file was changed or replaced; None where there is none."""
    with suppress(OSError):
        found = path.lstat()
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
    return None


def _unchanged(
    marks: Mapping[Path, object], folder: Path | None = None, before: frozenset[str] = frozenset()
) -> bool:
    """Whether files are as they were, and no history came to the folder that they are all of.

    Args:
        before: the names in that folder.
    """
    if any(_mark(path) != mark for path, mark in marks.items()):
        return False
    came = [] if folder is None else [folder / name for name in _names_in(folder) - before]
    return all(_is_history(path.name, partial(_opened, path)) is None for path in came)


def _names_in(folder: Path) -> frozenset[str]:
    with suppress(OSError):
        return frozenset(path.name for path in folder.iterdir() if path.is_file())
    return frozenset()


def _distinct_names(paths: Iterable[Path]) -> dict[Path, str]:
    """Each path's last part, with as many parts before it as tell it from the others."""
    by_name: defaultdict[str, list[Path]] = defaultdict(list)
    for path in dict.fromkeys(paths):
        by_name[path.name].append(path)
    names = {}
    for name, alike in by_name.items():
        length = 1
        while len({path.parts[-length:] for path in alike}) < len(alike):
            length += 1
        for path in alike:
            names[path] = as_text(str(PurePath(*path.parts[-length:])) if length > 1 else name)
    return names


def _below(folder: Path) -> Iterator[tuple[Path, bool]]:
    """The archives and histories in a folder; what is only called like a history is False.

    Raises:
        OSError: a folder cannot be listed.
    """
    for here, folders, names in os.walk(folder, onerror=_raise):  # follows no link to a folder
        folders[:] = sorted(name for name in folders if name not in ("__MACOSX", ".git"))
        for path in (Path(here, name).absolute() for name in sorted(names)):
            is_regular = stat.S_ISREG(path.lstat().st_mode)
            is_history = _is_archive(path) or _is_history(
                path.name, partial(_opened, path) if is_regular else None
            )
            if is_history is not None:
                yield path, is_history


def _raise(error: OSError) -> None:
    raise error


def _is_history(name: str, opener: Opener | None) -> bool | None:
    """Whether a file that nobody named is a history; None where it is not even called like one.

    Args:
        name: its name, as Spotify or anybody gave it.
        opener: opens it, for a look at its first rows; None where it must not be opened.
    """
    if kind_of(name):
        return True
    if opener and may_be_history(name) and _begins_as_history(opener):
        return True
    return False if looks_like_history(name) else None


def _begins_as_history(opener: Opener) -> bool:
    try:
        with opener() as file:
            return has_history(first_rows(file))
    except (*_BAD_ARCHIVE, OSError):
        return False


def _is_archive(path: PurePath) -> bool:
    return path.suffix.lower() == ".zip" and not path.name.startswith(".")


def _nothing_in(name: str) -> str:
    return f"There is no listening history in {as_text(name)}"


def _folder(
    name: str, files: Mapping[Path, bool], searched: Mapping[Path, frozenset[str]]
) -> Package:
    """The histories of one folder, or a single file.

    Args:
        searched: folders of which all histories are meant, not those alone that were named, with
            the names that were in them.
    """
    is_as_found = partial(_unchanged, {path: _mark(path) for path in files})
    for folder in {path.parent for path in files} & searched.keys():
        is_as_found = partial(is_as_found, folder, searched[folder])
    read = sorted((path for path, is_read in files.items() if is_read), key=_order)
    histories = map(_loose, read, series(path.name for path in read))
    unknown = tuple(as_text(path.name) for path, is_read in files.items() if not is_read)
    return Package(name, tuple(histories), unknown, is_as_found=is_as_found)


def _loose(path: Path, series: Series) -> HistoryFile:
    size = path.lstat().st_size
    fault = _no_file(path) or _size_fault(size)
    return HistoryFile(as_text(path.name), series, size, fault, partial(_opened, path))


def _no_file(path: Path) -> str | None:
    """What is wrong where something else stands at a path; opening that may take for ever."""
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        return "It is a link, and only files are read. Name the file itself."
    return None if stat.S_ISREG(mode) else "It is no file."


def _opened(path: Path) -> IO[bytes]:
    return path.open("rb")


def _archive(name: str, path: Path) -> list[Package]:
    """An archive, and the archives in it; at least one package, if only with a fault."""
    fault = _no_file(path)
    if fault:
        return [Package(name, fault=fault)]
    is_as_found = partial(_unchanged, {path: _mark(path)})
    found = [
        replace(each, is_as_found=is_as_found)
        for each in _packages_in(name, partial(_opened, path), is_inner=False)
    ]
    return found or [Package(name, fault=f"{_nothing_in(path.name)}, nor in an archive in it.")]


def _packages_in(name: str, opener: Opener, *, is_inner: bool) -> list[Package]:
    """The histories of an archive as a package, and those of the archives in it; maybe none."""
    try:
        with opener() as file:
            size = file.seek(0, os.SEEK_END)
            _require_small_directory(file)
            with zipfile.ZipFile(file) as archive:
                members = [each for each in archive.infolist() if not _is_of_macos(each)]
                times = Counter(each.filename for each in members)
                faults = [_member_fault(each, times[each.filename]) for each in members]
                histories = dict(_histories(archive, members, faults))
    except OSError as error:
        return [Package(name, fault=f"It cannot be read: {error.strerror or error}.")]
    except _BAD_ARCHIVE as error:
        words = f"It is no whole zip archive ({error}). Download it again."
        return [Package(name, fault=words)]
    except ExportError as error:
        return [Package(name, fault=str(error))]
    paths = [_path(each.filename) for each in members]
    read = [place for place, is_history in histories.items() if is_history]
    read.sort(key=lambda place: _order(paths[place]))
    # Members that overlap are a bomb together.
    whole = sum(members[place].file_size for place in read if not faults[place])
    bomb = TOO_SMALL if whole > SMALLEST_BOMB_BYTES and whole > LARGEST_RATIO * size else None
    alike = Counter(path.name for path in {paths[place] for place in read})
    files = [
        HistoryFile(
            name=paths[place].name if alike[paths[place].name] == 1 else str(paths[place]),
            series=of_file,
            size=members[place].file_size,
            fault=faults[place] or bomb,
            _open=partial(_member, opener, members[place]),
        )
        for place, of_file in zip(read, series(str(paths[place]) for place in read), strict=True)
    ]
    unknown = [paths[place].name for place, is_history in histories.items() if not is_history]
    packages = []
    if files or unknown:
        packages.append(Package(name, tuple(files), tuple(unknown)))
    archives = [place for place, path in enumerate(paths) if _is_archive(path)]
    if not is_inner:
        for place in archives:
            packages += _inner(name, opener, members[place], faults[place])
    elif archives:
        # Beside a history as well: it is imported, and nobody would miss the rest.
        words = "The archives in it are not read: unpack it first."
        packages.append(Package(name, fault=words))
    if not packages:
        # What could have been a history, had it been possible to look into it.
        closed = [
            fault
            for member, fault in zip(members, faults, strict=True)
            if fault and may_be_history(member.filename)
        ]
        packages += [Package(name, fault=fault) for fault in closed[:1]]
    return packages


def _histories(
    archive: zipfile.ZipFile, members: Sequence[zipfile.ZipInfo], faults: Sequence[str | None]
) -> Iterator[tuple[int, bool]]:
    """The places of the members that are histories, or only called like one, which is False."""
    others = 0
    for place, (member, fault) in enumerate(zip(members, faults, strict=True)):
        others += may_be_history(member.filename) and not kind_of(member.filename)
        if others > MOST_LOOKED_INTO:
            raise ExportError(
                f"It holds more than {MOST_LOOKED_INTO:,} JSON files, and none of Spotify's does. "
                "Import the histories in it one by one."
            )
        opener = None if fault else partial(archive.open, member)
        is_history = _is_history(member.filename, opener)
        if is_history is not None:
            yield place, is_history


def _inner(name: str, opener: Opener, member: zipfile.ZipInfo, fault: str | None) -> list[Package]:
    """The packages of an archive in an archive."""
    name = f"{name}/{_path(member.filename).name}"
    if member.file_size > LARGEST_INNER_BYTES:
        fault = (
            f"It has {member.file_size / 1_000_000:,.0f} MB. In an archive, archives of up to "
            f"{LARGEST_INNER_BYTES / 1_000_000:,.0f} MB are read: unpack the outer one."
        )
    if fault:
        return [Package(name, fault=fault)]
    return _packages_in(name, partial(_in_memory, opener, member), is_inner=True)


def _order(path: PurePath) -> tuple[str, list[int], str, str]:
    return (kind_of(path.name) or "other", *in_order(path.name), str(path))


@contextmanager
def _member(opener: Opener, member: zipfile.ZipInfo) -> Iterator[IO[bytes]]:
    with opener() as whole, zipfile.ZipFile(whole) as archive, archive.open(member) as file:
        yield file


@contextmanager
def _in_memory(opener: Opener, member: zipfile.ZipInfo) -> Iterator[IO[bytes]]:
    """A member that can be read from its end, as the list of an archive is."""
    with _member(opener, member) as file:
        content = file.read(LARGEST_INNER_BYTES + 1)
    if len(content) > LARGEST_INNER_BYTES:
        raise ExportError("It is larger than the archive around it says.")
    yield io.BytesIO(content)


def _path(name: str) -> PurePosixPath:
    return PurePosixPath(name.replace("\\", "/"))  # which Windows tools write


def _is_of_macos(member: zipfile.ZipInfo) -> bool:
    parts = _path(member.filename).parts
    return "__MACOSX" in parts or (bool(parts) and parts[-1].startswith("._"))


def _member_fault(member: zipfile.ZipInfo, times: int) -> str | None:
    path = _path(member.filename)
    if path.is_absolute() or ".." in path.parts or any(":" in part for part in path.parts[:1]):
        return "Its path leads out of the archive; Spotify's do not."
    # The folder itself has no parts: "." or no name at all, of which `is_dir` makes an error.
    if not path.parts or member.is_dir() or stat.S_ISLNK(member.external_attr >> 16):
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


def _require_small_directory(file: IO[bytes]) -> None:
    """Look at the length of the list of members, which zipfile reads whole into memory."""
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
