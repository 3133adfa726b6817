"""A row that was quarantined for its answer's time, and is accepted in a later answer."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import select

from spotify_assets import times
from spotify_assets.settings import Settings
from spotify_assets.spotify.errors import BadAnswer
from spotify_assets.spotify.recently_played import items
from spotify_assets.spotify.state import Identity, State
from spotify_assets.warehouse.draining import load_of
from spotify_assets.warehouse.loading import Receipt, write_load
from spotify_assets.warehouse.pending import has_news, undrained_pages
from spotify_assets.warehouse.tables import quarantined_rows, raw_recently_played
from spotify_assets.warehouse.warehouse import Warehouse

PLAYED_AT = "2026-03-01T10:00:00.000Z"
ITEM = {
    "played_at": PLAYED_AT,
    "track": {"uri": "spotify:track:1", "name": "x", "artists": [{"name": "y"}], "duration_ms": 1},
}


def drain(state: State, warehouse: Warehouse) -> list[Receipt]:
    pages = list(undrained_pages(state, warehouse))
    return [write_load(warehouse.writer(), raw_recently_played, load_of(page)) for page in pages]


def test_a_play_leaves_quarantine_when_a_later_answer_makes_it_true(settings: Settings) -> None:
    """An answer with a frozen Date comes first; the play must not be in two places at last."""
    state, warehouse = State(settings.state_path), Warehouse(settings.warehouse_path)
    state.attach(Identity("mira", None, None), None, PLAYED_AT)
    played = times.from_text(PLAYED_AT)
    state.land("mira", json.dumps({"items": [ITEM]}), played - timedelta(hours=1))
    assert drain(state, warehouse) == [Receipt(rows_read=1, rows_quarantined=1)]

    state.land("mira", json.dumps({"items": [ITEM], "next": None}), played + timedelta(hours=1))
    assert has_news(state, warehouse)
    assert drain(state, warehouse) == [Receipt(rows_read=1, rows_loaded=1)]
    (row,) = warehouse.read(select(quarantined_rows))
    assert (row.first_load_id, row.released_by) == (1, 2)
    assert not has_news(state, warehouse)


def test_an_answer_with_far_too_many_items_is_no_page() -> None:
    with pytest.raises(BadAnswer, match="not a page"):
        items({"items": [0] * 501})
    assert len(items({"items": [0] * 50})) == 50
