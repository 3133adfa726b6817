"""Twenty processes whose access token has expired, and a Spotify that spends refresh tokens."""

from __future__ import annotations

import logging
import multiprocessing
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.synchronize import Barrier
from typing import TYPE_CHECKING

import pytest

from spotify_assets.sandbox.server import Sandbox
from spotify_assets.settings import Settings
from spotify_assets.spotify.landing import look
from spotify_assets.spotify.retrying import Retrying
from spotify_assets.spotify.state import Account, State
from spotify_assets.spotify.token_store import TokenStore

if TYPE_CHECKING:
    LogIn = Callable[..., Account]

PROCESSES = 20


def look_together(settings: Settings, start: Barrier) -> None:
    """What each process does; its exit code tells whether Spotify answered."""
    start.wait()
    outcome = look(settings, State(settings.state_path), "mira", Retrying.never())
    if outcome.error:
        raise SystemExit(outcome.error)


@pytest.mark.parametrize(
    "rounds", [3, pytest.param(100, marks=pytest.mark.soak)], ids=["a few", "many"]
)
def test_of_twenty_processes_one_refreshes_and_no_login_is_lost(
    rounds: int,
    sandbox: Sandbox,
    settings: Settings,
    store: TokenStore,
    log_in: LogIn,
    caplog: pytest.LogCaptureFixture,
) -> None:
    log_in("mira")
    # From a clean server: this process has threads, which a fork would not survive.
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([look.__module__])
    sandbox.rotation = True
    try:
        for _ in range(rounds):
            before = store.load("mira")
            assert before is not None
            store.save("mira", replace(before, expires_at=time.time() - 1))
            start = processes.Barrier(PROCESSES)
            crowd = [
                processes.Process(target=look_together, args=(settings, start))
                for _ in range(PROCESSES)
            ]
            caplog.clear()
            with caplog.at_level(logging.INFO, logger="spotify_assets.sandbox"):
                for process in crowd:
                    process.start()
                for process in crowd:
                    process.join(60)
            assert [process.exitcode for process in crowd] == [0] * PROCESSES
            calls = Counter(record.getMessage() for record in caplog.records)
            assert calls == {
                "POST /api/token 200": 1,
                "GET /v1/me/player/recently-played 200": PROCESSES,
            }
            after = store.load("mira")
            assert after is not None
            assert after.refresh_token != before.refresh_token
    finally:
        sandbox.rotation = False
