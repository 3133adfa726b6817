"""The demo's kept-alive world: its clock, without a run."""

from datetime import UTC, datetime, timedelta

import pytest

from spotify_assets import demo
from spotify_assets.sandbox.listener import Listener
from spotify_assets.sandbox.server import Sandbox, SandboxConfig

MIDNIGHT = datetime(2026, 11, 18, 3, 30, tzinfo=UTC)
LISTENERS = [demo._listener(name) for name in SandboxConfig.listeners]


def next_end(listener: Listener, now: datetime) -> datetime:
    return listener.plays(now, now + timedelta(days=30))[0].ended_at


@pytest.mark.parametrize("hours", range(0, 24, 3))
def test_a_silence_is_skipped_until_just_before_the_next_play(hours: int) -> None:
    now = MIDNIGHT + timedelta(hours=hours)
    sandbox = Sandbox(SandboxConfig(now=now, speed=0))
    coming = min(next_end(listener, now) for listener in LISTENERS)
    demo._skip_silence(sandbox, LISTENERS)
    skipped = sandbox.clock.now()
    assert now <= skipped <= coming
    assert coming - skipped <= timedelta(minutes=20)
    assert min(next_end(listener, skipped) for listener in LISTENERS) == coming
    demo._skip_silence(sandbox, LISTENERS)
    assert sandbox.clock.now() == skipped


def test_nothing_is_skipped_while_somebody_listens() -> None:
    play = LISTENERS[0].newest(MIDNIGHT, 1)[0]
    sandbox = Sandbox(SandboxConfig(now=play.started_at, speed=0))
    demo._skip_silence(sandbox, LISTENERS)
    assert sandbox.clock.now() == play.started_at
