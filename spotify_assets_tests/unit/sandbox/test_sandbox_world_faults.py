"""The faults of what recently-played tells, while the truth stays what it is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from spotify_assets.sandbox.catalogue import Catalogue
from spotify_assets.sandbox.clock import Clock
from spotify_assets.sandbox.faults import Faults
from spotify_assets.sandbox.listener import Listener
from spotify_assets.sandbox.record_faults import RECORD_FAULTS
from spotify_assets.sandbox.world_faults import WORLD_FAULTS, newest
from spotify_assets.times import from_text, to_text
from spotify_assets_tests.unit.sandbox.client import NOW, App

HOUR = timedelta(hours=1)


@pytest.fixture(scope="session")
def _busy(make_app: Callable[..., App]) -> App:
    return make_app(always_on=True)


@pytest.fixture
def busy(_busy: App) -> App:
    """An app at a sandbox with music around the clock, which stands at NOW."""
    _busy.sandbox.faults.off()
    _busy.sandbox.clock.set(NOW)
    return _busy


def told(app: App, listener: str = "mira") -> list[str]:
    """When the plays in the window ended, newest first."""
    token = app.log_in(listener)["access_token"]
    page = app.recently_played(token, limit=50).json()
    return [item["played_at"] for item in page["items"]]


def truth(app: App, listener: str = "mira", hours: float = 200) -> list[str]:
    """When the plays of the last hours ended, newest first."""
    start = to_text(app.sandbox.clock.now() - hours * HOUR)
    return [play["played_at"] for play in app.plays(listener, start)][::-1]


def missing_at(app: App, moment: datetime) -> set[str]:
    """Which plays of the newest that the window spans are not in it."""
    app.sandbox.clock.set(moment)
    seen = told(app)
    return {play for play in truth(app) if play >= seen[-1]} - set(seen)


def test_without_faults_the_window_is_the_newest_fifty_of_the_truth(busy: App) -> None:
    assert told(busy) == truth(busy)[:50]


def test_a_late_play_appears_at_the_place_of_its_end_within_the_longest_delay(busy: App) -> None:
    busy.sandbox.faults.on("late_arrivals", hours=2, share=0.6)
    late = missing_at(busy, NOW)
    assert late
    arrived: dict[str, datetime] = {}
    for minutes in range(0, 121, 5):
        moment = NOW + timedelta(minutes=minutes)
        busy.sandbox.clock.set(moment)
        seen = told(busy)
        assert seen == sorted(seen, reverse=True)
        assert len(seen) == 50
        for play in late & set(seen):
            arrived.setdefault(play, moment)
    assert arrived.keys() == late
    for play, moment in arrived.items():
        assert moment - timedelta(minutes=5) <= from_text(play) + 2 * HOUR
    assert len(set(arrived.values())) > 3, "each has a delay of its own"
    assert any(older < play for play in late for older in told(busy)), "newer ones were there first"


def test_a_play_that_has_arrived_stays(busy: App) -> None:
    busy.sandbox.faults.on("late_arrivals", hours=1)
    seen = [set(told_at(busy, NOW + timedelta(minutes=minutes))) for minutes in range(0, 120, 10)]
    for earlier, later in pairwise(seen):
        oldest = min(later)
        assert {play for play in earlier if play >= oldest} <= later


def told_at(app: App, moment: datetime) -> list[str]:
    app.sandbox.clock.set(moment)
    return told(app)


def test_the_same_plays_are_late_each_time_and_in_every_sandbox_of_that_seed(
    busy: App, make_app: Callable[..., App]
) -> None:
    other = make_app(always_on=True)
    for app in (busy, other):
        app.sandbox.faults.on("late_arrivals", hours=24, share=0.5)
    assert told(busy) == told(other)
    first = told(busy)
    busy.sandbox.faults.off()
    assert told(busy) == truth(busy)[:50]
    busy.sandbox.faults.on("late_arrivals", hours=24, share=0.5)
    assert told(busy) == first != truth(busy)[:50]


@pytest.mark.parametrize("share", [0, 0.2, 1])
def test_the_share_of_late_plays_is_the_one_asked_for(share: float) -> None:
    """Nearly all that are a month late at most are still missing among those of some days."""
    listener, clock = Listener("mira", Catalogue(2026), 2026, True), Clock(NOW, speed=0)
    faults = Faults((*WORLD_FAULTS, *RECORD_FAULTS), clock, ("mira",))
    plays = set(listener.newest(NOW, 1000))
    faults.on("late_arrivals", hours=720, share=share)
    seen = plays & set(newest(listener, NOW, 1000, faults))
    assert abs(1 - len(seen) / len(plays) - share) < 0.05


def test_paging_follows_the_window_that_can_be_seen(busy: App) -> None:
    busy.sandbox.faults.on("late_arrivals", share=0.5)
    token = busy.log_in()["access_token"]
    first = busy.recently_played(token, limit=30).json()
    second = busy.recently_played(token, limit=30, before=first["cursors"]["before"]).json()
    assert [item["played_at"] for item in first["items"] + second["items"]] == told(busy)


def test_a_frozen_list_stands_still_until_it_is_switched_off(busy: App) -> None:
    before = told(busy)
    busy.sandbox.faults.on("frozen")
    assert told_at(busy, NOW + 3 * HOUR) == before
    assert told_at(busy, NOW + 24 * 90 * HOUR) == before
    busy.sandbox.clock.set(NOW + 3 * HOUR)
    now = truth(busy)[:50]
    assert now != before, "the truth goes on"
    busy.sandbox.faults.off("frozen")
    assert told(busy) == now


def test_a_frozen_list_thaws_by_itself_after_its_hours(busy: App) -> None:
    before = told(busy)
    busy.sandbox.faults.on("frozen", hours=5)
    assert told_at(busy, NOW + 5 * HOUR - timedelta(milliseconds=1)) == before
    assert busy.sandbox.faults.get("frozen")
    assert told_at(busy, NOW + 5 * HOUR) == truth(busy)[:50] != before
    assert busy.sandbox.faults.get("frozen") is None


def test_a_list_that_is_frozen_for_no_time_is_not_frozen(busy: App) -> None:
    busy.sandbox.faults.on("frozen", hours=0)
    assert told_at(busy, NOW + 3 * HOUR) == truth(busy)[:50]


def test_a_frozen_list_tells_nothing_that_has_not_happened(busy: App) -> None:
    busy.sandbox.faults.on("frozen")
    assert told_at(busy, NOW - 5 * HOUR) == truth(busy)[:50]


def test_late_plays_do_not_arrive_in_a_frozen_list(busy: App) -> None:
    busy.sandbox.faults.on("late_arrivals", hours=1, share=0.5)
    busy.sandbox.faults.on("frozen")
    before = told(busy)
    assert told_at(busy, NOW + 2 * HOUR) == before


def test_short_plays_are_listed_among_the_others_while_it_is_on(busy: App) -> None:
    start = to_text(NOW - 24 * HOUR)
    usual = busy.plays("mira", start)
    busy.sandbox.faults.on("short_plays")
    everything = busy.plays("mira", start)
    short = [play for play in everything if play["ms_played"] <= 30_000]
    assert len(short) > 5
    assert [play for play in everything if play["ms_played"] > 30_000] == usual
    assert told(busy) == [play["played_at"] for play in everything[:-51:-1]]
    for earlier, later in pairwise(everything):
        assert earlier["played_at"] <= later["started_at"]
    busy.sandbox.faults.off()
    assert busy.plays("mira", start) == usual


@pytest.mark.parametrize("always_on", [False, True])
def test_short_plays_never_last_longer_than_thirty_seconds_and_the_rest_do(always_on: bool) -> None:
    listener = Listener("mira", Catalogue(2026), 2026, always_on)
    start = datetime(2026, 3, 1, tzinfo=UTC)
    usual = listener.plays(start, start + timedelta(days=30))
    everything = listener.plays(start, start + timedelta(days=30), with_short=True)
    assert [play for play in everything if not play.is_short] == usual
    assert len(everything) > len(usual)
    for play in everything:
        assert play.is_short == (play.ms_played <= 30_000)
        assert play.ms_played >= 1_000
    for earlier, later in pairwise(everything):
        assert earlier.ended_at <= later.started_at


def test_the_faults_of_the_world_leave_the_truth_and_the_account_alone(busy: App) -> None:
    def world() -> Any:
        me = busy.get("/me", busy.log_in()["access_token"]).json()
        return me, busy.plays("mira", to_text(NOW - 24 * HOUR))

    undisturbed = world()
    busy.sandbox.faults.on("late_arrivals", share=1)
    busy.sandbox.faults.on("frozen")
    assert world() == undisturbed
