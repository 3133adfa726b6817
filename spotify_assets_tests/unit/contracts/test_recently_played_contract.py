"""The contract of a recently played track: which item is a play, and why another is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Text

from spotify_assets.contracts.recently_played import RecentlyPlayed, flatten
from spotify_assets.contracts.split import split
from spotify_assets.spotify.state import LandedPage
from spotify_assets.warehouse.tables import raw_recently_played

NewPage = Callable[..., LandedPage]

# The path in an item, and the column that it becomes.
PATHS = {
    "played_at": ("played_at",),
    "track_uri": ("track", "uri"),
    "track_id": ("track", "id"),
    "track_name": ("track", "name"),
    "artist_name": ("track", "artists", 0, "name"),
    "artist_uri": ("track", "artists", 0, "uri"),
    "album_name": ("track", "album", "name"),
    "album_uri": ("track", "album", "uri"),
    "album_artist_name": ("track", "album", "artists", 0, "name"),
    "album_type": ("track", "album", "album_type"),
    "album_total_tracks": ("track", "album", "total_tracks"),
    "release_date": ("track", "album", "release_date"),
    "release_date_precision": ("track", "album", "release_date_precision"),
    "duration_ms": ("track", "duration_ms"),
    "explicit": ("track", "explicit"),
    "is_local": ("track", "is_local"),
    "isrc": ("track", "external_ids", "isrc"),
    "disc_number": ("track", "disc_number"),
    "track_number": ("track", "track_number"),
    "context_type": ("context", "type"),
    "context_uri": ("context", "uri"),
}
REQUIRED = ("played_at", "track_uri", "track_name")
INTEGERS = ("album_total_tracks", "duration_ms", "disc_number", "track_number")
BOOLEANS = ("explicit", "is_local")
TEXTS = tuple(name for name in PATHS if name not in (*INTEGERS, *BOOLEANS))


@pytest.fixture
def item(items: list[Any]) -> Any:
    return next(item for item in items if item["context"] is not None)


def at(value: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        value = value[step]
    return value


def changed(item: Any, column: str, value: object) -> Any:
    copy = json.loads(json.dumps(item))
    *before, last = PATHS[column]
    at(copy, tuple(before))[last] = value
    return copy


def without(item: Any, column: str) -> Any:
    copy = json.loads(json.dumps(item))
    *before, last = PATHS[column]
    del at(copy, tuple(before))[last]
    return copy


@pytest.fixture
def reasons_for(new_page: NewPage) -> Callable[[object], list[str]]:
    def check(item: object) -> list[str]:
        accepted, rejected = split(flatten(new_page([item]), [item]), RecentlyPlayed)
        assert len(accepted) + len(rejected) == 1
        found: list[str] = json.loads(rejected["reasons"].iloc[0]) if len(rejected) else []
        return found

    return check


def test_the_contract_has_the_columns_of_the_table() -> None:
    table = {column.name: column for column in raw_recently_played.columns}
    contract = RecentlyPlayed.to_schema().columns
    assert contract.keys() == table.keys() - {"load_id"}
    assert PATHS.keys() == contract.keys() - {"account_id", "row_key", "artist_names", "payload"}
    for name, column in contract.items():
        assert column.nullable == table[name].nullable, name
    texts = {name for name in PATHS if isinstance(table[name].type, Text)}
    assert texts == set(TEXTS)


def test_every_item_of_the_sandbox_is_accepted_with_the_values_that_it_has(
    items: list[Any], new_page: NewPage
) -> None:
    accepted, rejected = split(flatten(new_page(items), items), RecentlyPlayed)
    assert rejected.empty
    assert len(accepted) == 50
    for item, row in zip(items, accepted.to_dict("records"), strict=True):
        for column, path in PATHS.items():
            if path[0] == "context" and item["context"] is None:
                assert row[column] is None
            else:
                assert row[column] == at(item, path), column
                assert type(row[column]) is type(at(item, path)), column
        names = [artist["name"] for artist in item["track"]["artists"]]
        assert json.loads(row["artist_names"]) == names
        assert json.loads(row["payload"]) == item
        assert row["account_id"] == "mira"


@pytest.mark.parametrize("column", REQUIRED)
def test_what_makes_a_play_may_be_neither_missing_nor_null(
    column: str, item: Any, reasons_for: Callable[[object], list[str]]
) -> None:
    expected = [f"{column}: missing or null"]
    assert reasons_for(without(item, column)) == expected
    assert reasons_for(changed(item, column, None)) == expected


@pytest.mark.parametrize("column", [name for name in PATHS if name not in REQUIRED])
def test_everything_else_may_be_missing_or_null(
    column: str, item: Any, reasons_for: Callable[[object], list[str]]
) -> None:
    assert reasons_for(without(item, column)) == []
    assert reasons_for(changed(item, column, None)) == []


ODD = [5, 1.5, True, "", "5", 200000.0, [], ["a"], {}, {"a": "b"}, "\ud800", "a\0b", -1, 10**30]


def as_read(column: str, value: Any) -> Any:
    """What a column has for a value; None where it has none that can be read."""
    if column in TEXTS:
        is_text = isinstance(value, str) and value not in ("\ud800", "a\0b")
        return value if is_text else None
    if column in BOOLEANS:
        return value if isinstance(value, bool) else None
    return {5: 5, "5": 5, 200000.0: 200_000}.get(value) if str(value) in "5 200000.0" else None


@pytest.fixture
def reads(new_page: NewPage) -> Callable[[object], dict[str, Any]]:
    """The row of an item that is accepted; `unread` as a value."""

    def read(item: object) -> dict[str, Any]:
        accepted, _ = split(flatten(new_page([item]), [item]), RecentlyPlayed)
        row = {str(name): value for name, value in accepted.iloc[0].items()}
        return row | {"unread": json.loads(row["unread"] or "{}")}

    return read


@pytest.mark.parametrize("column", [name for name in PATHS if name not in REQUIRED])
def test_an_optional_value_of_another_type_is_null_and_named(
    column: str, item: Any, reads: Callable[[object], dict[str, Any]]
) -> None:
    as_usual = reads(item)
    for value in ODD:
        odd = changed(item, column, value)
        row, expected = reads(odd), as_read(column, value)
        assert (row.pop(column), type(expected)) == (expected, type(expected)), value
        assert list(row.pop("unread")) == ([] if expected is not None else [column]), value
        assert json.loads(row.pop("payload")) == odd
        assert all(as_usual[name] == row[name] for name in row if name != "artist_names")


@pytest.mark.parametrize("column", REQUIRED)
@pytest.mark.parametrize("value", [5, 1.5, True, [], ["a"], {}, {"a": "b"}, "\ud800", "a\0b"])
def test_what_makes_a_play_must_be_text_that_can_be_stored(
    column: str, value: object, item: Any, reasons_for: Callable[[object], list[str]]
) -> None:
    reasons = reasons_for(changed(item, column, value))
    assert f"{column}: not text that can be stored" in reasons
    assert all(reason.startswith(f"{column}: ") for reason in reasons)


@pytest.mark.parametrize("column", INTEGERS)
@pytest.mark.parametrize("value", [0, 1, 2**31 - 1])
def test_integers_to_the_limit_are_read(
    column: str, value: int, item: Any, reads: Callable[[object], dict[str, Any]]
) -> None:
    for form in (value, float(value), str(value)):
        row = reads(changed(item, column, form))
        assert (row[column], type(row[column]), row["unread"]) == (value, int, {})


@pytest.mark.parametrize("column", BOOLEANS)
def test_one_and_zero_are_true_and_false(
    column: str, item: Any, reads: Callable[[object], dict[str, Any]]
) -> None:
    for value in (0, 1):
        row = reads(changed(item, column, value))
        assert (row[column] is bool(value), row["unread"]) == (True, {})


@pytest.mark.parametrize(
    ("path", "value", "field", "columns"),
    [
        ("artists", "name", "artists", ["artist_name", "artist_uri", "artist_names"]),
        ("artists", {"name": "x"}, "artists", ["artist_name", "artist_uri", "artist_names"]),
        ("artists", ["name"], "artists[0]", ["artist_name", "artist_uri"]),
        ("artists", [["name"]], "artists[0]", ["artist_name", "artist_uri"]),
        ("album", "title", "album", ["album_name", "album_uri", "album_artist_name"]),
        ("album", [], "album", ["album_type", "album_total_tracks", "release_date"]),
        ("album", {"artists": "x"}, "album.artists", ["album_artist_name"]),
        ("album", {"artists": ["x"]}, "album.artists[0]", ["album_artist_name"]),
        ("external_ids", "NO0000000000", "external_ids", ["isrc"]),
    ],
)
def test_an_object_of_another_type_is_named_and_what_it_held_is_null(
    path: str,
    value: object,
    field: str,
    columns: list[str],
    item: Any,
    reads: Callable[[object], dict[str, Any]],
) -> None:
    item["track"][path] = value
    row = reads(item)
    assert list(row["unread"]) == [field]
    expected = {"artist_names": "[null]"} if value in (["name"], [["name"]]) else {}
    assert [row[name] for name in columns] == [expected.get(name) for name in columns]


def test_a_context_of_another_type_is_named(
    item: Any, reads: Callable[[object], dict[str, Any]]
) -> None:
    item["context"] = "spotify:album:1"
    row = reads(item)
    assert (row["context_uri"], list(row["unread"])) == (None, ["context"])


def test_an_empty_uri_is_no_track(item: Any, reasons_for: Callable[[object], list[str]]) -> None:
    assert reasons_for(changed(item, "track_uri", "")) == ["track_uri: empty"]


@pytest.mark.parametrize(
    "value", ["", "yesterday", "2026-11-20", "2026-11-20T20:00:00", "2026-02-30T20:00:00Z"]
)
def test_what_is_no_time_is_named(
    value: str, item: Any, reasons_for: Callable[[object], list[str]]
) -> None:
    assert reasons_for(changed(item, "played_at", value)) == ["played_at: not a time"]


@pytest.mark.parametrize(
    ("value", "reasons"),
    [
        ("2006-01-01T00:00:00.000Z", []),
        ("0001-01-01T00:00:00.000Z", []),
        ("2026-11-20T21:05:00.250Z", []),
        ("2026-11-20T21:05:00.251Z", ["played_at: later than Spotify's answer"]),
        ("2026-11-20T22:05:00.250+01:00", []),
        ("2026-11-20T20:05:00.251-01:00", ["played_at: later than Spotify's answer"]),
        ("9999-12-31T23:59:59.999Z", ["played_at: later than Spotify's answer"]),
    ],
)
def test_a_play_after_spotifys_answer_is_named(
    value: str, reasons: list[str], item: Any, reasons_for: Callable[[object], list[str]]
) -> None:
    # The page was answered at 21:00:00.250.
    assert reasons_for(changed(item, "played_at", value)) == reasons


@pytest.mark.parametrize("item", [None, 7, True, "text", [], [[]], {}, {"track": None}, 1.5])
def test_what_is_no_item_has_every_reason(
    item: object, reasons_for: Callable[[object], list[str]]
) -> None:
    assert reasons_for(item) == [f"{column}: missing or null" for column in sorted(REQUIRED)]


@pytest.mark.parametrize("artists", [[], [None], None, [{}], [{"name": None}]])
def test_a_track_without_a_first_artist_is_a_play(
    artists: object, item: Any, reads: Callable[[object], dict[str, Any]]
) -> None:
    item["track"]["artists"] = artists
    row = reads(item)
    assert (row["artist_name"], row["unread"]) == (None, {})


def test_fields_that_nobody_knows_are_kept_in_the_payload(item: Any, new_page: NewPage) -> None:
    item["track"]["new in 2027"] = {"deep": [None, 2**80, "\ud800"]}
    item["extra"] = []
    accepted, _ = split(flatten(new_page([item]), [item]), RecentlyPlayed)
    assert json.loads(accepted["payload"].iloc[0]) == item


@pytest.mark.parametrize("answered_at", ["9999-12-31T23:59:59.000Z", "0001-01-01T00:00:00.000Z"])
def test_no_date_of_an_answer_is_too_far(answered_at: str, items: list[Any]) -> None:
    # A landed page that cannot be flattened would stop its account for good.
    page = LandedPage("p", "mira", answered_at, answered_at, json.dumps({"items": items}))
    accepted, rejected = split(flatten(page, items), RecentlyPlayed)
    assert len(accepted) + len(rejected) == 50


def test_an_empty_page_is_an_empty_frame(new_page: NewPage) -> None:
    accepted, rejected = split(flatten(new_page([]), []), RecentlyPlayed)
    assert len(accepted) == len(rejected) == 0
