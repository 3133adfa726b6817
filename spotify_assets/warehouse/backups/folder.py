"""The folder of the backups: which there are, and how one comes and goes without leaving half.

A backup is an archive and its manifest, and two files cannot be renamed at once. So what a kill
leaves is told apart by names, and the next to come in finishes it: see `tidy`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from spotify_assets import database
from spotify_assets.warehouse.backups.archive import check_archive
from spotify_assets.warehouse.backups.errors import BackupError
from spotify_assets.warehouse.backups.manifest import (
    NAME,
    SUFFIX,
    Contents,
    Manifest,
    manifest_path,
    read_manifest,
)

PARTIAL = ".partial"
DRILL_RECORD = "last-drill.json"
NOT_NAMED_YET = re.compile(rf"spotify-\d{{4,9}}{re.escape(SUFFIX + PARTIAL)}")


@dataclass(frozen=True)
class Backup:
    """An archive as it lies there, and its manifest or what is wrong with it."""

    archive: Path
    manifest: Manifest | None
    fault: str | None

    @property
    def good(self) -> Manifest:
        """The manifest of a backup without a fault.

        Raises:
            BackupError: it has one.
        """
        if self.manifest is None:
            raise BackupError(self.fault or "")
        return self.manifest

    @property
    def contents(self) -> Contents:
        """What a backup without a fault holds.

        Raises:
            BackupError: it has one.
        """
        return self.good.contents


def look_at(archive: Path, *, whole: bool = True) -> Backup:
    """A backup with what is wrong with it.

    Args:
        whole: read all of the archive. Without, only its size is looked at, in a millisecond.
    """
    try:
        manifest = read_manifest(archive)
        check_archive(archive, manifest, whole=whole)
    except BackupError as error:
        return Backup(archive, None, str(error))
    return Backup(archive, manifest, None)


def backups_in(folder: Path, *, whole: bool = True) -> list[Backup]:
    """All backups in a folder, newest first, also those of which only one of two files is left."""
    return [look_at(archive, whole=whole) for archive in _archives(folder)]


def newest_backup(folder: Path) -> Backup | None:
    """The newest backup that is as it was made, or None."""
    looked_at = (look_at(archive) for archive in _archives(folder))
    return next((backup for backup in looked_at if not backup.fault), None)


def next_number(folder: Path) -> int:
    """One more than the number of the newest backup."""
    return max(map(_number, _archives(folder)), default=0) + 1


def add(partial: Path, manifest: Manifest) -> Path:
    """Give a written archive and its manifest their names; the archive's path."""
    archive = partial.with_name(manifest.archive)
    beside = manifest_path(archive)
    waiting = beside.with_name(beside.name + PARTIAL)
    waiting.touch(0o600)
    waiting.write_bytes(manifest.to_bytes())
    database.sync(waiting)
    partial.rename(archive)
    waiting.rename(beside)
    database.sync(archive.parent)
    return archive


def remove(archive: Path) -> None:
    """Remove a backup; its archive loses its name first, so that half of one is never taken for it.

    For the holder of the lock on backups, as `add` is.
    """
    partial = archive.with_name(archive.name + PARTIAL)
    archive.rename(partial)
    _finish_removal(partial)


def partial_archive(folder: Path, number: int) -> Path:
    """Where an archive is written before it has its name."""
    return folder / f"spotify-{number:04}{SUFFIX}{PARTIAL}"


def tidy(folder: Path) -> None:
    """Finish what was killed: a backup that lacked only a name gets it, the rest goes.

    For the holder of the lock on backups: nothing may be in the making.
    """
    (folder / f"{DRILL_RECORD}{PARTIAL}").unlink(missing_ok=True)
    for waiting in folder.glob(f"spotify-*.json{PARTIAL}"):
        beside = waiting.with_name(waiting.name.removesuffix(PARTIAL))
        archive = beside.with_name(beside.name.removesuffix(".json") + SUFFIX)
        if not NAME.fullmatch(archive.name):  # somebody else's
            continue
        if archive.exists():
            waiting.rename(beside)
        else:
            waiting.unlink()
    for partial in folder.glob(f"spotify-*{SUFFIX}{PARTIAL}"):
        if NOT_NAMED_YET.fullmatch(partial.name):
            partial.unlink()
        elif NAME.fullmatch(partial.name.removesuffix(PARTIAL)):
            _finish_removal(partial)


def _finish_removal(partial: Path) -> None:
    manifest_path(partial.with_name(partial.name.removesuffix(PARTIAL))).unlink(missing_ok=True)
    partial.unlink()


def _archives(folder: Path) -> list[Path]:
    """The archives by their own or their manifests' names, newest first."""
    return sorted(set(_named(folder)), key=lambda path: (_number(path), path.name), reverse=True)


def _named(folder: Path) -> Iterator[Path]:
    for path in folder.glob("spotify-*"):
        name = path.name.removesuffix(".json") + SUFFIX if path.suffix == ".json" else path.name
        if NAME.fullmatch(name):
            yield folder / name


def _number(archive: Path) -> int:
    """The number in a backup's name."""
    return int(archive.name.split("-")[1])
