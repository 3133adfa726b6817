"""Months of looks at a Spotify that misbehaves by seed, through the way in without Dagster."""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from unittest import mock

import pytest

from spotify_assets import times
from spotify_assets.sandbox import objects, world_faults
from spotify_assets.sandbox.faults import Faults, Switched
from spotify_assets.sandbox.listener import Play
from spotify_assets.sandbox.record_faults import RECORD_FAULTS
from spotify_assets.sandbox.server import Sandbox
from spotify_assets.spotify.landing import look_at_all
from spotify_assets.spotify.retrying import Retrying
from spotify_assets.spotify.state import State
from spotify_assets.spotify.token_store import TokenStore
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
TOKENS, RECENTLY_PLAYED = "/api/token", "/v1/me/player/recently-played"
OF_THE_WORLD = ("late_arrivals", "short_plays", "frozen")
LONGEST_WAIT, LONGEST_BLOCK = timedelta(minutes=1), timedelta(days=1)


class Killed(BaseException):
    """The process died here: what was not committed is gone."""


def kinds_of(spotify: Sandbox) -> list[str]:
    """The names of all faults but those of a play's record, which the oracle takes as true."""
    untrue = {fault.name for fault in RECORD_FAULTS}
    names = [str(fault["name"]) for fault in spotify.faults.describe()]
    return [name for name in names if name not in untrue]


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
        self.shown, self.behind = WINDOW, timedelta()
        self.blocked_until = start
        self.called_in_vain: list[datetime] = []
        spotify.rotation = seed % 3 == 0
        self.kinds = kinds_of(spotify)
        self.has_short_plays = seed % 2 == 0
        if seed % 3 != 1:
            self.switch_on("late_arrivals", hours=72, share=0.08)
        if self.has_short_plays:
            self.switch_on("short_plays")

    def switch_on(self, kind: str, **values: Any) -> None:
        if values.get("path") == TOKENS:
            self.age_the_access_token()
        self.spotify.faults.on(kind, **values)

    def age_the_access_token(self) -> None:
        store = TokenStore(self.user.settings.tokens)
        if token := store.load("mira"):
            store.save("mira", replace(token, expires_at=0.0))

    def called(self, path: str, met: Switched | None) -> None:
        """A call came to Spotify, and met a fault; whether it had asked to be spared."""
        now = self.spotify.clock.now()
        self.calls += 1
        if path == RECENTLY_PLAYED and now < self.blocked_until:
            self.called_in_vain.append(now)
        if met is None:
            return
        self.happened[met.fault.name] += 1
        self.happened["a fault of the token endpoint"] += path == TOKENS
        wish = timedelta(seconds=met.values.get("retry_after") or 0)
        if path == RECENTLY_PLAYED and wish > LONGEST_WAIT:
            self.blocked_until = now + min(wish, LONGEST_BLOCK)

    def visible(self) -> list[Play]:
        """All that Spotify could list now, newest first; an old list where it is behind."""
        now, faults = self.spotify.clock.now() - self.behind, self.spotify.faults
        return REAL_NEWEST(self.listener, now, VISIBLE, faults)  # type: ignore[arg-type]

    def listed(self) -> None:
        """Spotify made a list while faults of its world were on."""
        for kind in OF_THE_WORLD:
            self.happened[kind] += self.spotify.faults.get(kind) is not None

    def live(self) -> None:
        """All days, look by look."""
        clock, dice = self.spotify.clock, self.dice
        end, ends_short = clock.now() + timedelta(days=self.days), clock.now() + SHORT_DAYS
        to_come = self.kinds_in_some_order()
        away_until = relogin_at = looked_at = clock.now()
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
            # Spotify is not itself now and then, most often when it was away or we were.
            odds = 0.01 if clock.now() - looked_at <= 2 * LOOK_EVERY else 0.3
            self.shown = dice.choice([3, 10]) if dice.random() < odds else WINDOW
            self.behind = timedelta(hours=dice.choice([1, 4, 12])) * (dice.random() < odds / 2)
            if self.look():
                looked_at = clock.now()
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
        self.shown, self.behind = WINDOW, timedelta()
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
        now = spotify.clock.now()
        block = now < self.blocked_until
        visible = self.visible()
        calls_before = self.calls
        settings = self.user.settings
        (found,) = look_at_all(settings, State(settings.state_path), Retrying.never())
        if block:
            assert found.error
            assert self.calls == calls_before, "called although Spotify asked not to"
            self.happened["honoured block"] += 1
        if found.error is None:
            self.happened["stale page"] += bool(self.behind)
            self.oracle.looked(now, visible, visible[: self.shown])
        return found.error is None

    calls = 0

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
        visible = self.visible()
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
        history.listed()
        return REAL_NEWEST(listener, now - history.behind, min(count, history.shown), faults)

    def counted(faults: Faults, path: str, listener: Callable[[], str | None]) -> Any:
        met = claim(faults, path, listener)
        history.called(path, met)
        return met

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
