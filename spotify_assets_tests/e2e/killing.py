"""Commands that are killed at a chosen change of a file, and what must be so after the next."""

import random
import struct
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg
import psutil
import pytest
from filelock import FileLock

from spotify_assets.sandbox.server import Sandbox
from spotify_assets.spotify.token_store import TokenStore
from spotify_assets_tests.support import User, contents, made_once, need_tool, user_of

SOURCE = Path(__file__).with_name("kill_at.c")
KINDS = ("write", "sync", "rename", "unlink")  # as kill_at.c numbers them, from 1
LISTENERS = ("mira", "jonas")
NUMBERS = struct.Struct(f"{len(KINDS) + 2}q")

# A load that was rolled back keeps neither its number nor its page's time.
RUN_COLUMNS = ("loaded_at", "dagster_run_id", "page_id", "load_id")
ENDED = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE}


@dataclass(frozen=True)
class Changes:
    """How many changes of files a command made, by kind, and the kind at which it was killed."""

    counts: dict[str, int]
    killed_at: str | None


@dataclass(frozen=True)
class Killing:
    """Refreshes of one sandbox's listeners, each with a data folder of its own."""

    spotify: Sandbox
    shim: Path
    folder: Path
    factory: pytest.TempPathFactory

    @cached_property
    def never_killed(self) -> tuple[dict[str, int], dict[str, Any]]:
        """How many changes of each kind a refresh makes that nothing kills, and its tables.

        Every sandbox tells the same plays, so one such refresh serves all processes of tests.
        """
        return made_once(self.factory, "never-killed", self._never_kill)

    def _never_kill(self) -> tuple[dict[str, int], dict[str, Any]]:
        user = self.user("never-killed")
        changes = self.refresh_until(user, "change", 0)
        assert changes.killed_at is None
        assert all(changes.counts[kind] > 0 for kind in KINDS)
        assert sum(changes.counts[kind] for kind in KINDS) == changes.counts["change"]
        return changes.counts, self.tables(user)

    def tables(self, user: User) -> dict[str, Any]:
        """The user's rows, but for what differs between two sandboxes: their address."""
        return {
            name: [
                tuple(
                    value.replace(self.spotify.url, "") if isinstance(value, str) else value
                    for value in row
                )
                for row in rows
            ]
            for name, rows in contents(user.settings.warehouse_path, without=RUN_COLUMNS).items()
        }

    def user(self, name: str) -> User:
        """Somebody who has not refreshed yet, and whose access tokens have just ended."""
        user = user_of(self.spotify.environment(), self.folder / name)
        user.log_in(*LISTENERS)
        store = TokenStore(user.settings.tokens)
        for listener in LISTENERS:
            token = store.load(listener)
            assert token is not None
            store.save(listener, replace(token, expires_at=0))
        return user

    def refresh_until(self, user: User, kind: str, at: int, whom: str = "group") -> Changes:
        """Refresh and kill at the n-th change of a kind below the data folder."""
        return run_until(user, self.shim, kind, at, whom, "refresh")

    def kill(self, kind: str, share: float, whom: str, name: str) -> User:
        """Somebody whose refresh died after a share of the changes of a kind that a whole makes."""
        counts, _ = self.never_killed
        at = 1 + int(share * counts[kind])
        # No two refreshes make quite as many changes: one may be through before its last.
        for attempt in range(3):
            user = self.user(f"{name}-{attempt}")
            killed_at = self.refresh_until(user, kind, at, whom).killed_at
            print(f"{whom} killed at {kind} {at} of {counts[kind]}, a {killed_at}")
            if killed_at is not None:
                assert kind in ("change", killed_at)
                return user
        pytest.fail(f"three refreshes made less than {at} changes of kind {kind}")

    def assert_that_the_next_refresh_completes(self, user: User) -> None:
        """It gives the tables of one that was never killed, and nothing is left of the dead."""
        done = user.run("refresh")
        assert done.returncode == 0, done.stderr
        _, tables = self.never_killed
        assert self.tables(user) == tables
        assert set(statuses(user)) <= ENDED
        assert_that_no_lock_is_held(user)


def run_until(
    user: User, shim: Path, kind: str, at: int, whom: str, *arguments: str, **variables: str
) -> Changes:
    """Run `spotify-assets` and kill at the n-th change of a kind below the data folder; 0: never.

    A run fails where something was killed, and only there.
    """
    counter = user.settings.data.parent / "changes"
    counter.write_bytes(bytes(NUMBERS.size))
    done = user.run(
        *arguments,
        **variables,
        LD_PRELOAD=str(shim),
        KILL_UNDER=str(user.settings.data),
        KILL_COUNTS=str(counter),
        KILL_KIND=kind,
        KILL_AT=str(at),
        KILL_WHOM=whom,
    )
    *counts, hit = NUMBERS.unpack(counter.read_bytes())
    assert (done.returncode == 0) == (hit == 0), done.stderr
    return Changes(
        dict(zip(("change", *KINDS), counts, strict=True)), KINDS[hit - 1] if hit else None
    )


def assert_that_no_lock_is_held(user: User) -> None:
    for lock in user.settings.data.rglob("*.lock"):
        with FileLock(lock, timeout=0):
            pass


def compiled(folder: Path) -> Path:
    """The library that kills at a change of a file; without a compiler the test is skipped."""
    compiler = need_tool("cc", "the kill test compiles a small library")
    library = folder / "kill_at.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, SOURCE, "-ldl"], check=True)
    return library


def processes(user: User) -> list[psutil.Process]:
    """The processes that work on somebody's data, or on something below them."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            data = process.environ().get("SPOTIFY_ASSETS_DATA", "")
            if Path(data).is_relative_to(user.settings.data):
                found.append(process)
    return found


def statuses(user: User) -> list[dg.DagsterRunStatus]:
    """How Dagster says that the user's runs stand; fails where one of them still has a slot."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in user.settings.environment().items():
            patch.setenv(name, value)
        with dg.DagsterInstance.get() as instance:
            pools = instance.event_log_storage.get_concurrency_keys()
            for pool in pools:
                info = instance.event_log_storage.get_concurrency_info(pool)
                assert (info.claimed_slots, info.pending_steps) == ([], [])
            return [run.status for run in instance.get_runs()]


def deaths(kind: str, few: int, many: int) -> Iterator[Any]:
    """Parameters `kind`, `share`, `whom` of kills: a few in every run, others in the long runs.

    The shares are uniform from 0 to 1, each in a part of its own, so that even the few are spread
    over a whole refresh. Of three deaths one takes a single process: dbt outlives its parent, or
    the parent its dbt.
    """
    dice = random.Random(kind)
    for parts, marks in ((few, ()), (many, (pytest.mark.soak,))):
        for part in range(parts):
            share, whom = (part + dice.random()) / parts, "self" if part % 3 == 2 else "group"
            yield pytest.param(kind, share, whom, marks=marks, id=f"{whom} at {kind} {share:.4f}")
