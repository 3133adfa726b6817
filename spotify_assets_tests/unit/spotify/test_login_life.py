"""When the owner of an account is told that its login ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from spotify_assets import times
from spotify_assets.spotify.login_life import login_life
from spotify_assets.spotify.state import Account

ENDS_AT = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
ACCOUNT = Account(
    account_id="mira",
    spotify_id="mira",
    spotify_account_id=None,
    display_name=None,
    authorized_at="2026-05-30T12:00:00.000Z",
    login_ends_at=times.to_text(ENDS_AT),
    last_look_at=None,
    last_look_error=None,
    needs_login=False,
)


@pytest.mark.parametrize(
    ("left", "days", "says"),
    [
        (timedelta(days=184), 184, None),
        (timedelta(days=30, seconds=1), 31, None),
        (timedelta(days=30), 30, "ends within 30 days, on 2026-11-30"),
        (timedelta(days=7), 7, "ends within 7 days"),
        (timedelta(days=6, hours=1), 7, "ends within 7 days"),
        (timedelta(days=1), 1, "ends within 1 day,"),
        (timedelta(seconds=1), 1, "ends within 1 day,"),
        (timedelta(0), 0, "ended on 2026-11-30"),
        (timedelta(days=-400), 0, "ended on 2026-11-30"),
    ],
)
def test_the_last_thirty_days_of_a_login_are_told(
    left: timedelta, days: int, says: str | None
) -> None:
    life = login_life(ACCOUNT, ENDS_AT - left)
    assert life is not None
    assert life.days_left == days
    if says is None:
        assert life.warning is None
    else:
        assert life.warning is not None
        assert says in life.warning
        assert life.warning.startswith("mira: ")
        assert life.warning.endswith("Run: spotify-assets login")


def test_a_login_that_spotify_ended_has_no_days_left_whatever_the_calendar_says() -> None:
    life = login_life(replace(ACCOUNT, needs_login=True), ENDS_AT - timedelta(days=100))
    assert life is not None
    assert life.days_left == 0
    assert "Spotify refuses this login" in str(life.warning)


def test_who_never_logged_in_has_no_login_that_could_end() -> None:
    never = replace(ACCOUNT, authorized_at=None, login_ends_at=None)
    assert login_life(never, ENDS_AT) is None
