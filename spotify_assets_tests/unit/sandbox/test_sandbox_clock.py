from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotify_assets.sandbox.clock import Clock, from_ms, to_ms

NOW = datetime(2026, 11, 20, 21, tzinfo=UTC)


class FakeMonotonic:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def monotonic(monkeypatch: pytest.MonkeyPatch) -> FakeMonotonic:
    fake = FakeMonotonic()
    monkeypatch.setattr("spotify_assets.sandbox.clock.time.monotonic", fake)
    return fake


def test_a_frozen_clock_stands_still(monotonic: FakeMonotonic) -> None:
    clock = Clock(NOW, speed=0)
    monotonic.seconds += 5000
    assert clock.now() == NOW


def test_a_clock_runs_at_its_speed(monotonic: FakeMonotonic) -> None:
    clock = Clock(NOW, speed=60)
    monotonic.seconds += 2
    assert clock.now() == NOW + timedelta(minutes=2)


def test_a_change_of_speed_does_not_move_the_present(monotonic: FakeMonotonic) -> None:
    clock = Clock(NOW, speed=10)
    monotonic.seconds += 3
    clock.speed = 1000
    assert clock.now() == NOW + timedelta(seconds=30)
    monotonic.seconds += 1
    assert clock.now() == NOW + timedelta(seconds=1030)


def test_a_running_clock_goes_on_from_where_it_was_set_or_moved(monotonic: FakeMonotonic) -> None:
    clock = Clock(NOW)
    monotonic.seconds += 7
    clock.advance(timedelta(hours=1))
    monotonic.seconds += 1
    assert clock.now() == NOW + timedelta(hours=1, seconds=8)
    clock.set(NOW - timedelta(days=1))
    monotonic.seconds += 1
    assert clock.now() == NOW - timedelta(days=1) + timedelta(seconds=1)


def test_advances_from_many_threads_are_all_counted() -> None:
    clock = Clock(NOW, speed=0)

    def advance() -> None:
        for _ in range(500):
            clock.advance(timedelta(seconds=1))

    threads = [threading.Thread(target=advance) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clock.now() == NOW + timedelta(seconds=4000)


def test_the_clock_reads_in_utc_whatever_offset_it_was_set_with() -> None:
    clock = Clock(NOW.astimezone(timezone(timedelta(hours=5, minutes=30))), speed=0)
    assert clock.now().tzinfo is UTC
    assert clock.now() == NOW


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 1, 1),
        datetime(1026, 1, 1, tzinfo=UTC),
        datetime(2100, 1, 1, tzinfo=UTC),
    ],
)
def test_a_moment_without_offset_or_out_of_range_is_refused(moment: datetime) -> None:
    with pytest.raises(ValueError, match=r"offset|outside"):
        Clock(moment)


@pytest.mark.parametrize("speed", [-1, float("nan"), float("inf"), 1e300])
def test_an_impossible_speed_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match="speed"):
        Clock(NOW, speed)


@pytest.mark.parametrize("by", [timedelta(seconds=-1), timedelta(days=30_000), timedelta.max])
def test_an_advance_backwards_or_too_far_is_refused_and_changes_nothing(by: timedelta) -> None:
    clock = Clock(NOW, speed=0)
    with pytest.raises(ValueError, match=r"advances|outside"):
        clock.advance(by)
    assert clock.now() == NOW


@given(st.integers(min_value=0, max_value=4_102_444_799_999))
def test_milliseconds_survive_every_conversion(milliseconds: int) -> None:
    moment = from_ms(milliseconds)
    assert to_ms(moment) == milliseconds
