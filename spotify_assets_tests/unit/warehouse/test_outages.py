"""A day without an answer is told of once, however often Spotify is asked."""

import tempfile
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from spotify_assets import times
from spotify_assets.settings import Settings
from spotify_assets.spotify.state import Identity, State
from spotify_assets.warehouse.health import outages

BEGIN = times.from_text("2026-11-01T10:00:00.000Z")


class Account:
    """An account whose polls fail, at the times that a test says."""

    def __init__(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        self.settings, self.state = settings, State(settings.state_path)
        self._now = BEGIN
        monkeypatch.setattr(times, "now", lambda: self._now)
        self.state.attach(Identity("mira", None, None), None, times.to_text(BEGIN))

    def poll(self, at: datetime, error: str | None = "no answer") -> list[str]:
        """Poll, answered or not; what there is to tell of it."""
        self._now = at
        (account,) = self.state.accounts()
        before = {"mira": account.last_failed_at or account.last_look_at}
        if error is None:
            self.state.land("mira", '{"items": []}', None)
        else:
            self.state.record_failed_look("mira", error)
        return outages(self.settings, before)


@pytest.fixture
def mira(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Account:
    return Account(settings, monkeypatch)


def test_an_outage_is_told_of_after_a_day_and_then_once_a_day(mira: Account) -> None:
    mira.poll(BEGIN, error=None)
    told = {
        hour: found
        for hour in range(4, 80, 4)
        if (found := mira.poll(BEGIN + timedelta(hours=hour)))
    }
    assert list(told) == [24, 48, 72]
    (line,) = told[24]
    assert line.startswith("mira: no answer from Spotify since 2026-11-01 1")
    assert line.endswith(": no answer")


def test_an_answer_ends_it_and_the_next_outage_has_days_of_its_own(mira: Account) -> None:
    mira.poll(BEGIN, error=None)
    answered = BEGIN + timedelta(hours=23)
    assert mira.poll(answered, error=None) == []
    assert mira.poll(BEGIN + timedelta(hours=25)) == []
    assert len(mira.poll(answered + timedelta(hours=24))) == 1


def test_the_first_poll_after_the_machine_was_off_for_days_tells_of_it_once(mira: Account) -> None:
    mira.poll(BEGIN, error=None)
    assert len(mira.poll(BEGIN + timedelta(days=9))) == 1
    assert mira.poll(BEGIN + timedelta(days=9, minutes=15)) == []


def test_a_login_that_never_had_an_answer_counts_from_its_begin(mira: Account) -> None:
    assert mira.poll(BEGIN + timedelta(hours=1)) == []
    assert len(mira.poll(BEGIN + timedelta(hours=24))) == 1


def test_of_an_account_that_logged_out_there_is_nothing_to_tell(mira: Account) -> None:
    mira.poll(BEGIN + timedelta(hours=23))
    mira.state.log_out("mira")
    assert outages(mira.settings, {}) == []


@given(st.lists(st.integers(1, 60 * 24 * 2), max_size=10))
@hypothesis_settings(max_examples=10, deadline=None)
def test_no_day_is_told_of_twice_and_no_polled_day_is_missed(pauses: list[int]) -> None:
    """Checked on the rule alone: a day is told of by the first poll in it, from the second on."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        settings = Settings.load({"SPOTIFY_ASSETS_DATA": folder}, env_file=None)
        mira = Account(settings, patch)
        mira.poll(BEGIN, error=None)
        moment, told, polled = BEGIN, list[int](), set[int]()
        for pause in pauses:
            moment += timedelta(minutes=pause)
            day = (moment - BEGIN) // timedelta(days=1)
            polled.add(day)
            told += [day] * len(mira.poll(moment))
        assert told == sorted(polled - {0})
