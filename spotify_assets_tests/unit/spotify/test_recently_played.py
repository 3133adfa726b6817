"""The recently-played page as pure functions: items, payloads, keys."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotify_assets.spotify import recently_played
from spotify_assets.spotify.errors import BadAnswer

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=10,
)


def as_received(value: object) -> Any:
    """What a JSON parser makes of it: two halves of a pair next to each other become one."""
    return json.loads(json.dumps(value))


@pytest.mark.parametrize("page", [{"items": []}, {"items": [None, 1, {}], "next": None}])
def test_a_page_lists_its_items_as_they_are(page: dict[str, Any]) -> None:
    assert recently_played.items(page) is page["items"]


@pytest.mark.parametrize(
    "page", [{}, {"items": None}, {"items": {}}, {"items": "[]"}, [], None, "items", 7]
)
def test_what_lists_no_items_is_no_page(page: object) -> None:
    with pytest.raises(BadAnswer, match="not a page"):
        recently_played.items(page)


@given(json_values)
def test_a_payload_is_storable_and_gives_the_item_back(value: object) -> None:
    item = as_received(value)
    payload = recently_played.payload(item)
    payload.encode("utf-8")
    assert "\0" not in payload
    back = json.loads(payload)
    assert json.dumps(back) == json.dumps(item)  # stricter than ==, for which 1 is True


def test_a_payload_is_readable_text() -> None:
    assert recently_played.payload({"name": "größer 🎧"}) == '{"name": "größer 🎧"}'


def test_the_end_of_a_play_is_in_our_text_form() -> None:
    assert recently_played.played_at({"played_at": "2026-02-25T21:15:20.4979+01:00"}) == (
        "2026-02-25T20:15:20.497Z"
    )


@given(json_values)
def test_no_item_is_too_odd_for_its_key(item: object) -> None:
    assert recently_played.played_at(item) is None or isinstance(item, dict)
    assert recently_played.track_uri(item) is None or isinstance(item, dict)
    assert len(recently_played.row_key("mira", item)) == 64
    assert recently_played.played_at({"played_at": item}) is None or isinstance(item, str)
    assert recently_played.track_uri({"track": item}) is None or isinstance(item, dict)
    assert len(recently_played.row_key("mira", {"played_at": item, "track": {"uri": item}})) == 64


PLAY = {"played_at": "2026-02-25T20:15:20.497Z", "track": {"uri": "spotify:track:a", "id": "a"}}


@pytest.mark.parametrize(
    "same",
    [
        {**PLAY, "played_at": "2026-02-25T20:15:20.4971Z"},
        {**PLAY, "played_at": "2026-02-25T21:15:20.497+01:00"},
        {**PLAY, "context": {"uri": "another"}},
        {**PLAY, "track": {"uri": "spotify:track:a", "name": "renamed"}},
    ],
)
def test_the_same_play_has_the_same_key(same: dict[str, Any]) -> None:
    assert recently_played.row_key("mira", same) == recently_played.row_key("mira", PLAY)


@pytest.mark.parametrize(
    ("account", "other"),
    [
        ("jonas", PLAY),
        ("mira", {**PLAY, "played_at": "2026-02-25T20:15:20.498Z"}),
        ("mira", {**PLAY, "track": {"uri": "spotify:track:b", "id": "a"}}),
        ("mira", {**PLAY, "track": None}),
    ],
)
def test_another_play_has_another_key(account: str, other: dict[str, Any]) -> None:
    assert recently_played.row_key(account, other) != recently_played.row_key("mira", PLAY)
