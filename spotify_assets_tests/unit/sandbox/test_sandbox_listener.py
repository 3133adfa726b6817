from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spotify_assets.sandbox.catalogue import Catalogue
from spotify_assets.sandbox.clock import to_ms
from spotify_assets.sandbox.listener import Listener, Play

CATALOGUE = Catalogue(2026)
START = datetime(2026, 3, 1, tzinfo=UTC)
YEAR = timedelta(days=365)
DAYS = timedelta(days=20)

moments = st.integers(0, to_ms(START + DAYS) - to_ms(START)).map(
    lambda ms: START + timedelta(milliseconds=ms)
)
# Moments at which windows most easily go wrong: exactly at the end of a play, and at 04:00.
edges = st.sampled_from(
    [play.ended_at for play in Listener("mira", CATALOGUE, 2026, True).plays(START, START + DAYS)]
    + [START + timedelta(days=day, hours=4) for day in range(20)]
)


def a_listener(listener_id: str = "mira", always_on: bool = False, seed: int = 2026) -> Listener:
    return Listener(listener_id, CATALOGUE, seed, always_on)


@pytest.mark.parametrize("always_on", [False, True])
@settings(deadline=None, max_examples=60)
@given(bounds=st.lists(moments | edges, min_size=3, max_size=6).map(sorted))
def test_the_same_plays_come_out_whatever_windows_are_asked_for(
    always_on: bool, bounds: list[datetime]
) -> None:
    whole = a_listener(always_on=always_on).plays(bounds[0], bounds[-1])
    fresh = a_listener(always_on=always_on)
    pieces = [fresh.plays(start, end) for start, end in reversed(list(pairwise(bounds)))]
    assert [play for piece in reversed(pieces) for play in piece] == whole
    assert all(bounds[0] < play.ended_at <= bounds[-1] for play in whole)


@settings(deadline=None, max_examples=60)
@given(now=moments | edges, count=st.integers(1, 60))
def test_the_newest_plays_are_the_last_ones_that_had_ended(now: datetime, count: int) -> None:
    listener = a_listener(always_on=True)
    ended = listener.plays(now - timedelta(days=3), now)
    assert listener.newest(now, count) == ended[: -count - 1 : -1]
    assert len(listener.newest(now, count)) == count


@settings(deadline=None, max_examples=15)
@given(
    seed=st.integers(0, 10_000),
    listener_id=st.sampled_from(["mira", "jonas", "x", "somebody.else"]),
    always_on=st.booleans(),
)
def test_plays_never_overlap_and_each_ends_at_a_moment_of_its_own(
    seed: int, listener_id: str, always_on: bool
) -> None:
    plays = a_listener(listener_id, always_on, seed).plays(START, START + timedelta(days=60))
    assert plays
    for earlier, later in pairwise(plays):
        assert earlier.ended_at <= later.started_at
    for play in plays:
        spent = to_ms(play.ended_at) - to_ms(play.started_at)
        assert 30_000 < play.ms_played <= min(spent, play.track.duration_ms)
        assert play.ended_at.microsecond % 1000 == 0


def year_of(listener: Listener) -> list[Play]:
    return listener.plays(START, START + YEAR)


def test_other_people_and_other_seeds_play_other_things() -> None:
    mira = year_of(a_listener("mira"))
    assert year_of(a_listener("mira")) == mira
    assert year_of(a_listener("jonas")) != mira
    assert year_of(a_listener("mira", seed=1)) != mira


def test_a_year_has_quiet_days_busy_days_nights_and_weekends() -> None:
    plays = year_of(a_listener())
    per_day = Counter(play.ended_at.date() for play in plays)
    assert 10 <= 365 - len(per_day) <= 100
    assert max(per_day.values()) >= 60
    hours = Counter(play.ended_at.hour for play in plays)
    assert hours[3] + hours[4] == 0
    saturdays = {play.ended_at.hour for play in plays if play.ended_at.weekday() == 5}
    assert 7 not in saturdays
    assert 7 in hours or 8 in hours


def test_plays_come_from_every_kind_of_place_and_from_none() -> None:
    plays = year_of(a_listener())
    kinds = Counter(play.context.type if play.context else None for play in plays)
    assert kinds.keys() == {"album", "artist", "playlist", "collection", None}
    assert min(kinds.values()) > 100
    for play in plays:
        if play.context and play.context.type == "album":
            assert play.context.id == play.track.album.shelf_id
        if play.context and play.context.type == "artist":
            assert play.context.id in {artist.id for artist in play.track.artists}
        if play.context and play.context.type == "collection":
            assert play.context.uri == "spotify:user:mira:collection"


def test_favourites_come_back_and_there_is_a_long_tail() -> None:
    counts = Counter(play.track for play in year_of(a_listener()))
    assert counts.most_common(1)[0][1] > 40
    assert sum(1 for times in counts.values() if times <= 5) > 100


def test_most_plays_are_whole_some_are_cut_short_and_some_are_paused() -> None:
    plays = year_of(a_listener())
    whole = sum(play.ms_played == play.track.duration_ms for play in plays)
    paused = sum(
        to_ms(play.ended_at) - to_ms(play.started_at) - play.ms_played > 15_000 for play in plays
    )
    assert 0.7 < whole / len(plays) < 0.95
    assert 0.02 < paused / len(plays) < 0.1


def test_played_at_behaves_as_the_end_of_the_play() -> None:
    """The gap between neighbours is the length of the newer track, as measured on real data."""
    plays = year_of(a_listener())
    errors = sorted(
        abs((later.ended_at - earlier.ended_at).total_seconds() - later.track.duration_ms / 1000)
        for earlier, later in pairwise(plays)
    )
    assert errors[len(errors) // 2] < 2


def test_who_is_always_on_never_lets_ten_minutes_pass_in_silence() -> None:
    plays = a_listener(always_on=True).plays(START, START + timedelta(days=30))
    silences = [later.started_at - earlier.ended_at for earlier, later in pairwise(plays)]
    assert max(silences) < timedelta(minutes=10)
    assert sum(silences, timedelta()) < timedelta(hours=24)
    assert len(plays) > 30 * 250
