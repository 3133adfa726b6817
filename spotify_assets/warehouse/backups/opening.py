"""Opening a backup: from an archive that nobody trusts yet to databases that are as they were made.

What is opened is a data folder of its own, so everything that works on the user's works on it.
"""

import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import SQLAlchemyError

from spotify_assets import database
from spotify_assets.spotify.tables import metadata as state_metadata
from spotify_assets.warehouse import schema
from spotify_assets.warehouse.backups.archive import check_archive, unpack
from spotify_assets.warehouse.backups.digests import digests
from spotify_assets.warehouse.backups.errors import BackupError
from spotify_assets.warehouse.backups.folder import Backup
from spotify_assets.warehouse.backups.making import ACTING, KEPT
from spotify_assets.warehouse.backups.manifest import FILES, Contents, PackedFile
from spotify_assets.warehouse.warehouse import Warehouse

DECLARED = "select type, name, tbl_name, sql from sqlite_master"
CREATE: dict[str, Callable[[Connection], None]] = dict(
    zip(FILES, (schema.create, state_metadata.create_all), strict=True)
)


def open_backup(backup: Backup, folder: Path) -> Contents:
    """Unpack a backup into a new folder and compare all that is in it with its manifest.

    That says nothing of an archive that was made up together with its manifest. So the databases
    are brought to today's schema, and what is ours in them must be declared as in new ones.

    Raises:
        BackupError: it is damaged, of a newer version of this program, or none of ours. Nothing in
            the folder is to be used.
    """
    contents = backup.contents
    name = backup.archive.name
    if contents.schema_revision not in (None, *schema.REVISIONS):
        raise BackupError(
            f"{name} was made by spotify-assets {contents.version}, whose schema revision "
            f"{contents.schema_revision} this version does not know. Upgrade spotify-assets."
        )
    check_archive(backup.archive, backup.good)
    folder.mkdir(mode=0o700)
    unpack(backup.archive, contents.files, folder)
    for file, packed in contents.files.items():
        fault = _fault(folder / file, packed, contents.schema_revision)
        if fault:
            words = "".join(each if each.isprintable() else " " for each in fault)
            raise BackupError(f"{name}: {file} in it {words}")  # names in it may be anything
    if FILES[0] not in contents.files:  # made before the first load
        Warehouse(folder / FILES[0]).writer()
    return contents


def _fault(path: Path, packed: PackedFile, revision: str | None) -> str | None:
    """What is wrong with a database, or None: then it is of today's schema."""
    fault = _damage(path)
    if fault:
        return fault
    try:
        # All of ours, also what the manifest is silent about: reading them finds what is no text.
        found = digests(path, {*KEPT[path.name], *packed.tables})
        said = packed.tables
        wrong = sorted(name for name in {*said, *found} if found.get(name) != said.get(name))
        if wrong:
            return f"does not hold what its manifest says: {', '.join(wrong)}"
        if path.name == FILES[0]:
            present = Warehouse(path).revision()
            if present != revision:
                return f"is of schema revision {present!r}, and its manifest says {revision!r}"
            schema.upgrade(path)
        else:
            state_metadata.create_all(database.writer(path))  # what an older version lacks
        changed = _declared_otherwise(path)
    except (
        BackupError,
        schema.SchemaError,
        SQLAlchemyError,
        sqlite3.Error,
        UnicodeDecodeError,
    ) as error:
        return f"cannot be used: {getattr(error, 'orig', error)}"
    return f"declares {changed[0]!r} otherwise than spotify-assets does" if changed else None


def _damage(path: Path) -> str | None:
    try:
        # Not by `database.fault`: SQLite (3.40) verifies no CHECK where it may only read.
        with closing(sqlite3.connect(path)) as connection:
            (verdict,) = connection.execute("pragma integrity_check(1)").fetchone()
            acting = connection.execute(ACTING).fetchone()
            orphan = connection.execute("pragma foreign_key_check").fetchone()
    except (sqlite3.Error, UnicodeDecodeError) as error:  # it names what it stumbled over
        return f"is damaged. SQLite says: {error}"
    if verdict != "ok":
        return f"is damaged. SQLite says: {verdict}"
    if acting:
        return f"holds the {acting[0]} {acting[1]!r}, which spotify-assets never makes"
    if orphan:
        return f"is damaged: row {orphan[1]} of {orphan[0]} refers to no row of {orphan[2]}"
    return None


def _declared_otherwise(path: Path) -> list[str]:
    """The names of what is ours, and in a database not as in a new one."""
    with create_engine("sqlite://").begin() as new:
        CREATE[path.name](new)
        ours = _by_name(new.exec_driver_sql(DECLARED))
    with closing(sqlite3.connect(path)) as connection:
        theirs = _by_name(connection.execute(DECLARED))
    return [name for name, declared in ours.items() if theirs.get(name) != declared]


def _by_name(rows: Iterable[Any]) -> dict[str, list[tuple[str, str, str]]]:
    """Kind, table and statement of everything in a database; of one name there can be several."""
    found: dict[str, list[tuple[str, str, str]]] = {}
    for kind, name, table, statement in rows:
        found.setdefault(name, []).append((kind, table, " ".join((statement or "").split())))
    return found
