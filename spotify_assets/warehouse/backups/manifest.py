"""The manifest of a backup: what is in the archive that it lies beside.

Its text is canonical, and the archive's name carries the hash of it, so neither of the two can
change, or be taken for another's, without being noticed.
"""

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from spotify_assets import times
from spotify_assets.warehouse.backups.digests import Digest
from spotify_assets.warehouse.backups.errors import BackupError

SUFFIX = ".tar.zst"
NAME = re.compile(r"spotify-(?P<number>\d{4,9})-\d{8}T\d{6}Z-[0-9a-f]{12}\.tar\.zst")
FILES = ("spotify.db", "state.db")  # in the order of the archive
LARGEST = 1_000_000  # bytes; a manifest has about three thousand
WORD = re.compile(r"[\w.+!-]{1,64}", re.ASCII)  # versions, revisions, hashes, names of tables


@dataclass(frozen=True)
class PackedFile:
    """A database in the archive: its size in bytes, SHA-256 (hex), and its tables by name."""

    size: int
    sha256: str
    tables: dict[str, Digest]


@dataclass(frozen=True)
class Contents:
    """What a backup holds, as far as it is known before there is an archive.

    Attributes:
        number: one more than that of the newest backup before, whatever the clock says.
        made_at: UTC text.
        version: of this program.
        schema_revision: of the warehouse; None where there was none yet.
        plays: rows of the raw tables of plays.
        oldest_play, newest_play: ends, UTC text.
        highest_load: the newest load; 0 where there was none yet.
        files: by their names in the archive.
    """

    number: int
    made_at: str
    version: str
    schema_revision: str | None
    plays: int
    oldest_play: str | None
    newest_play: str | None
    highest_load: int
    files: dict[str, PackedFile]


@dataclass(frozen=True)
class Manifest:
    """Contents, and the archive's size in bytes and SHA-256 (hex)."""

    archive_size: int
    archive_sha256: str
    contents: Contents

    @property
    def archive(self) -> str:
        """The archive's name, which follows from all the rest."""
        made_at = re.sub("[-:]", "", self.contents.made_at[:19])
        text = json.dumps(asdict(self), sort_keys=True)
        name_hash = hashlib.sha256(text.encode()).hexdigest()[:12]
        return f"spotify-{self.contents.number:04}-{made_at}Z-{name_hash}{SUFFIX}"

    def to_bytes(self) -> bytes:
        """The manifest as it is written: JSON for people, always the same for the same."""
        values = {"archive": self.archive, **asdict(self)}
        return (json.dumps(values, indent=2) + "\n").encode()


def manifest_path(archive: Path) -> Path:
    """Where the manifest of an archive lies: beside it."""
    return archive.with_name(archive.name.removesuffix(SUFFIX) + ".json")


def read_manifest(archive: Path) -> Manifest:
    """The manifest beside an archive, once it is known to be unchanged and this archive's.

    Raises:
        BackupError: it is missing, damaged, or of another archive.
    """
    name = archive.name
    if not NAME.fullmatch(name):
        raise BackupError(
            f"{name} is no backup that spotify-assets made, or was renamed: "
            "its name would be as in spotify-0042-20260301T044500Z-0123456789ab.tar.zst"
        )
    path = manifest_path(archive)
    try:
        if path.stat().st_size > LARGEST:
            raise BackupError(f"{name}: its manifest {path.name} is damaged: it is too large.")
        text = path.read_bytes()
    except FileNotFoundError:
        raise BackupError(f"{name}: its manifest {path.name} is missing.") from None
    except OSError as error:
        raise BackupError(
            f"{name}: its manifest {path.name} cannot be read: {error.strerror}"
        ) from error
    if not text:
        raise BackupError(f"{name}: its manifest {path.name} is empty.")
    try:
        values = json.loads(text)
        manifest = _parse(values)
        is_canonical = manifest.to_bytes() == text
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise BackupError(f"{name}: its manifest {path.name} is damaged.") from None
    if is_canonical and manifest.archive != name:
        raise BackupError(f"{name}: its manifest {path.name} is that of {manifest.archive}.")
    if not is_canonical:
        raise BackupError(f"{name}: its manifest {path.name} is damaged.")
    return manifest


def _parse(values: Any) -> Manifest:
    """A manifest whose every value is of its kind, since all of them are printed or counted with.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: one is not, or is missing.
    """
    contents = values["contents"]
    files = {
        file: PackedFile(
            size=_count(packed["size"]),
            sha256=_word(packed["sha256"]),
            tables={
                _word(table): Digest(_count(found["rows"]), _word(found["sha256"]))
                for table, found in packed["tables"].items()
            },
        )
        for file, packed in contents["files"].items()
    }
    if not files or not files.keys() <= set(FILES):
        raise ValueError("a file of another name would be written where it does not belong")
    for name in ("number", "plays", "highest_load"):
        _count(contents[name])
    for name in ("made_at", "oldest_play", "newest_play"):
        _time(contents[name], may_be_none=name != "made_at")
    _word(contents["version"])
    if contents["schema_revision"] is not None:
        _word(contents["schema_revision"])
    return Manifest(
        archive_size=_count(values["archive_size"]),
        archive_sha256=_word(values["archive_sha256"]),
        contents=Contents(**{**contents, "files": files}),
    )


def _count(value: object) -> int:
    if type(value) is not int or not 0 <= value < 2**63:  # what SQLite and files can count
        raise ValueError("not a number of things")
    return value


def _word(value: object) -> str:
    if not isinstance(value, str) or not WORD.fullmatch(value):
        raise ValueError("not a word")
    return value


def _time(value: Any, *, may_be_none: bool) -> None:
    if not (value is None and may_be_none) and times.to_text(times.from_text(value)) != value:
        raise ValueError("not a time in our form")
