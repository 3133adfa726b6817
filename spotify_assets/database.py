"""SQLite as this project opens it. Which tables there are is said elsewhere.

Writers begin with BEGIN IMMEDIATE, so a transaction never fails half-way for want of the lock,
and wait minutes for a foreign one. Readers open the file read-only. Nothing is pooled: a
connection never crosses a fork, and no idle one holds an old snapshot.
"""

import errno
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import lru_cache
from pathlib import Path

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import Connection
from sqlalchemy.pool import NullPool

BUSY_TIMEOUT_SECONDS = 300
WAL_POLL_SECONDS = 0.05
CHECKPOINT_SECONDS = 5
# An import meets keys all over a large index, and with the default of 2 MB reads it over and over.
CACHE_KIB = 32_000
NOT_READABLE = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)


def _is_no_interrupt(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], KeyboardInterrupt))


# Ctrl-C while a connection closes: the pool raises it again, and would print a traceback, too.
logging.getLogger(f"{NullPool.__module__}.{NullPool.__name__}").addFilter(_is_no_interrupt)


@lru_cache(maxsize=8)  # an engine holds no connection, but its statements as they were compiled
def writer(path: Path) -> Engine:
    """An engine whose every transaction holds SQLite's write lock from its first statement."""
    engine = _engine(lambda: sqlite3.connect(path, timeout=BUSY_TIMEOUT_SECONDS), "begin immediate")

    @event.listens_for(engine, "connect")
    def _connect(connection: sqlite3.Connection, _record: object) -> None:
        _use_wal(connection)
        connection.execute("pragma synchronous = full")
        connection.execute("pragma foreign_keys = on")
        connection.execute(f"pragma cache_size = -{CACHE_KIB}")

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
    _require_file(path)
    with reader(path).begin() as connection:
        tables = connection.exec_driver_sql("select 1 from sqlite_master limit 1").first()
        yield connection if tables else None


def _require_file(path: Path) -> None:
    """Raise OSError for a folder or a pipe: SQLite calls the disk full, or waits for ever."""
    if not path.is_file():
        raise OSError(errno.EINVAL, "It is no file, and a database is one", str(path))


def copy(source: Path, target: Path) -> None:
    """Copy a database to a new file, in one step while others write it.

    Step by step it would start over at every write of another process. The copy is a plain file
    that needs no other beside it.

    Raises:
        sqlite3.Error: there is no such database, or it cannot be read.
    """
    _require_file(source)
    with (
        closing(sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True, timeout=60)) as live,
        closing(sqlite3.connect(target)) as copied,
    ):
        copied.execute("pragma synchronous = off")  # nobody needs half a copy after a power cut
        live.backup(copied, progress=_stay_interruptible)
        copied.execute("pragma journal_mode = delete")


def publish(source: Path, target: Path) -> None:
    """Make the content of a database that of another, in one transaction.

    Whoever has the target open moves over with his next read, and a kill leaves the old or the new
    content, whole. A target that is no readable database is replaced by the file of the source:
    nobody can have it open.

    Raises:
        sqlite3.Error: nothing was changed.
    """
    try:
        with (
            closing(sqlite3.connect(source)) as copied,
            closing(sqlite3.connect(target, timeout=BUSY_TIMEOUT_SECONDS)) as live,
        ):
            _use_wal(live)
            live.execute("pragma synchronous = full")
            _use_page_size_of(live, copied)
            copied.backup(live, progress=_stay_interruptible)
            # All of it went through the WAL, which would stay that large; a reader may keep it.
            live.execute(f"pragma busy_timeout = {CHECKPOINT_SECONDS * 1000}")
            live.execute("pragma wal_checkpoint(truncate)")
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        _replace(source, target)


def fault(path: Path) -> str | None:
    """What is wrong with a database file, in SQLite's words, or None."""
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=60)) as database:
            (verdict,) = database.execute("pragma integrity_check(1)").fetchone()
    except (sqlite3.Error, UnicodeDecodeError) as error:  # its own words may be damaged, too
        return str(error)
    return None if verdict == "ok" else " ".join(str(verdict).split())


def is_damage(error: sqlite3.Error) -> bool:
    """Whether SQLite says that a file is no database or a broken one, not that it has no room."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in NOT_READABLE


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    if os.name == "nt" and path.is_dir():  # cannot be opened there, and NTFS journals the names
        return
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _use_page_size_of(live: sqlite3.Connection, copied: sqlite3.Connection) -> None:
    (wanted,), (present,) = (each.execute("pragma page_size").fetchone() for each in (live, copied))
    if wanted != present:  # an owner may have chosen another, which a WAL does not let go
        copied.execute("pragma journal_mode = delete")
        copied.execute(f"pragma page_size = {wanted}")
        copied.execute("vacuum")


def _replace(source: Path, target: Path) -> None:
    sync(source)
    for suffix in ("-wal", "-shm", "-journal"):  # they belong to what goes, and would be replayed
        target.with_name(target.name + suffix).unlink(missing_ok=True)
    source.replace(target)
    sync(target.parent)


def _stay_interruptible(*_: int) -> None:
    """While it waits for a foreign lock, a copy hears of Ctrl-C only where it calls Python."""


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
