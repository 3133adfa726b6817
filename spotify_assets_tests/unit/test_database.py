"""SQLite as this project opens it: who waits for whom, and who may not write."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError

from spotify_assets import database


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "some.db"
    with database.writer(path).begin() as connection:
        connection.execute(text("create table numbers (number integer)"))
        connection.execute(text("insert into numbers values (1)"))
    return path


class Interrupted(sqlite3.Connection):
    """Ctrl-C comes while it closes."""

    def close(self) -> None:
        super().close()
        raise KeyboardInterrupt


def count(path: Path) -> int:
    with database.reader(path).begin() as connection:
        return connection.execute(text("select count(*) from numbers")).scalar_one()


def test_a_writer_holds_the_write_lock_from_its_first_statement(path: Path) -> None:
    other = sqlite3.connect(path, timeout=0, isolation_level=None)
    with database.writer(path).begin() as connection:
        connection.execute(text("select 1"))
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("begin immediate")
    other.execute("begin immediate")
    other.close()


def test_a_failed_transaction_leaves_nothing(path: Path) -> None:
    with pytest.raises(RuntimeError), database.writer(path).begin() as connection:
        connection.execute(text("create table more (number integer)"))
        connection.execute(text("insert into numbers values (2)"))
        raise RuntimeError
    assert count(path) == 1
    with database.reader(path).begin() as connection:
        query = text("select count(*) from sqlite_master")
        assert connection.execute(query).scalar_one() == 1


def test_writers_wait_for_each_other_and_lose_nothing(path: Path) -> None:
    def add(_: int) -> None:
        with database.writer(path).begin() as connection:
            highest: int = connection.execute(text("select max(number) from numbers")).scalar_one()
            connection.execute(text("insert into numbers values (:n)"), {"n": highest + 1})

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(add, range(24)))
    with database.reader(path).begin() as connection:
        query = text("select number from numbers order by number")
        assert connection.execute(query).scalars().all() == list(range(1, 26))


def test_the_first_writer_of_a_file_waits_for_another(tmp_path: Path) -> None:
    # SQLite's busy timeout does not cover the change to WAL mode: "database is locked" at once.
    path = tmp_path / "new.db"
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("begin immediate")
    other.execute("create table numbers (number integer)")
    done = threading.Event()

    def write() -> None:
        try:
            with database.writer(path).begin() as connection:
                connection.execute(text("insert into numbers values (1)"))
        finally:
            done.set()

    with ThreadPoolExecutor(1) as thread:
        outcome = thread.submit(write)
        failed_at_once = done.wait(0.3)
        other.execute("commit")
        other.close()
        outcome.result()
    assert not failed_at_once
    assert count(path) == 1


def test_many_can_be_the_first_writer(tmp_path: Path) -> None:
    path = tmp_path / "new.db"

    def write(_: int) -> None:
        with database.writer(path).begin() as connection:
            connection.execute(text("create table if not exists numbers (number integer)"))
            connection.execute(text("insert into numbers values (1)"))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, range(8)))
    assert count(path) == 8


def test_a_reader_sees_one_state_while_a_writer_commits(path: Path) -> None:
    query = text("select count(*) from numbers")
    with database.reader(path).begin() as reading:
        assert reading.execute(query).scalar_one() == 1
        with database.writer(path).begin() as writing:  # and does not wait for the reader
            writing.execute(text("insert into numbers values (2)"))
        assert reading.execute(query).scalar_one() == 1
    assert count(path) == 2


def test_a_reader_does_not_wait_for_a_writer(path: Path) -> None:
    with database.writer(path).begin() as writing:
        writing.execute(text("insert into numbers values (2)"))
        assert count(path) == 1


def test_a_reader_cannot_write(path: Path) -> None:
    with (
        pytest.raises(OperationalError, match="readonly"),
        database.reader(path).begin() as reading,
    ):
        reading.execute(text("insert into numbers values (2)"))


def test_reading_does_not_create_a_database(tmp_path: Path) -> None:
    with pytest.raises(OperationalError), database.reader(tmp_path / "no.db").begin():
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("folder", ["what?mode=rwc", "half#way", "100%25", "a b", "größe", "a&b"])
def test_a_folder_may_have_any_name(tmp_path: Path, folder: str) -> None:
    path = tmp_path / folder / "numbers.db"
    path.parent.mkdir()
    with database.writer(path).begin() as connection:
        connection.execute(text("create table numbers (number integer)"))
    assert count(path) == 0
    assert [file.name for file in path.parent.iterdir() if file.suffix == ".db"] == ["numbers.db"]


def test_foreign_keys_are_kept(path: Path) -> None:
    with database.writer(path).begin() as connection:
        connection.execute(text("create table parents (id integer primary key)"))
        connection.execute(text("create table children (parent integer references parents (id))"))
    with pytest.raises(IntegrityError), database.writer(path).begin() as connection:
        connection.execute(text("insert into children values (7)"))


def test_a_commit_survives_a_loss_of_power(path: Path) -> None:
    with database.writer(path).connect() as connection:
        assert connection.execute(text("pragma synchronous")).scalar_one() == 2  # full
        assert connection.execute(text("pragma journal_mode")).scalar_one() == "wal"


def test_ctrl_c_while_a_connection_closes_ends_the_work_and_prints_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sqlite3, "connect", lambda *_, **__: Interrupted(path))
    with pytest.raises(KeyboardInterrupt):
        count(path)
    assert not caplog.records


@pytest.mark.parametrize(
    "name", ["a?b", "a%41", "a%20b", "a#b&c", "it's", '"x"', "ünï 日本", "[x]*", "; drop", "a\nb"]
)
def test_a_database_is_found_again_in_a_folder_of_any_name(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    folder.mkdir()
    path, copied = folder / "spotify.db", folder / "copied.db"
    with database.writer(path).begin() as connection:
        connection.exec_driver_sql("create table plays as select 1 as play")
    database.copy(path, copied)
    database.publish(copied, path)
    with database.reader(path).begin() as connection:
        assert connection.exec_driver_sql("select play from plays").scalar_one() == 1
    assert database.fault(path) is None
    assert list(tmp_path.iterdir()) == [folder]
