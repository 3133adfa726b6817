"""Months of looks at a Spotify that misbehaves by seed, through the way in without Dagster."""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest

from spotify_assets import times
from spotify_assets.sandbox import objects, world_faults
from spotify_assets.sandbox.faults import Faults
from spotify_assets.sandbox.listener import Play
from spotify_assets.sandbox.server import Sandbox
from spotify_assets.spotify import recently_played
from spotify_assets.spotify.blocks import Blocks
from spotify_assets.spotify.landing import look_at_all
from spotify_assets.spotify.retrying import Retrying
from spotify_assets.spotify.state import State
from spotify_assets.warehouse import coverage
from spotify_assets.warehouse.draining import undrained_loads
from spotify_assets.warehouse.loading import write_load
from spotify_assets.warehouse.tables import raw_recently_played
from spotify_assets.warehouse.warehouse import Warehouse
from spotify_assets_tests.simulation.listener import HeavyListener
from spotify_assets_tests.simulation.oracle import Oracle
from spotify_assets_tests.support import NOW, User

LOOK_EVERY = timedelta(minutes=15)
WINDOW = 50
VISIBLE = 1_200  # six days of plays; none is later than three
SHORT_DAYS = timedelta(days=2)
TOKENS = "/api/token"


class Killed(BaseException):
    """The process died here: what was not committed is gone."""


class History:
    """One listener's history with this project, by seed."""

    def __init__(self, spotify: Sandbox, user: User, seed: int, days: int) -> None:
        self.spotify, self.user, self.days = spotify, user, days
        self.dice = random.Random(f"history/{seed}")
        self.oracle, self.happened = Oracle(), Counter[str]()
        world = spotify._world
        start = NOW - timedelta(hours=18)
        self.listener = HeavyListener("mira", world.catalogue, seed, start, days + 1)
        world.listeners["mira"] = self.listener  # type: ignore[assignment]
        self.shown = WINDOW
        self.kinds = [str(fault["name"]) for fault in spotify.faults.describe()]
        self.has_short_plays = seed % 2 == 0
        if seed % 3 != 1:
            self.switch_on("late_arrivals", hours=72, share=0.08)
        if self.has_short_plays:
            self.switch_on("short_plays")

    def switch_on(self, kind: str, **values: Any) -> None:
        self.happened[kind] += 1
        self.spotify.faults.on(kind, **values)

    def live(self) -> None:
        """All days, look by look."""
        clock, dice = self.spotify.clock, self.dice
        end, ends_short = clock.now() + timedelta(days=self.days), clock.now() + SHORT_DAYS
        to_come = self.kinds_in_some_order()
        away_until = relogin_at = clock.now()
        while clock.now() < end:
            clock.advance(LOOK_EVERY)
            if self.has_short_plays and clock.now() > ends_short:
                self.spotify.faults.off("short_plays")
            if dice.random() < 0.008:
                away_until = clock.now() + timedelta(hours=dice.choice([1, 2, 4, 9]))
                self.happened["away"] += 1
            if clock.now() < away_until:
                continue
            if dice.random() < 0.05:
                self.misbehave(next(to_come))
            self.shown = dice.choice([3, 10]) if dice.random() < 0.01 else WINDOW
            self.look()
            (account,) = State(self.user.settings.state_path).accounts()
            if not account.needs_login:
                relogin_at = clock.now() + timedelta(hours=dice.choice([0, 1, 8]))
            elif clock.now() >= relogin_at:
                self.log_in()
            if dice.random() < 0.1:
                self.drain()
        for kind in self.kinds:
            if kind not in ("late_arrivals", "frozen"):
                self.spotify.faults.off(kind)
        self.shown = WINDOW
        self.drain()
        self.drain()

    def kinds_in_some_order(self) -> Iterator[str]:
        while True:
            kinds = [kind for kind in self.kinds if kind not in ("late_arrivals", "short_plays")]
            kinds += ["killed before", "killed after", "killed loading", "revoked", "outage"]
            yield from self.dice.sample(kinds, k=len(kinds))

    def misbehave(self, kind: str) -> None:
        dice = self.dice
        if kind == "frozen":
            self.switch_on(kind, hours=dice.randint(1, 10))
        elif kind == "outage":
            self.happened[kind] += 1
            for _ in range(dice.choice([4, 12, 30])):
                self.spotify.faults.on("reset")
                self.look()
                self.spotify.clock.advance(LOOK_EVERY)
            self.spotify.faults.off("reset")
        elif kind == "revoked":
            self.happened[kind] += 1
            self.spotify.revoke("mira")
        elif kind.startswith("killed"):
            self.kill(kind)
        else:
            self.switch_on(kind, times=dice.randint(1, 3), **self.values_of(kind))

    def values_of(self, kind: str) -> dict[str, Any]:
        if kind in ("slow", "dripping"):
            return {"seconds": 0.01}
        if kind in ("rate_limited_for_a_day", "quota_exceeded"):
            return {"retry_after": self.dice.choice([600, 3_000, 9_000, 60_000])}
        if kind in ("invalid_grant", "invalid_client"):
            return {"path": TOKENS}
        return {"path": self.dice.choice(["/v1", "/v1", TOKENS])} if kind != "truncated" else {}

    def look(self) -> bool:
        """One look; whether it was answered, after the oracle was told what Spotify showed."""
        spotify = self.spotify
        now, block = spotify.clock.now(), self.block()
        visible = REAL_NEWEST(self.listener, now, VISIBLE, spotify.faults)  # type: ignore[arg-type]
        calls_before = self.calls
        settings = self.user.settings
        (found,) = look_at_all(settings, State(settings.state_path), Retrying.never())
        if block:
            assert found.error
            assert self.calls == calls_before, "called although Spotify asked not to"
            self.happened["honoured block"] += 1
        if found.error is None:
            self.oracle.looked(now, visible, visible[: self.shown])
        return found.error is None

    calls = 0

    def block(self) -> bool:
        return Blocks(self.user.settings).present(recently_played.PATH) is not None

    def kill(self, kind: str) -> None:
        """Die at a commit, as an exception that nobody catches: what is open is rolled back."""
        if kind == "killed loading":
            self.look()
            dies = mock.patch.object(coverage, "judge", side_effect=Killed)
            with dies, suppress_killed() as died:
                self.drain()
            self.happened[kind] += bool(died)
            return
        land, was_answered = State.land, False

        def die(state: State, *arguments: Any) -> None:
            nonlocal was_answered
            was_answered = True
            if kind == "killed after":
                land(state, *arguments)
            raise Killed

        now = self.spotify.clock.now()
        visible = REAL_NEWEST(self.listener, now, VISIBLE, self.spotify.faults)  # type: ignore[arg-type]
        settings = self.user.settings
        with mock.patch.object(State, "land", die), suppress_killed():
            look_at_all(settings, State(settings.state_path), Retrying.never())
        if was_answered and kind == "killed after":
            self.oracle.looked(now, visible, visible[: self.shown])
        self.happened[kind] += was_answered

    def drain(self) -> None:
        """What a run of the raw asset does."""
        settings = self.user.settings
        warehouse = Warehouse(settings.warehouse_path)
        for load in undrained_loads(State(settings.state_path), warehouse):
            write_load(warehouse.writer(), raw_recently_played, load)

    def log_in(self) -> None:
        """The owner mends the login; Spotify behaves meanwhile."""
        for kind in self.kinds:
            if kind not in ("late_arrivals", "short_plays", "frozen"):
                self.spotify.faults.off(kind)
        self.user.log_in("mira")
        self.happened["logged in again"] += 1


REAL_NEWEST = world_faults.newest


@contextmanager
def suppress_killed() -> Iterator[list[bool]]:
    died: list[bool] = []
    try:
        yield died
    except Killed:
        died.append(True)


@contextmanager
def one_clock_and_a_window(history: History) -> Iterator[None]:
    """Let our clock be Spotify's, the page be as long as the history says, and count the calls."""
    claim = Faults.claim

    def newest(listener: Any, now: Any, count: int, faults: Any) -> list[Play]:
        return REAL_NEWEST(listener, now, min(count, history.shown), faults)

    def counted(faults: Faults, *arguments: Any) -> Any:
        history.calls += 1
        return claim(faults, *arguments)

    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(times, "now", history.spotify.clock.now)
        patch.setattr(world_faults, "newest", newest)
        patch.setattr(Faults, "claim", counted)
        patch.setattr(objects, "play_history", remembered(objects.play_history))
        yield


def remembered(render: Callable[[Play, str], Any]) -> Callable[[Play, str], Any]:
    """The same answers, each written once: most of a page is on the page before."""
    known: dict[int, Any] = {}

    def rendered(play: Play, base: str) -> Any:
        if id(play) not in known:
            known[id(play)] = render(play, base)
        return known[id(play)]

    return rendered
