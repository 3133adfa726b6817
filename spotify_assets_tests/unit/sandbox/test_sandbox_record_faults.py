"""The faults of what recently-played says of a single play."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from spotify_assets.sandbox.catalogue import Catalogue
from spotify_assets.sandbox.clock import Clock
from spotify_assets.sandbox.faults import Faults
from spotify_assets.sandbox.listener import Listener, Play
from spotify_assets.sandbox.record_faults import RECORD_FAULTS, played_at
from spotify_assets.times import from_text
from spotify_assets_tests.unit.sandbox.client import NOW, App

MINUTE = timedelta(minutes=1)
BUSY = Listener("mira", Catalogue(2026), 2026, always_on=True)
PLAYS = BUSY.plays(NOW - timedelta(days=10), NOW)


@pytest.fixture(scope="session")
def _busy(make_app: Callable[..., App]) -> App:
    return make_app(always_on=True)


@pytest.fixture
def busy(_busy: App) -> App:
    """An app at a sandbox with music around the clock, which stands at NOW."""
    _busy.sandbox.faults.off()
    return _busy


@pytest.fixture
def faults() -> Faults:
    return Faults(RECORD_FAULTS, Clock(NOW, speed=0), ("mira",))


def listed(app: App) -> list[dict[str, Any]]:
    token = app.log_in("mira")["access_token"]
    items: list[dict[str, Any]] = app.recently_played(token, limit=50).json()["items"]
    return items


def said(faults: Faults) -> dict[str, list[Play]]:
    """The plays by what `played_at` says of them."""
    found: dict[str, list[Play]] = {"start": [], "end": [], "late": []}
    for play in PLAYS:
        at = played_at(BUSY, play, faults)
        kind = "end" if at == play.ended_at else "start" if at < play.ended_at else "late"
        assert kind != "start" or at == play.started_at
        assert kind != "late" or MINUTE <= at - play.ended_at <= 10 * MINUTE
        found[kind].append(play)
    return found


def test_without_faults_every_play_is_told_by_its_end(faults: Faults) -> None:
    assert said(faults)["end"] == PLAYS


@pytest.mark.parametrize("share", [0.0, 0.05, 0.5])
def test_some_plays_are_told_by_their_start_others_late_and_none_both(
    share: float, faults: Faults
) -> None:
    faults.on("told_by_start", share=share)
    by_start = said(faults)["start"]
    faults.on("late_by_a_pause", share=share)
    both = said(faults)
    assert both["start"] == by_start
    for plays in (both["start"], both["late"]):
        assert abs(len(plays) / len(PLAYS) - share) < 0.03


def test_the_list_is_in_the_order_of_what_it_tells_and_tells_nothing_from_the_future(
    busy: App,
) -> None:
    busy.sandbox.faults.on("told_by_start", share=0.3)
    busy.sandbox.faults.on("late_by_a_pause", share=0.3)
    times = [item["played_at"] for item in listed(busy)]
    assert times == sorted(times, reverse=True)
    assert from_text(times[0]) <= NOW
    assert len(times) == 50


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("track.duration_ms", {"totalMilliseconds": 200_000}),
        ("track.artists", []),
        ("track.uri", None),
        ("track.album.name", 7),
        ("context", "none"),
    ],
)
def test_a_field_can_hold_something_else_in_every_play(
    field: str, value: object, busy: App
) -> None:
    usual = listed(busy)
    busy.sandbox.faults.on("changed_field", field=field, value=value)
    for before, after in zip(usual, listed(busy), strict=True):
        inner = before["track"] if "." in field else before
        for step in field.split(".")[1:-1]:
            inner = inner[step]
        inner[field.rpartition(".")[2]] = value
        assert after == before


def test_a_field_changes_in_the_same_share_of_plays_each_time(busy: App) -> None:
    busy.sandbox.faults.on("changed_field", field="track.artists", value=[], share=0.3)
    first, again = listed(busy), listed(busy)
    assert first == again
    assert 0 < sum(not item["track"]["artists"] for item in first) < 50


def test_a_path_that_leads_nowhere_changes_nothing(busy: App) -> None:
    usual = listed(busy)
    busy.sandbox.faults.on("changed_field", field="track.name.first", value=1)
    assert listed(busy) == usual


@pytest.mark.parametrize("field", ["", "track.", ".", "track..name", 7, None])
def test_what_is_no_path_is_refused(field: object, busy: App) -> None:
    with pytest.raises(ValueError, match="field of changed_field must be"):
        busy.sandbox.faults.on("changed_field", field=field)
