"""Archives that were made up together with their manifest: names, sizes and hashes fit."""

import io
import sqlite3
import tarfile
from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import zstandard

from spotify_assets.warehouse.backups.digests import digests
from spotify_assets.warehouse.backups.errors import BackupError
from spotify_assets.warehouse.backups.folder import Backup
from spotify_assets.warehouse.backups.making import KEPT
from spotify_assets.warehouse.backups.manifest import Manifest, PackedFile, manifest_path

Member = tuple[tarfile.TarInfo, bytes]


def member(name: str, content: bytes, **header: Any) -> Member:
    """A file for an archive, with what its header says otherwise than usual."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in header.items():
        setattr(info, field, value)
    return info, content


def tar_of(*members: Member) -> bytes:
    """A tar, also where a header is not of its content."""
    parts = []
    for info, content in members:
        parts += [info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape"), content]
        parts.append(bytes(-len(content) % tarfile.BLOCKSIZE))
    return b"".join(parts) + bytes(2 * tarfile.BLOCKSIZE)


def compressed(parts: Iterable[bytes]) -> bytes:
    """One zstd frame, which does not say how large it becomes."""
    target = io.BytesIO()
    with zstandard.ZstdCompressor(level=1).stream_writer(target, closefd=False) as stream:
        for part in parts:
            stream.write(part)
    return target.getvalue()


def files_of(backup: Backup) -> dict[str, bytes]:
    """The databases in a good backup, in their order."""
    with (
        backup.archive.open("rb") as file,
        zstandard.ZstdDecompressor().stream_reader(file) as stream,
        tarfile.open(fileobj=stream, mode="r|") as tar,
    ):
        return {info.name: content.read() for info in tar if (content := tar.extractfile(info))}


def put(
    backup: Backup,
    archive: bytes,
    files: dict[str, PackedFile] | None = None,
    **contents: Any,
) -> str:
    """Put an archive beside a backup, with a manifest for it that is like that one's; its name."""
    changes: dict[str, Any] = {"number": 9, **contents}
    if files is not None:
        changes["files"] = files
    manifest = Manifest(
        len(archive), sha256(archive).hexdigest(), replace(backup.contents, **changes)
    )
    path = backup.archive.with_name(manifest.archive)
    path.write_bytes(archive)
    manifest_path(path).write_bytes(manifest.to_bytes())
    return path.name


def with_database(backup: Backup, file: str, path: Path, **contents: Any) -> str:
    """Put a backup beside another of which one database is this; its name.

    Its digests are those that a backup has, where they can be taken.
    """
    databases = {**files_of(backup), file: path.read_bytes()}
    packed = dict(backup.contents.files)
    tables = {}
    with suppress(BackupError):
        tables = digests(path, KEPT[file])
    content = databases[file]
    packed[file] = PackedFile(len(content), sha256(content).hexdigest(), tables)
    archive = compressed([tar_of(*(member(name, data) for name, data in databases.items()))])
    return put(backup, archive, packed, **contents)


def changed(source: Path, target: Path, *statements: str) -> Path:
    """A copy of a database in which statements were run, with SQLite's safeguards off."""
    with closing(sqlite3.connect(source)) as present, closing(sqlite3.connect(target)) as copy:
        present.backup(copy)
        copy.execute("pragma journal_mode = delete")
        copy.execute("pragma ignore_check_constraints = on")
        copy.execute("pragma writable_schema = on")
        for statement in statements:
            copy.execute(statement)
        copy.commit()
    return target
