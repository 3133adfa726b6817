"""How things stand, against a sandbox, with one clock for Spotify and for us."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import select

from spotify_assets import times
from spotify_assets.defs.ingestion import checks
from spotify_assets.defs.sensors import health_sensor
from spotify_assets.sandbox.server import Sandbox
from spotify_assets.spotify.state import NOBODY_LOOKED, State
from spotify_assets.warehouse.health import Health, health
from spotify_assets.warehouse.tables import coverage_gaps
from spotify_assets.warehouse.warehouse import Warehouse
from spotify_assets_tests.models.building import ingest
from spotify_assets_tests.support import User, sandbox, user_of


@pytest.fixture
def spotify(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A Spotify of somebody who plays music around the clock, whose clock is ours, too."""
    with sandbox(always_on=True, listeners=("mira",)) as server:
        monkeypatch.setattr(times, "now", server.clock.now)
        yield server


@pytest.fixture
def mira(spotify: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> User:
    """Somebody whose history was collected a moment ago."""
    user = user_of(spotify.environment(), tmp_path / "mira")
    for name, value in user.settings.environment().items():
        monkeypatch.setenv(name, value)
    user.log_in("mira")
    ingest(user.settings)
    return user


def of(user: User) -> Health:
    (found,) = health(user.settings)
    return found


def gap_causes(user: User) -> list[str | None]:
    rows = Warehouse(user.settings.warehouse_path).read(select(coverage_gaps.c.cause))
    return [row.cause for row in rows]


def test_after_a_look_all_is_well(mira: User, spotify: Sandbox) -> None:
    found = of(mira)
    assert found.last_look_at == found.last_try_at == times.to_text(spotify.clock.now())
    assert found.last_play_at is not None
    assert (found.blind_since, found.provisional_gap_from, found.blocked_until) == (None,) * 3
    assert (found.open_gaps, found.max_lost_plays, found.silence) == (0, 0, "quiet")
    assert found.lag_seconds is None  # what the first page lists is history


def test_without_looks_a_provisional_gap_begins_at_the_newest_play(
    mira: User, spotify: Sandbox
) -> None:
    seen = of(mira)
    spotify.clock.advance(timedelta(minutes=25))
    assert of(mira).blind_since is None
    spotify.clock.advance(timedelta(seconds=1))
    found = of(mira)
    assert found.blind_since == seen.last_look_at
    assert found.blind_because == NOBODY_LOOKED
    assert found.provisional_gap_from == seen.last_play_at
    assert found.open_gaps == 0


def test_a_blind_time_that_the_next_look_reaches_over_lost_nothing(
    mira: User, spotify: Sandbox
) -> None:
    seen = of(mira)
    spotify.clock.advance(timedelta(hours=1))
    ingest(mira.settings)
    assert (of(mira).blind_since, of(mira).open_gaps) == (None, 0)
    (spell,) = State(mira.settings.state_path).blind_spells("mira")
    assert (spell.blind_from, spell.blind_to) == (seen.last_look_at, of(mira).last_look_at)
    assert spell.cause == NOBODY_LOOKED


def test_the_look_after_a_long_blind_time_fixes_the_gap_and_says_why(
    mira: User, spotify: Sandbox
) -> None:
    spotify.faults.on("rate_limited_for_a_day", times=1)
    ingest(mira.settings)
    blocked = of(mira)
    assert blocked.blocked_until is not None
    assert blocked.blocked_until > times.now_text()
    spotify.clock.advance(timedelta(hours=5))
    ingest(mira.settings)
    assert of(mira).last_try_at == times.now_text()
    assert "stay away" in (of(mira).blind_because or "")
    spotify.clock.advance(timedelta(hours=20))
    ingest(mira.settings)
    found = of(mira)
    assert (found.blocked_until, found.blind_since, found.open_gaps) == (None, None, 1)
    assert found.max_lost_plays > 100
    (cause,) = gap_causes(mira)
    assert cause is not None
    assert "stay away" in cause


def test_a_login_that_ended_is_the_cause_also_after_the_next_login(
    mira: User, spotify: Sandbox
) -> None:
    spotify.revoke("mira")
    ingest(mira.settings)
    spotify.clock.advance(timedelta(hours=6))
    assert "spotify-assets login" in (of(mira).blind_because or "")
    mira.log_in("mira")
    ingest(mira.settings)
    (cause,) = gap_causes(mira)
    assert cause is not None
    assert "no longer accepts this login" in cause


def test_a_silence_is_unusual_that_is_longer_than_all_before_it(
    mira: User, spotify: Sandbox
) -> None:
    spotify.faults.on("frozen")
    spotify.clock.advance(timedelta(days=2, hours=23))
    ingest(mira.settings)
    assert of(mira).silence == "quiet"
    spotify.clock.advance(timedelta(hours=1))
    ingest(mira.settings)
    assert of(mira).silence == "unusual"
    assert of(mira).blind_since is None


def test_a_list_that_lost_its_newest_plays_stands_still(
    mira: User, spotify: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    present = spotify.clock.now()
    spotify.clock.set(present - timedelta(hours=2))
    monkeypatch.setattr(times, "now", lambda: present)
    ingest(mira.settings)
    assert of(mira).silence == "old list"
    spotify.clock.set(present)
    ingest(mira.settings)
    assert of(mira).silence == "quiet"


def test_the_lag_is_how_late_spotify_listed_what_the_newest_load_brought(
    mira: User, spotify: Sandbox
) -> None:
    spotify.clock.advance(timedelta(minutes=15))
    ingest(mira.settings)
    assert 0 < (of(mira).lag_seconds or 0) <= 15 * 60
    spotify.faults.on("frozen", hours=2)
    spotify.clock.advance(timedelta(hours=2))
    ingest(mira.settings)
    assert 90 * 60 < (of(mira).lag_seconds or 0) <= 120 * 60


def test_the_check_of_coverage_warns_while_a_gap_is_open(mira: User, spotify: Sandbox) -> None:
    def check() -> dg.AssetCheckResult:
        results = checks.recently_played_health(dg.build_asset_check_context())
        assert isinstance(results, Iterator)
        (result,) = (each for each in results if each.check_name == "coverage")
        assert isinstance(result, dg.AssetCheckResult)
        return result

    assert (check().passed, check().description) == (True, "No known loss.")
    spotify.clock.advance(timedelta(hours=12))
    ingest(mira.settings)
    assert (check().passed, check().severity) == (False, dg.AssetCheckSeverity.WARN)
    most = of(mira).max_lost_plays
    assert check().description == f"mira: at most {most:,} plays may be lost in 1 gap"


def test_the_health_sensor_publishes_what_changed_and_nothing_else(
    mira: User, spotify: Sandbox, instance: dg.DagsterInstance
) -> None:
    def tick(cursor: str | None) -> dg.SensorResult:
        with dg.build_sensor_context(instance=instance, cursor=cursor) as context:
            result = health_sensor(context)
        assert isinstance(result, dg.SensorResult)
        return result

    def verdicts(result: dg.SensorResult) -> dict[str, bool]:
        events = result.asset_events or []
        return {
            event.check_name: event.passed
            for event in events
            if isinstance(event, dg.AssetCheckEvaluation)
        }

    first = tick(None)
    names = (
        *("coverage", "last_look_age", "newest_play_age", "logins_last"),
        *("nothing_is_missing", "marts_are_current"),
    )
    assert verdicts(first) == dict.fromkeys(names, True)
    assert verdicts(tick(first.cursor)) == {}
    spotify.clock.advance(timedelta(hours=1))
    blind = tick(first.cursor)
    assert verdicts(blind) == {"last_look_age": False}
    assert verdicts(tick(blind.cursor)) == {}
    ingest(mira.settings)
    assert verdicts(tick(blind.cursor)) == {"last_look_age": True}


@pytest.mark.parametrize("cursor", ["garbage", "[]", "null", "[1]"])
def test_a_cursor_that_is_none_of_its_own_does_not_stop_the_health_sensor(
    cursor: str, mira: User, instance: dg.DagsterInstance
) -> None:
    with dg.build_sensor_context(instance=instance, cursor=cursor) as context:
        result = health_sensor(context)
    assert isinstance(result, dg.SensorResult)
    assert len(result.asset_events or []) == 6


def test_a_lost_state_does_not_hide_the_gaps_that_are_known(mira: User, spotify: Sandbox) -> None:
    spotify.clock.advance(timedelta(hours=12))
    ingest(mira.settings)
    before = of(mira)
    assert before.open_gaps == 1
    for path in mira.settings.data.glob("state.db*"):
        path.unlink()
    found = of(mira)
    assert (found.account_id, found.open_gaps) == ("mira", 1)
    assert found.max_lost_plays == before.max_lost_plays
    assert (found.last_look_at, found.login_ends_at) == (None, None)
