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
    contents = values["contents"]
    files = {
        str(file): PackedFile(
            size=int(packed["size"]),
            sha256=str(packed["sha256"]),
            tables={
                str(table): Digest(int(found["rows"]), str(found["sha256"]))
                for table, found in packed["tables"].items()
            },
        )
        for file, packed in contents["files"].items()
    }
    times.from_text(contents["made_at"])
    if not files.keys() <= set(FILES):
        raise ValueError("a file of another name would be written where it does not belong")
    return Manifest(
        archive_size=int(values["archive_size"]),
        archive_sha256=str(values["archive_sha256"]),
        contents=Contents(**{**contents, "files": files}),
    )
