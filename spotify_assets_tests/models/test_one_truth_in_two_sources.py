"""One truth, told by the API and by an export with the faults of each: every play is one play.

The API tells some plays by their start and some late by a pause. The export lacks the URI of some
rows and the names of others.
"""

import random
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from spotify_assets.defs.models.checks import sources_agree
from spotify_assets.defs.resources import WarehouseResource
from spotify_assets.sandbox.server import Sandbox
from spotify_assets.spotify.export.names import Kind
from spotify_assets_tests.models.arrivals import Arrival, Track
from spotify_assets_tests.models.histories import MINUTE, SECOND, Row
from spotify_assets_tests.models.test_incremental import Models
from spotify_assets_tests.support import user_of

LISTENERS, PLAYS, TRACKS = 20, 300, 60
FIRST = int(datetime(2026, 2, 1, 6, tzinfo=UTC).timestamp()) * SECOND
LISTED = 30 * SECOND
PAGE = 50


@dataclass
class Truth:
    """What a listener played, and how both sources tell it."""

    account_id: str
    lengths: list[int]
    pages: list[list[Row]]
    exported: list[Row]
    started: int = 0
    paused: int = 0


def truth_of(seed: int) -> Truth:
    """A history of a seed: mostly whole tracks, some skips, some repeats, nights between."""
    rng = random.Random(seed)
    name = f"listener-{seed}"
    tracks = [
        Track(
            uri=f"spotify:track:{name}-{number}",
            name=f"Song {number}",
            artist=f"Artist {number % 9}",
            isrc="",
            duration_ms=rng.randint(60, 400) * SECOND,
        )
        for number in range(TRACKS)
    ]
    truth = Truth(name, [], [], [])
    listed: list[tuple[int, Row]] = []
    moment, track = FIRST, tracks[0]
    for _ in range(PLAYS):
        track = track if rng.random() < 0.1 else rng.choice(tracks)
        mood = rng.random()
        length = track.duration_ms if mood < 0.8 else rng.randint(1, track.duration_ms)
        start, end = moment, moment + length
        pause = rng.randint(1, 10) * MINUTE
        fault = rng.random()
        lack: Row = {}
        if rng.random() < 0.02:
            lack = {"spotify_track_uri": None}
        elif rng.random() < 0.02:
            lack = {name: None for name in track.told(0, 0) if name.startswith("master_metadata")}
        truth.lengths.append(length)
        truth.exported.append(track.told(end, length, **lack))
        moment = end + rng.choice((0, 0, 0, rng.randint(1, 120) * SECOND, 9 * 60 * MINUTE))
        if length >= LISTED:
            told = end + rng.randint(-900, 900)
            if fault < 0.05:
                told, truth.started = start, truth.started + 1
            elif fault < 0.1:
                told, truth.paused = end + pause, truth.paused + 1
                moment = max(moment, told)
            listed.append((told, track.listed(told)))
    items = [item for _, item in sorted(listed, key=lambda each: each[0])]
    truth.pages = [items[first : first + PAGE] for first in range(0, len(items), PAGE)]
    return truth


def check(models: Models) -> dg.AssetCheckResult:
    """What the check says of the models as they are."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in models.settings.environment().items():
            patch.setenv(name, value)
        found = sources_agree(warehouse=WarehouseResource())
    assert isinstance(found, dg.AssetCheckResult)
    return found


@given(st.sets(st.integers(0, 10**6), min_size=LISTENERS, max_size=LISTENERS))
@settings(
    max_examples=1,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.large_base_example],
)
def test_each_play_is_one_play_whatever_the_clocks_say(
    still_spotify: Sandbox, tmp_path_factory: pytest.TempPathFactory, seeds: set[int]
) -> None:
    folder = tmp_path_factory.mktemp("truth")
    models = Models(user_of(still_spotify.environment(), folder / "user").settings)
    truths = [truth_of(seed) for seed in sorted(seeds)]
    assert min(sum(truth.started for truth in truths), sum(truth.paused for truth in truths)) > 99
    models.settle({truth.account_id: "Europe/Berlin" for truth in truths})
    # The newest page comes after the export, in a build of its days alone.
    for truth in truths:
        models.load(Arrival(truth.account_id, page) for page in truth.pages[:-1])
        models.load([Arrival(truth.account_id, truth.exported, (Kind.EXTENDED, "a download"))])
    every = ("--select", "+mart_source_agreement")
    models.build(*every)
    first = check(models)
    models.load(Arrival(truth.account_id, truth.pages[-1]) for truth in truths)
    models.build(*every)
    second = check(models)
    found = {
        account_id: (plays, ms_played, single)
        for account_id, plays, ms_played, single in models.rows(
            "select account_id, count(*), sum(ms_played), sum(source = 'api')"
            " from fct_plays group by account_id"
        )
    }
    expected = {truth.account_id: (PLAYS, sum(truth.lengths), 0) for truth in truths}
    assert found == expected
    [(moved,)] = models.rows("select count(*) from fct_plays where matched_by like '%moved'")
    assert moved > LISTENERS * PLAYS // 20
    assert first.passed and second.passed, (first.description, second.description)
    # It measures the whole fact, also after a build of some days.
    of_both = [each.metadata["plays_of_both"].value for each in (first, second)]
    assert LISTENERS * PAGE < of_both[0] < of_both[1]  # type: ignore[operator]
