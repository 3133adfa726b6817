"""What tables hold, in two figures each: how many rows, and a SHA-256 over all of them."""

import hashlib
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import orjson

from spotify_assets.warehouse.backups.errors import BackupError

ROWS_AT_ONCE = 1_000  # of the digest's definition: another number, another digest


@dataclass(frozen=True)
class Digest:
    """The rows of a table: how many, and the SHA-256 (hex) of them in the order of the key."""

    rows: int
    sha256: str


def digests(path: Path, tables: Iterable[str]) -> dict[str, Digest]:
    """The digests of those of the tables that a database has.

    Raises:
        BackupError: the file is no database, or holds what no table of ours can.
    """
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            present = connection.execute("select name from sqlite_master where type = 'table'")
            names = sorted({name for (name,) in present} & set(tables))
            return {name: digest(connection, name) for name in names}
    except (sqlite3.Error, UnicodeDecodeError, TypeError) as error:
        raise BackupError(f"{path.name} cannot be read: {error}") from error


def have_one_past(one: Path, other: Path, table: str = "loads") -> bool:
    """Whether two warehouses begin with the same loads, at least one, as far as both go."""
    with (
        closing(sqlite3.connect(f"{one.as_uri()}?mode=ro", uri=True, timeout=60)) as first,
        closing(sqlite3.connect(f"{other.as_uri()}?mode=ro", uri=True, timeout=60)) as second,
    ):
        newest = f"select coalesce(max(load_id), 0) from {_quoted(table)}"  # noqa: S608
        both = min(each.execute(newest).fetchone()[0] for each in (first, second))
        return both > 0 and digest(first, table, both) == digest(second, table, both)


def digest(connection: sqlite3.Connection, table: str, up_to_load: int | None = None) -> Digest:
    """The digest of a table, or of those of its rows that came with loads up to this one.

    A table's columns are in the order of its definition, so a database has the same digests as
    any copy of it, whatever reads it.
    """
    columns = connection.execute(f"pragma table_info({_quoted(table)})").fetchall()
    key = [_quoted(name) for place, name in sorted((c[5], c[1]) for c in columns) if place]
    where = "" if up_to_load is None else f" where load_id <= {up_to_load}"
    # The names are the database's own, and it may be anybody's.
    rows = connection.execute(
        f"select * from {_quoted(table)}{where} order by {', '.join(key) or 'rowid'}"  # noqa: S608
    )
    count, sha256 = 0, hashlib.sha256()
    while some := rows.fetchmany(ROWS_AT_ONCE):
        count += len(some)
        sha256.update(orjson.dumps(some))
    return Digest(count, sha256.hexdigest())


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
