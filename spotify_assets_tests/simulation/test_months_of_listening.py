"""Whatever happens in weeks and months of listening: every play is kept, in a gap, or overtaken."""

from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from spotify_assets import times
from spotify_assets.sandbox.listener import Play
from spotify_assets.spotify.state import State
from spotify_assets.warehouse.tables import (
    coverage_gaps,
    loads,
    open_gaps,
    quarantined_rows,
    raw_recently_played,
)
from spotify_assets.warehouse.warehouse import Warehouse
from spotify_assets_tests.simulation.history import History, kinds_of, one_clock_and_a_window
from spotify_assets_tests.simulation.oracle import name
from spotify_assets_tests.support import sandbox, user_of

MILLISECOND = timedelta(milliseconds=1)


def check(history: History) -> None:
    oracle, settings = history.oracle, history.user.settings
    warehouse = Warehouse(settings.warehouse_path)
    raw = raw_recently_played.c
    stored = [tuple(row) for row in warehouse.read(select(raw.played_at, raw.track_uri))]
    assert sorted(stored) == sorted(key(play) for play in oracle.kept.values())
    assert warehouse.read(select(quarantined_rows)) == []

    gaps = warehouse.read(select(coverage_gaps).order_by(coverage_gaps.c.gap_id))
    assert [(gap.gap_from, gap.gap_to, gap.cause is not None) for gap in gaps] == [
        (times.to_text(gap.begin), times.to_text(gap.end), gap.after_blindness)
        for gap in oracle.gaps
    ]
    for gap, true in zip(gaps, oracle.gaps, strict=True):
        assert (gap.max_lost_plays, gap.spacing_ms) == (true.most, true.spacing / MILLISECOND)
        assert len(true.lost) <= gap.max_lost_plays

    parts = warehouse.read(select(open_gaps).order_by(open_gaps.c.gap_id, open_gaps.c.open_from))
    assert [(part.open_from, part.open_to, part.max_lost_plays) for part in parts] == [
        (times.to_text(begin), times.to_text(end), gap.most - gap.found)
        for gap in oracle.gaps
        if gap.most > gap.found
        for begin, end in gap.pieces
    ]
    ends = {end for end, _ in stored}
    for part in parts:
        assert {part.open_from, part.open_to} <= ends
        assert not any(part.open_from < end < part.open_to for end in ends)

    everything = {name(play): play for play in listed_sometime(history)}
    lost = set[int]().union(*(gap.lost for gap in oracle.gaps))
    elsewhere = everything.keys() - oracle.kept.keys() - oracle.before_history
    assert elsewhere == lost | oracle.overtaken
    assert not lost & oracle.overtaken
    for play in map(everything.__getitem__, lost):
        end = times.to_text(play.ended_at)
        assert any(part.open_from < end < part.open_to for part in parts)

    spells = State(settings.state_path).blind_spells("mira")
    assert [(spell.blind_from, spell.blind_to) for spell in spells] == [
        (times.to_text(begin), times.to_text(end)) for begin, end in oracle.blind_spells
    ]
    sums = [
        warehouse.read(select(func.sum(loads.c[column])))[0][0]
        for column in ("rows_read", "rows_loaded", "rows_duplicate")
    ]
    assert sums == [sums[0], len(stored), sums[0] - len(stored)]
    assert history.called_in_vain == []


def listed_sometime(history: History) -> list[Play]:
    """Every play that Spotify could list at a look that was answered."""
    known = history.oracle._seen
    start, end = history.listener._ends[0], history.spotify.clock.now()
    plays = history.listener.plays(start - LONG, end, with_short=True)
    return [play for play in plays if name(play) in known]


LONG = times.from_text("2026-01-02T00:00:00Z") - times.from_text("2026-01-01T00:00:00Z")


def key(play: Play) -> tuple[str, str]:
    return times.to_text(play.ended_at), f"spotify:track:{play.track.id}"


def live(seed: int, folder: Path, days: int) -> Counter[str]:
    with sandbox(listeners=("mira",)) as spotify:
        user = user_of(spotify.environment(), folder / f"seed-{seed}")
        history = History(spotify, user, seed, days)
        with one_clock_and_a_window(history):
            user.log_in("mira")
            try:
                history.live()
                check(history)
            except BaseException as error:
                error.add_note(f"seed {seed}")
                raise
        oracle = history.oracle
        return history.happened + Counter(
            {
                "gap with a loss": sum(bool(gap.lost) for gap in oracle.gaps),
                "overtaken": len(oracle.overtaken),
                "late and kept": oracle.late_kept,
                "closed by a later page": oracle.closed,
                "closed in part": oracle.closed_in_part,
                "blind without a loss": len(oracle.lossless_spells),
            }
        )


def check_that_all_of_it_happened(happened: Counter[str]) -> None:
    with sandbox() as spotify:
        kinds = kinds_of(spotify)
    wanted = {
        *kinds,
        "gap with a loss",
        "overtaken",
        "late and kept",
        "closed by a later page",
        "blind without a loss",
        "killed before",
        "killed after",
        "killed loading",
        "honoured block",
        "a fault of the token endpoint",
        "stale page",
        "closed in part",
        "logged in again",
        "revoked",
        "outage",
        "away",
    }
    assert wanted - happened.keys() == set()


def test_two_weeks_hold_every_fault_and_every_play_is_accounted_for(tmp_path: Path) -> None:
    happened = Counter[str]()
    for seed in (1, 2):
        happened += live(seed, tmp_path, days=7)
    check_that_all_of_it_happened(happened)


@pytest.mark.soak
def test_fifty_months_hold_every_fault_and_every_play_is_accounted_for(tmp_path: Path) -> None:
    happened = Counter[str]()
    for seed in range(100, 150):
        happened += live(seed, tmp_path, days=31)
        print(f"seed {seed}: {dict(happened)}")
    check_that_all_of_it_happened(happened)
