"""Items of every kind, pushed all the way: body, flatten, split, load, a real SQLite file.

Whatever Spotify may list, each item is loaded, a duplicate, or in quarantine with a reason, and
what was received can be had back from its payload.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import bindparam, select, text

from spotify_assets.contracts.recently_played import RecentlyPlayed, flatten
from spotify_assets.contracts.split import split
from spotify_assets.spotify import recently_played
from spotify_assets.spotify.state import LandedPage
from spotify_assets.warehouse.loading import Batch, Load, payload_hash, write_load
from spotify_assets.warehouse.tables import loads, quarantined_rows, raw_recently_played
from spotify_assets.warehouse.warehouse import Warehouse

ITEMS_A_PAGE = 11
PAGES = 100

AWKWARD: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    2**31 - 1,
    2**31,
    2**63 - 1,
    2**63,
    -(2**63) - 1,
    10**100,
    0.0,
    -0.0,
    1e308,
    200000.0,
    "",
    " ",
    "null",
    "\0",
    "a\0b",
    "\ud800",
    "\udfff tail",
    "größe 🎧 美",
    "\\ud800",
    "'; drop table loads; --",
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59.999999Z",
    "9999-12-31T23:59:59-14:00",
    "2026-11-20T20:00:00.123456789Z",
    "2026-11-20T20:00:00",
    "2026-11-20T20:00:00,5+02:00",
    "2026-11-20\ud80020:00:00Z",
    "2999-01-01T00:00:00.000Z",
    "1.5",
    [],
    {},
    [None],
    [[]],
    {"name": None},
    {"uri": 7},
    {"": {"": []}},
    "x" * 5000,
]
awkward = st.sampled_from(AWKWARD)
anything = awkward | st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=()), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=5,
)
# Which item to start from, and changes: where (a share of all places), what, with which value.
changes = st.lists(
    st.tuples(st.floats(0, 1), st.sampled_from(["replace", "delete", "add"]), anything), max_size=3
)
recipes: st.SearchStrategy[tuple[int | None, Any]] = st.one_of(
    st.tuples(st.integers(0, 49), changes),
    st.tuples(st.integers(0, 49), changes),
    st.tuples(st.integers(0, 49), st.just([])),
    st.tuples(st.none(), anything),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value but the value itself, the upper ones first."""
    found: list[tuple[Any, ...]] = []
    pairs: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        pairs = list(value.items())
    elif isinstance(value, list):
        pairs = list(enumerate(value))
    for key, inner in pairs:
        found.append((*path, key))
        found += places(inner, (*path, key))
    return found


def mutate(item: Any, share: float, change: str, value: Any) -> None:
    all_places = places(item)
    if not all_places:
        return
    *before, last = all_places[min(int(share * len(all_places)), len(all_places) - 1)]
    parent = item
    for step in before:
        parent = parent[step]
    if change == "delete":
        del parent[last]
    elif change == "replace":
        parent[last] = value
    elif isinstance(parent, dict):
        parent[f"new {last}"] = value
    else:
        parent.insert(0, value)


def strictly(value: Any) -> str:
    """A text that is equal for equal JSON only; for == itself, 1 is True."""
    return json.dumps(value, sort_keys=True)


class Pipeline:
    """Pages, one after the other, into one warehouse."""

    def __init__(self, path: Path, listed: list[Any]) -> None:
        self.warehouse = Warehouse(path)
        self.engine = self.warehouse.writer()
        self.listed = listed
        self.pages = 0
        self.fates: Counter[str] = Counter()

    def items_of(self, page: list[tuple[int | None, Any]]) -> list[Any]:
        made: list[Any] = []
        for start, what in page:
            if start is None:
                made.append(what)
                continue
            item = json.loads(json.dumps(self.listed[start]))
            for share, change, value in what:
                mutate(item, share, change, value)
            made.append(item)
        return made

    def push(self, items: list[Any]) -> None:
        """One page from its body to its rows, and everything that must be true afterwards."""
        self.pages += 1
        body = json.dumps({"items": items})
        moment = "2026-11-20T21:00:00.250Z"
        page = LandedPage(f"page-{self.pages}", "mira", moment, moment, body)
        received = recently_played.items(json.loads(page.body))
        count = len(received)
        accepted, rejected = split(flatten(page, received), RecentlyPlayed)
        load = Load("recently_played", "mira", page.page_id, [Batch(count, accepted, rejected)])
        receipt = write_load(self.engine, raw_recently_played, load)

        (row,) = self.warehouse.read(select(loads).where(loads.c.page_id == page.page_id))
        assert count == row.rows_read == len(items)
        fates = (row.rows_loaded, row.rows_duplicate, row.rows_quarantined)
        assert sum(fates) + row.rows_ignored == count
        assert row.rows_ignored == 0
        assert fates == (receipt.rows_loaded, receipt.rows_duplicate, receipt.rows_quarantined)
        self.fates.update(loaded=fates[0], duplicate=fates[1], quarantined=fates[2])

        hashes = [payload_hash(recently_played.payload(item)) for item in received]
        keys = [recently_played.row_key("mira", item) for item in received]
        bad = self._stored(quarantined_rows.c.payload_hash, hashes)
        good = self._stored(raw_recently_played.c.row_key, keys)
        for item, key, digest in zip(received, keys, hashes, strict=True):
            if digest in bad:
                assert strictly(json.loads(bad[digest].payload)) == strictly(item)
                reasons = json.loads(bad[digest].reasons)
                assert reasons
                assert all(isinstance(reason, str) and reason for reason in reasons)
            else:
                stored = good[key]  # loaded, now or before
                assert stored.played_at == recently_played.played_at(item)
                assert stored.track_uri == item["track"]["uri"]
                if stored.load_id == row.load_id and keys.count(key) == 1:
                    assert strictly(json.loads(stored.payload)) == strictly(item)

    def _stored(self, column: Any, values: list[str]) -> dict[str, Any]:
        rows = self.warehouse.read(select(column.table).where(column.in_(values)))
        return {getattr(row, column.name): row for row in rows}


def test_a_thousand_items_of_every_kind_are_each_accounted_for(
    tmp_path: Path, items: list[Any]
) -> None:
    pipeline = Pipeline(tmp_path / "spotify.db", items)

    @settings(
        max_examples=PAGES,
        deadline=None,
        database=None,
        phases=[Phase.generate],  # pages share one warehouse, so a smaller one is another case
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(st.lists(recipes, min_size=ITEMS_A_PAGE, max_size=ITEMS_A_PAGE + 3))
    def push(page: list[tuple[int | None, Any]]) -> None:
        pipeline.push(pipeline.items_of(page))

    push()
    assert pipeline.fates.total() >= 1000
    assert min(pipeline.fates[fate] for fate in ("loaded", "duplicate", "quarantined")) >= 30
    sums = text("select sum(rows_read), sum(rows_loaded), sum(rows_quarantined) from loads")
    read, loaded, quarantined = tuple(pipeline.warehouse.read(sums)[0])
    assert read == pipeline.fates.total()
    ((rows,),) = pipeline.warehouse.read(text("select count(*) from raw_recently_played"))
    assert rows == loaded
    ((seen,),) = pipeline.warehouse.read(text("select sum(times_seen) from quarantined_rows"))
    assert seen == quarantined
    wrong = text(
        "select count(*) from raw_recently_played"
        " where typeof(duration_ms) not in ('integer', 'null')"
        " or typeof(track_name) <> 'text' or typeof(artist_name) not in ('text', 'null')"
        " or typeof(payload) <> 'text' or not json_valid(payload)"
        " or length(played_at) <> 24 or played_at > :latest"
        " or explicit not in (0, 1) or is_local not in (0, 1)"
    ).bindparams(bindparam("latest", "2026-11-20T21:05:00.250Z"))
    assert pipeline.warehouse.read(wrong)[0][0] == 0


@pytest.mark.parametrize("size", [0, 1, 50, 500])
def test_a_page_of_any_size_is_accounted_for(size: int, tmp_path: Path, items: list[Any]) -> None:
    pipeline = Pipeline(tmp_path / "spotify.db", items)
    pipeline.push([items[number % 50] if number % 3 else {"n": number} for number in range(size)])
    assert pipeline.fates.total() == size


@pytest.mark.parametrize(
    "kind",
    [
        lambda item: item,
        lambda item: [item],
        lambda item: {"a": item},
        lambda item: {**item, "track": [item["track"]]},
        lambda item: {**item, "track": item["track"] | {"artists": item["track"]["artists"] * 900}},
        lambda item: {**item, "played_at": [item["played_at"]]},
    ],
)
def test_items_that_wrap_items_are_accounted_for(
    kind: Callable[[Any], Any], tmp_path: Path, items: list[Any]
) -> None:
    pipeline = Pipeline(tmp_path / "spotify.db", items)
    pipeline.push([kind(item) for item in items])
    assert pipeline.fates.total() == 50


def test_a_recorded_page_of_spotify_is_loaded_field_by_field(samples: Path, tmp_path: Path) -> None:
    body = (samples / "recently_played_tracks.json").read_text("utf-8")
    items = recently_played.items(json.loads(body))
    assert len(items) == 48
    moment = "2026-02-25T20:30:00.000Z"
    page = LandedPage("page", "mira", moment, moment, body)
    accepted, rejected = split(flatten(page, items), RecentlyPlayed)
    warehouse = Warehouse(tmp_path / "spotify.db")
    load = Load("recently_played", "mira", "page", [Batch(len(items), accepted, rejected)])
    receipt = write_load(warehouse.writer(), raw_recently_played, load)
    assert (receipt.rows_read, receipt.rows_loaded) == (48, 48)

    rows = {row.played_at: row for row in warehouse.read(select(raw_recently_played))}
    assert len(rows) == 48
    for item in items:
        track, album, context = item["track"], item["track"]["album"], item["context"] or {}
        row = dict(rows[item["played_at"]]._mapping)
        assert json.loads(row.pop("payload")) == item
        assert json.loads(row.pop("artist_names")) == [who["name"] for who in track["artists"]]
        assert row.pop("row_key") == recently_played.row_key("mira", item)
        assert row.pop("load_id") == 1
        assert row == {
            "account_id": "mira",
            "played_at": item["played_at"],
            "track_uri": track["uri"],
            "track_id": track["id"],
            "track_name": track["name"],
            "artist_name": track["artists"][0]["name"],
            "artist_uri": track["artists"][0]["uri"],
            "album_name": album["name"],
            "album_uri": album["uri"],
            "album_artist_name": album["artists"][0]["name"],
            "album_type": album["album_type"],
            "album_total_tracks": album["total_tracks"],
            "release_date": album["release_date"],
            "release_date_precision": album["release_date_precision"],
            "duration_ms": track["duration_ms"],
            "explicit": int(track["explicit"]),
            "is_local": int(track["is_local"]),
            "isrc": track["external_ids"].get("isrc"),
            "disc_number": track["disc_number"],
            "track_number": track["track_number"],
            "context_type": context.get("type"),
            "context_uri": context.get("uri"),
        }
