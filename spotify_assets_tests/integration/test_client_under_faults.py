"""Every fault of answers, at every door, for every kind of caller: what is kept in the end.

Without Dagster: looks, landed pages and loads are the same in any process.
"""

import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from spotify_assets.sandbox.answer_faults import ANSWER_FAULTS
from spotify_assets.sandbox.server import Sandbox
from spotify_assets.spotify import transport
from spotify_assets.spotify.landing import look
from spotify_assets.spotify.retrying import Retrying
from spotify_assets.spotify.state import State
from spotify_assets.spotify.token_store import TokenStore
from spotify_assets_tests.models.building import ingest
from spotify_assets_tests.support import NOW, User, sandbox, user_of

WEB_API, TOKENS = "/v1", "/api/token"
BETWEEN_LOOKS = timedelta(minutes=20)
POLICIES = {"a poller": Retrying.never, "a person": Retrying.patient}
# Where Spotify rotates, an answer to a refresh that never comes, or not whole, has the only
# refresh token in it.
LOSES_TOKENS = {
    "answer_lost",
    "cut_off",
    "dripping",
    "not_json",
    "other_shape",
    "slow",
    "truncated",
}
SLOW = {"dripping", "slow"}
NEXT_STEP = re.compile(
    r"tries again|Try again|spotify-assets login|Nothing is lost meanwhile|SPOTIFY_CLIENT_ID"
    r"|User Management|Premium|newer spotify-assets"
)

Rows = list[tuple[object, ...]]


@pytest.fixture(scope="module")
def spotify() -> Iterator[Sandbox]:
    with sandbox(always_on=True) as running:
        yield running


@pytest.fixture(autouse=True)
def in_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits between attempts."""
    nobody_waits = SimpleNamespace(sleep=lambda _: None, time=time.time)
    monkeypatch.setattr("urllib3.util.retry.time", nobody_waits)


def logged_in(spotify: Sandbox, folder: Path) -> User:
    """Somebody whose first look is done, and whose access token has expired since."""
    spotify.clock.set(NOW)
    spotify.faults.off()
    spotify.rotation = False
    user = user_of(spotify.environment(), folder)
    user.log_in("mira")
    ingest(user.settings)
    spotify.clock.advance(BETWEEN_LOOKS)
    store = TokenStore(user.settings.tokens)
    token = store.load("mira")
    assert token is not None
    store.save("mira", replace(token, expires_at=0.0))
    return user


def kept(user: User) -> Rows:
    """What raw holds, and what quarantine does."""
    with closing(sqlite3.connect(user.settings.warehouse_path)) as connection:
        raw = "select account_id, played_at, track_uri, payload from raw_recently_played"
        return [
            *connection.execute(f"{raw} order by 1, 2, 3"),
            *connection.execute("select payload from quarantined_rows"),
        ]


def forget_blocks(user: User) -> None:
    """What the passing of a day does."""
    with closing(sqlite3.connect(user.settings.state_path)) as connection, connection:
        connection.execute("delete from blocked_calls")


@pytest.fixture(scope="module")
def undisturbed(spotify: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Rows:
    """What somebody keeps who met no fault."""
    user = logged_in(spotify, tmp_path_factory.mktemp("undisturbed") / "user")
    ingest(user.settings)
    return kept(user)


# Some faults are the accounts service's alone.
OF_THE_WEB_API = [f.name for f in ANSWER_FAULTS if f.parameters["path"].default == WEB_API]
COMBINATIONS = [
    *((name, WEB_API, False) for name in OF_THE_WEB_API),
    *((fault.name, TOKENS, rotation) for fault in ANSWER_FAULTS for rotation in (False, True)),
]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(("name", "path", "rotation"), COMBINATIONS)
def test_after_a_fault_one_look_keeps_what_somebody_without_faults_keeps(
    name: str,
    path: str,
    rotation: bool,
    policy: str,
    spotify: Sandbox,
    undisturbed: Rows,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    user = logged_in(spotify, tmp_path / "user")
    state = State(user.settings.state_path)
    spotify.rotation = rotation
    spotify.faults.on(name, path=path)
    with monkeypatch.context() as short:
        if name in SLOW:
            short.setattr(transport, "EXCHANGE_SECONDS", 0.3)
            short.setattr(transport, "READ_SECONDS", 0.2)
        first = look(user.settings, state, "mira", POLICIES[policy]())
    spotify.faults.off()
    if first.error is not None:
        assert re.search(NEXT_STEP, first.error), first.error
    forget_blocks(user)
    second = look(user.settings, state, "mira", Retrying.never())
    if second.error is not None:
        ended = name == "invalid_grant" or (rotation and path == TOKENS and name in LOSES_TOKENS)
        assert ended, second.error
        assert state.accounts()[0].needs_login
        user.log_in("mira")
    ingest(user.settings)
    assert kept(user) == undisturbed
