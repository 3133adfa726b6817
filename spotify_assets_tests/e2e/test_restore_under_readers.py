"""Whoever reads while a backup is restored meets no error and sees one whole state, then the other.

That is a script that opens the database anew each time, one that keeps it open, and Dagster.
"""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from spotify_assets.warehouse.dbt_command import run_models
from spotify_assets.warehouse.pending import has_unmodelled_loads
from spotify_assets.warehouse.warehouse import Warehouse
from spotify_assets_tests.e2e.backing_up import back_up_and_live_on
from spotify_assets_tests.e2e.test_ui import served
from spotify_assets_tests.support import User, sandbox, user_of, wait_for

# Somebody's script, with what Python comes with: until its input ends it reads all tables in one
# transaction and says what they hold, where that is not what it said last. At the end it says how
# often it has read.
READER = """
import hashlib, json, select, sqlite3, sys
address, way, *tables = sys.argv[1:]

def opened():
    return sqlite3.connect(address, uri=True, isolation_level=None)

def read(connection):
    connection.execute("begin")
    rows = {table: connection.execute(f'select * from "{table}"').fetchall() for table in tables}
    connection.execute("commit")
    return {table: hashlib.sha256(repr(rows[table]).encode()).hexdigest() for table in tables}

kept, said, reads, is_last = opened(), None, 0, False
while not is_last:
    is_last = bool(select.select([sys.stdin], [], [], 0)[0])
    if way == "opens it anew":
        kept.close()
        kept = opened()
    seen, reads = read(kept), reads + 1
    if seen != said:
        print(json.dumps(seen), flush=True)
        said = seen
print(reads)
"""
TABLES = (
    *("loads", "raw_recently_played", "restores"),
    *("fct_plays", "fct_track_days", "mart_coverage", "mart_listening_by_day"),
)
PADDING = 50_000_000  # bytes, so that publishing takes as long as dozens of reads


@pytest.fixture
def owner(tmp_path: Path) -> User:
    """Somebody whose plays and marts are others than those of the backup."""
    with sandbox(always_on=True) as spotify:
        user = user_of(spotify.environment(), tmp_path / "user")
        Warehouse(user.settings.warehouse_path).writer()
        with closing(sqlite3.connect(user.settings.warehouse_path)) as database, database:
            database.execute("create table padding as select zeroblob(?) as bytes", (PADDING,))
        back_up_and_live_on(user, spotify, "mira")
    assert run_models(user.settings, "run") is None
    return user


@contextmanager
def reader(database: Path, way: str) -> Iterator["subprocess.Popen[str]"]:
    """A process that reads over and over, once it has begun."""
    address = f"{database.as_uri()}?mode=ro"
    with subprocess.Popen(
        [sys.executable, "-c", READER, address, way, *TABLES],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def seen_by(process: "subprocess.Popen[str]") -> list[dict[str, str]]:
    """What a reader has seen, state after state, with its last read after now."""
    said, _ = process.communicate("", timeout=300)
    assert process.returncode == 0
    *states, reads = said.splitlines()
    print(f"{reads} reads of {len(states)} states")
    return [json.loads(state) for state in states]


def test_readers_meet_no_error_and_see_the_old_and_then_the_new_while_a_backup_is_restored(
    owner: User,
) -> None:
    database = owner.settings.warehouse_path
    with ExitStack() as readers:
        before = readers.enter_context(reader(database, "keeps it open"))
        (old,) = seen_by(before)
        ways = ["opens it anew", "opens it anew", "keeps it open"]
        others = [readers.enter_context(reader(database, way)) for way in ways]
        firsts = [process.stdout.readline() for process in others if process.stdout]
        assert [json.loads(first) for first in firsts] == [old] * len(others)
        done = owner.run("restore", "--yes")
        assert done.returncode == 0, done.stderr
        (new,) = seen_by(readers.enter_context(reader(database, "keeps it open")))
        assert all(old[table] != new[table] for table in TABLES if table != "mart_coverage")
        # The first state of each was read above: nothing came between it and the last.
        assert [seen_by(process) for process in others] == [[new]] * len(others)


@pytest.mark.soak  # a minute, most of it Dagster's start
def test_a_dagster_that_runs_goes_on_from_what_was_restored_without_a_restart(
    tmp_path: Path,
) -> None:
    with sandbox(always_on=True) as spotify:
        user = user_of(spotify.environment(), tmp_path / "user")
        back_up_and_live_on(user, spotify, "mira")
        warehouse = Warehouse(user.settings.warehouse_path)

        def newest_modelled() -> str:
            query = text("select max(ended_at) from fct_plays")
            return str(warehouse.read(query)[0][0])

        def assert_that_the_next_play_arrives() -> None:
            known = newest_modelled()
            spotify.clock.advance(timedelta(minutes=30))
            wait_for(
                lambda: newest_modelled() > known and not has_unmodelled_loads(warehouse),
                seconds=120,
            )
            assert newest_modelled() == warehouse.newest_play()

        log = tmp_path / "dev.log"
        with served(user, log):
            assert_that_the_next_play_arrives()
            plays = len(warehouse.newest_plays(10_000))
            done = user.run("restore", "--yes")
            assert done.returncode == 0, done.stderr
            assert len(warehouse.newest_plays(10_000)) < plays
            assert_that_the_next_play_arrives()
        assert "Traceback" not in log.read_text()
