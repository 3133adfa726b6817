"""The least that an import can do: parse, key and insert. Nothing is checked and nothing counted.

`python -m benchmarks.import_floor ARCHIVE DATABASE hashed|natural`

By `hashed` keys, those of `raw_streaming_history`, and for comparison by what a row has already.
"""

import gc
import hashlib
import sqlite3
import sys
import zipfile
from collections.abc import Iterator
from contextlib import closing
from operator import itemgetter
from typing import Any

import orjson

from spotify_assets.database import CACHE_KIB
from spotify_assets.spotify.export.fields import FIELDS, OF_EXTENDED
from spotify_assets.spotify.export.names import Kind
from spotify_assets.warehouse.tables import raw_streaming_history

ACCOUNT = "mira"
TABLE = raw_streaming_history.name
NATURAL_KEY = ("account_id", "ts", "ms_played", "uri")
SECONDS, VARIANT_LENGTH = len("2026-01-01T00:00:00"), 16
Row = tuple[Any, ...]

received = itemgetter(*OF_EXTENDED)
NAMED_IN = FIELDS.index("spotify_episode_uri") + 1
# The one column that the extended history never has.
ABSENT = FIELDS.index("audiobook_author_name")


def main(archive: str, database: str, key: str) -> None:
    """Insert all rows of an archive, a transaction a file."""
    gc.disable()
    with (
        closing(sqlite3.connect(database, isolation_level=None)) as connection,
        zipfile.ZipFile(archive) as members,
    ):
        for pragma in ("journal_mode = wal", "synchronous = full", f"cache_size = -{CACHE_KIB}"):
            connection.execute(f"pragma {pragma}")
        insert = create_table(connection, is_natural=key == "natural")
        to_rows = naturally_keyed if key == "natural" else hashed
        for load_id, name in enumerate(members.namelist()):
            connection.execute("begin immediate")
            rows = orjson.loads(members.read(name))
            connection.executemany(insert, to_rows(rows, load_id))
            connection.execute("commit")


def create_table(connection: sqlite3.Connection, *, is_natural: bool) -> str:
    """Create our table with its columns and key and no other index; the statement that inserts."""
    columns = {column.name: str(column.type) for column in raw_streaming_history.columns}
    key: tuple[str, ...] = tuple(column.name for column in raw_streaming_history.primary_key)
    if is_natural:
        hashes = {"row_key", "variant"}
        others = {name: kind for name, kind in columns.items() if name not in hashes}
        columns, key = {"uri": "text", **others}, NATURAL_KEY
    declared = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    connection.execute(f"create table {TABLE} ({declared}, primary key ({', '.join(key)}))")
    return f"insert or ignore into {TABLE} values ({', '.join('?' * len(columns))})"


def hashed(rows: list[Any], load_id: int) -> Iterator[Row]:
    """The rows of a file with the keys that the contract gives them."""
    for fields in map(in_columns, rows):
        ts, ms_played, _, _, track, artist, album, track_uri, episode, show, episode_uri, *_ = (
            fields
        )
        known_by = track_uri or episode_uri or (track, artist, album, episode, show)
        identity = (ACCOUNT, Kind.EXTENDED, ts[:SECONDS], ms_played, known_by)
        variant = digest(fields)[:VARIANT_LENGTH]
        yield ACCOUNT, digest(identity), variant, "extended", *fields, load_id


def naturally_keyed(rows: list[Any], load_id: int) -> Iterator[Row]:
    """The rows of a file, with what was played as a column."""
    track, episode = FIELDS.index("spotify_track_uri"), FIELDS.index("spotify_episode_uri")
    for fields in map(in_columns, rows):
        uri = fields[track] or fields[episode] or ""
        yield uri, ACCOUNT, "extended", *fields, load_id


def in_columns(row: dict[str, Any]) -> Row:
    """The fields that are kept in the order of the columns, and the time in our form."""
    ts, *others = received(row)
    before = ABSENT - 1
    return f"{ts[:-1]}.000Z", *others[:before], None, *others[before:]


def digest(value: object) -> str:
    """Of a row's identity or variant, as the contract makes it."""
    return hashlib.sha256(orjson.dumps(value)).hexdigest()


if __name__ == "__main__":
    main(*sys.argv[1:])
