"""SQLite as this project opens it. Which tables there are is said elsewhere.

Writers begin with BEGIN IMMEDIATE, so a transaction never fails half-way for want of the lock,
and wait minutes for a foreign one. Readers open the file read-only. Nothing is pooled: a
connection never crosses a fork, and no idle one holds an old snapshot.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import Connection
from sqlalchemy.pool import NullPool

BUSY_TIMEOUT_SECONDS = 300
WAL_POLL_SECONDS = 0.05


@lru_cache(maxsize=8)  # an engine holds no connection, but its statements as they were compiled
def writer(path: Path) -> Engine:
    """An engine whose every transaction holds SQLite's write lock from its first statement."""
    engine = _engine(lambda: sqlite3.connect(path, timeout=BUSY_TIMEOUT_SECONDS), "begin immediate")

    @event.listens_for(engine, "connect")
    def _connect(connection: sqlite3.Connection, _record: object) -> None:
        _use_wal(connection)
        connection.execute("pragma synchronous = full")
        connection.execute("pragma foreign_keys = on")

    return engine


@lru_cache(maxsize=8)
def reader(path: Path) -> Engine:
    """A read-only engine; each transaction sees one state of the database.

    Connecting raises `sqlalchemy.exc.OperationalError` where the file does not exist.
    """
    address = f"{path.as_uri()}?mode=ro"
    return _engine(
        lambda: sqlite3.connect(address, uri=True, timeout=BUSY_TIMEOUT_SECONDS), "begin"
    )


@contextmanager
def reading(path: Path) -> Iterator[Connection | None]:
    """One read transaction, or None where nothing is stored yet.

    That is where there is no file, or one without tables: a kill between the two leaves that.
    """
    if not path.exists():
        yield None
        return
    with reader(path).begin() as connection:
        tables = connection.exec_driver_sql("select 1 from sqlite_master limit 1").first()
        yield connection if tables else None


def _use_wal(connection: sqlite3.Connection) -> None:
    # A new file is changed to WAL once, and SQLite does not wait for another's lock to do it:
    # its busy timeout is for a lock that is asked for first, and here one is upgraded.
    give_up_at = time.monotonic() + BUSY_TIMEOUT_SECONDS
    while True:
        try:
            connection.execute("pragma journal_mode = wal")
        except sqlite3.OperationalError as error:
            is_busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not is_busy or time.monotonic() > give_up_at:
                raise
        else:
            return
        time.sleep(WAL_POLL_SECONDS)


def _engine(connect: Callable[[], sqlite3.Connection], begin: str) -> Engine:
    def create() -> sqlite3.Connection:
        connection = connect()
        connection.isolation_level = None  # BEGIN is ours, not the driver's
        return connection

    engine = create_engine("sqlite://", creator=create, poolclass=NullPool)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine
