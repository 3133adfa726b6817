"""Backups while others write, restores while others want to: each is whole, and says who waits."""

import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
from filelock import FileLock, Timeout

from spotify_assets import database
from spotify_assets.sandbox.server import Sandbox
from spotify_assets.spotify.state import State
from spotify_assets.warehouse.backups import drill
from spotify_assets.warehouse.backups.folder import backups_in, look_at
from spotify_assets.warehouse.backups.opening import open_backup
from spotify_assets.warehouse.dbt_command import run_models
from spotify_assets.warehouse.lock import handling_backups
from spotify_assets.warehouse.pending import undrained_pages
from spotify_assets.warehouse.warehouse import Warehouse
from spotify_assets_tests.e2e.backing_up import (
    Rows,
    back_up_and_live_on,
    copied,
    everything,
    newest,
)
from spotify_assets_tests.models.building import ingest
from spotify_assets_tests.support import User, contents, sandbox, user_of, wait_for

# Another of our processes: an import of many small loads, until its input ends. It is paced by the
# disk alone.
IMPORT = """
import hashlib, os, select, sys
from datetime import timedelta
import pandas as pd
from sqlalchemy import select as query
from spotify_assets import times
from spotify_assets.settings import Settings
from spotify_assets.warehouse.loading import Batch, Load, write_load
from spotify_assets.warehouse.lock import writing
from spotify_assets.warehouse.pending import RECENTLY_PLAYED
from spotify_assets.warehouse.tables import raw_recently_played
from spotify_assets.warehouse.warehouse import Warehouse

settings = Settings.load(env_file=None)
warehouse = Warehouse(settings.warehouse_path)
rows = [dict(row._mapping) for row in warehouse.read(query(raw_recently_played))]
number = 0

def older_play():
    global number
    number += 1
    row = rows[number % len(rows)]
    ended_at = times.from_text(rows[0]["played_at"]) - timedelta(days=9, minutes=number)
    played_at = times.to_text(ended_at)
    key = hashlib.sha256(f"{played_at} {row['track_uri']}".encode()).hexdigest()
    return {**row, "played_at": played_at, "row_key": key}

with writing(settings.locks, "an import"):
    print("writing", flush=True)
    while not select.select([sys.stdin], [], [], 0)[0]:
        plays = [older_play() for _ in range(3)]
        accepted = pd.DataFrame(plays, dtype=object)
        batches = [Batch(3, accepted, pd.DataFrame())]
        load = Load(RECENTLY_PLAYED, rows[0]["account_id"], None, batches)
        write_load(warehouse.writer(), raw_recently_played, load)
"""
# dbt, over and over, until its input ends. A build that is under way is let through.
BUILDS = """
import select, sys
from spotify_assets.settings import Settings
from spotify_assets.warehouse.dbt_command import run_models
settings = Settings.load(env_file=None)
while not select.select([sys.stdin], [], [], 0)[0]:
    fault = run_models(settings, "build", "--exclude-resource-type", "unit_test")
    if fault:
        sys.exit(fault)
"""
KEEP_ALL = "last=9999"


@pytest.fixture(scope="module")
def spotify() -> Iterator[Sandbox]:
    with sandbox(always_on=True) as server:
        yield server


@pytest.fixture(scope="module")
def original(spotify: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> User:
    """Somebody whose data have changed since the backup."""
    user = user_of(spotify.environment(), tmp_path_factory.mktemp("original") / "user")
    back_up_and_live_on(user, spotify, "mira")
    return user


@pytest.fixture
def owner(original: User, tmp_path: Path) -> User:
    """Somebody else in the same situation."""
    return copied(original, tmp_path)


@contextmanager
def going_on(user: User, script: str) -> Iterator["subprocess.Popen[str]"]:
    """A process that works on somebody's data until the end, and must not fail."""
    with subprocess.Popen(
        [sys.executable, "-c", script],
        env=user.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.communicate("", timeout=300)
    assert process.returncode == 0


def value(path: Path, query: str) -> Any:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=60)) as connection:
        return connection.execute(query).fetchone()[0]


def highest_load(path: Path) -> int:
    return int(value(path, "select max(load_id) from loads"))


def modelled(path: Path) -> dict[str, int]:
    """The newest load that each model has seen."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=60)) as connection:
        return dict(connection.execute("select model, load_id from model_watermarks"))


def differ_from(path: Path, seen: dict[str, int]) -> bool:
    return modelled(path) != seen


def back_up_while_others_write(user: User, folder: Path) -> Path:
    """Make a backup and hold it against the warehouse; the warehouse that is in it."""
    live = user.settings.warehouse_path
    before = highest_load(live)
    # Loads come before and behind the copy. How many come meanwhile depends on the machine: dbt may
    # have the database for all of that time.
    wait_for(lambda: highest_load(live) > before, seconds=300)
    done = user.run("backup", "--json", SPOTIFY_KEEP_BACKUPS=KEEP_ALL)
    assert done.returncode == 0, done.stderr
    backup = look_at(Path(json.loads(done.stdout)["archive"]))
    assert before < backup.contents.highest_load
    wait_for(lambda: highest_load(live) > backup.contents.highest_load, seconds=300)
    open_backup(backup, folder)
    copy = folder / "spotify.db"
    assert highest_load(copy) == backup.contents.highest_load
    assert drill._differing(live, copy) == ""
    # The fact has all that it says to have seen; of what came while it was built, a part at most.
    seen = modelled(copy)["fct_plays"]
    missing = f"""
        select count(*) from raw_recently_played
        where load_id <= {seen} and row_key not in (select api_row_key from fct_plays)
    """
    assert value(copy, missing) == 0
    listed = value(copy, "select count(*) from raw_recently_played")
    assert value(copy, "select count(*) from fct_plays") <= listed
    return copy


# A round's drill builds models from what was copied in the midst of writing.
@pytest.mark.parametrize(
    ("round_", "number"),
    [(0, 5), *(pytest.param(part, 20, marks=pytest.mark.soak) for part in range(1, 11))],
)
def test_backups_that_are_made_while_imports_and_builds_write_pass_the_drill(
    user: User, tmp_path: Path, round_: int, number: int
) -> None:
    user.log_in("mira")
    ingest(user.settings)
    assert run_models(user.settings, "run") is None
    with going_on(user, IMPORT) as importing:
        assert importing.stdout is not None
        assert importing.stdout.readline() == "writing\n"
        seen = modelled(user.settings.warehouse_path)
        with going_on(user, BUILDS):
            for each in range(number):
                wait_for(partial(differ_from, user.settings.warehouse_path, seen))  # dbt writes
                copy = back_up_while_others_write(user, tmp_path / str(each))
                seen = modelled(copy)
                print(f"round {round_}: {highest_load(copy)}, {sorted(seen.values())}")
    assert len(backups_in(user.settings.backups)) == number
    drilled = drill.drill(user.settings)
    assert drilled.fault is None
    assert drilled.archive == newest(user).archive.name


def first_complaint(process: "subprocess.Popen[str]") -> str:
    assert process.stderr is not None
    return process.stderr.readline().strip()


def end(*processes: "subprocess.Popen[str]") -> list[str]:
    """What each said, once all have ended well."""
    ended = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), ended
    return [said for said, _ in ended]


def names(holder: Path, process: "subprocess.Popen[str]") -> bool:
    """Whether a process is the one that holds a lock."""
    return holder.exists() and holder.read_text().endswith(f"(process {process.pid})")


def in_backup(owner: User, folder: Path, archive: Path) -> Rows:
    """The warehouse in a backup."""
    open_backup(look_at(archive), folder)
    return everything(folder / "spotify.db")


def test_two_backups_at_once_wait_for_each_other_and_are_two(owner: User, tmp_path: Path) -> None:
    with handling_backups(owner.settings.locks, "a test"):
        both = [owner.start("backup", "--json", SPOTIFY_KEEP_BACKUPS=KEEP_ALL) for _ in range(2)]
        complaints = [first_complaint(process) for process in both]
    assert complaints == [f"Waiting for a test (process {os.getpid()})."] * 2
    archives = {Path(json.loads(said)["archive"]) for said in end(*both)}
    assert len(archives) == 2
    assert len(backups_in(owner.settings.backups)) == 3
    present = everything(owner.settings.warehouse_path)
    for number, archive in enumerate(archives):
        assert in_backup(owner, tmp_path / str(number), archive) == present


def test_a_backup_beside_a_restore_waits_and_holds_what_was_restored(
    owner: User, tmp_path: Path
) -> None:
    before = everything(owner.settings.warehouse_path)
    restoring = owner.start("restore", "--yes")
    wait_for(lambda: names(owner.settings.locks / "backups.holder", restoring))
    backing_up = owner.start("backup", "--json", SPOTIFY_KEEP_BACKUPS=KEEP_ALL)
    assert first_complaint(backing_up) == f"Waiting for a restore (process {restoring.pid})."
    _, said = end(restoring, backing_up)
    present = everything(owner.settings.warehouse_path)
    assert present != before
    assert in_backup(owner, tmp_path / "opened", Path(json.loads(said)["archive"])) == present


@pytest.mark.parametrize("first", ["restore", pytest.param("refresh", marks=pytest.mark.soak)])
def test_a_restore_and_a_refresh_take_turns_and_no_landed_page_is_forgotten(
    owner: User, spotify: Sandbox, first: str
) -> None:
    spotify.clock.advance(timedelta(minutes=30))
    commands = {"restore": ("restore", "--yes"), "refresh": ("refresh",)}
    holding = owner.start(*commands.pop(first))
    wait_for(lambda: names(owner.settings.locks / "writer.holder", holding))
    psutil.Process(holding.pid).suspend()  # until the other is seen to wait for it
    (other,) = commands.values()
    waiting = owner.start(*other)
    who = {"restore": "a restore", "refresh": "the Dagster run"}[first]
    assert re.fullmatch(
        rf"Waiting for {who}.* \(process {holding.pid}\)\.", first_complaint(waiting)
    )
    psutil.Process(holding.pid).resume()
    end(holding, waiting)

    assert database.fault(owner.settings.warehouse_path) is None
    assert value(owner.settings.warehouse_path, "select count(*) from restores") == 1
    there = contents(owner.settings.warehouse_path)
    assert len(there["raw_recently_played"]) == len(there["fct_plays"])
    state, warehouse = State(owner.settings.state_path), Warehouse(owner.settings.warehouse_path)
    assert len(state.page_ids()) > 2
    assert list(undrained_pages(state, warehouse)) == []
    assert owner.run("refresh").stdout.startswith("No new plays since")
    assert contents(owner.settings.warehouse_path) == there


def test_who_needs_the_scratch_folder_waits_for_the_dbt_that_outlived_a_restore(
    owner: User, tmp_path: Path
) -> None:
    before = everything(owner.settings.warehouse_path)
    restoring = owner.start("restore", "--yes")
    dbt_holds = owner.settings.scratch / "restored" / "locks" / "dbt.lock"
    wait_for(lambda: is_held(dbt_holds))
    (dbt,) = psutil.Process(restoring.pid).children(recursive=True)
    dbt.suspend()  # it is alive until the backup is seen to wait for it
    restoring.kill()
    restoring.communicate(timeout=60)

    # A writer does not wait for it, and leaves it what it works on.
    assert owner.run("quarantine", "retry").returncode == 0
    assert dbt_holds.exists()
    backing_up = owner.start("backup", "--json")
    assert first_complaint(backing_up) == "Waiting for the dbt of a process that was killed."
    assert dbt_holds.exists()
    dbt.resume()
    (said,) = end(backing_up)
    wait_for(lambda: has_ended(dbt))  # its lock is free a little earlier
    assert not owner.settings.scratch.exists()
    assert in_backup(owner, tmp_path / "opened", Path(json.loads(said)["archive"])) == before


def has_ended(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def is_held(lock: Path) -> bool:
    if not lock.exists():
        return False
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True
