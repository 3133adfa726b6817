from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from statistics import mean, median

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


@pytest.fixture(scope="module", params=["mira", "jonas", "x"])
def years(request: pytest.FixtureRequest) -> list[Play]:
    """Thirty months of somebody's plays."""
    return a_listener(request.param).plays(START - 1.5 * YEAR, START + YEAR)


def hours_by_day(plays: list[Play]) -> dict[date, float]:
    hours: defaultdict[date, float] = defaultdict(float)
    for play in plays:
        hours[play.started_at.date()] += play.ms_played / 3_600_000
    first, last = plays[0].started_at.date(), plays[-1].started_at.date()
    return {
        day: hours[day] for day in (first + timedelta(n) for n in range((last - first).days + 1))
    }


def test_people_listen_for_some_hours_a_day_and_sleep(years: list[Play]) -> None:
    by_day = hours_by_day(years)
    assert 1.5 < median(by_day.values()) < 3.5
    assert max(by_day.values()) < 12
    assert 0.03 < sum(hours == 0 for hours in by_day.values()) / len(by_day) < 0.25
    by_hour = Counter(play.started_at.hour for play in years)
    assert sum(by_hour[hour] for hour in (2, 3, 4, 5)) < 0.03 * len(years)


def test_a_weekend_is_no_weekday_and_holidays_are_quieter(years: list[Play]) -> None:
    def in_the_morning(weekend: bool) -> float:
        some = [play for play in years if (play.started_at.weekday() >= 5) == weekend]
        return sum(6 <= play.started_at.hour <= 8 for play in some) / len(some)

    assert in_the_morning(weekend=False) > 3 * in_the_morning(weekend=True)
    by_day = hours_by_day(years)
    at_christmas = [hours for day, hours in by_day.items() if day.month == 12 and day.day > 23]
    in_november = [hours for day, hours in by_day.items() if day.month == 11]
    assert mean(at_christmas) < 0.8 * mean(in_november)


def test_artists_are_discovered_return_after_a_year_and_have_their_seasons(
    years: list[Play],
) -> None:
    days: dict[str, list[date]] = {}
    for play in years:
        day = (play.started_at - timedelta(hours=4)).date()  # a night belongs to its evening
        days.setdefault(play.track.artists[0].id, []).append(day)
    absences = [max((b - a).days for a, b in pairwise(each)) for each in days.values()]
    assert sum(days > 365 for days in absences) >= 2
    half_a_year_in = years[0].started_at.date() + timedelta(days=180)
    assert sum(each[0] > half_a_year_in for each in days.values()) >= 3
    assert any({day.month for day in each} <= {6, 7, 8} for each in days.values())
    assert any({day.month for day in each} <= {12, 1} for each in days.values())


def test_months_and_weeks_have_favourites_of_their_own(years: list[Play]) -> None:
    of_months: dict[tuple[int, int], Counter[str]] = {}
    for play in years:
        month = (play.started_at.year, play.started_at.month)
        of_months.setdefault(month, Counter())[play.track.artists[0].id] += 1
    assert len({artists.most_common(1)[0][0] for artists in of_months.values()}) >= 8


def test_albums_are_heard_whole_and_some_tracks_are_nearly_always_skipped(
    years: list[Play],
) -> None:
    of_days: dict[tuple[date, str], set[int]] = {}
    skips: dict[str, list[bool]] = {}
    for play in years:
        whole = play.ms_played == play.track.duration_ms
        skips.setdefault(play.track.id, []).append(not whole)
        if whole:
            album_on_day = (play.started_at.date(), play.track.album.id)
            of_days.setdefault(album_on_day, set()).add(play.track.track_number)
    sizes = {play.track.album.id: play.track.album.total_tracks for play in years}
    whole_albums = sum(len(numbers) == sizes[album] > 6 for (_, album), numbers in of_days.items())
    assert whole_albums > 50
    often = [each for each in skips.values() if len(each) > 20 and mean(each) > 0.7]
    assert len(often) >= 10


def test_who_is_always_on_never_lets_ten_minutes_pass_in_silence() -> None:
    plays = a_listener(always_on=True).plays(START, START + timedelta(days=30))
    silences = [later.started_at - earlier.ended_at for earlier, later in pairwise(plays)]
    assert max(silences) < timedelta(minutes=10)
    assert sum(silences, timedelta()) < timedelta(hours=24)
    assert len(plays) > 30 * 250
