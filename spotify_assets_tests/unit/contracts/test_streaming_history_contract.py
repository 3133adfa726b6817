"""Rows of exports of every kind, all the way: a file, the import, the tables, the bytes on disk.

Whatever stands in a row, it is loaded, a duplicate, or in quarantine with a reason; what is stored
is what was received; and what is personal, or unknown, is stored nowhere.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from contextlib import closing
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from spotify_assets import times
from spotify_assets.spotify.export.fields import FIELDS, OF_ACCOUNT_DATA, OF_EXTENDED
from spotify_assets.spotify.export.names import Kind
from spotify_assets.spotify.export.rows import read_rows
from spotify_assets.warehouse.importing import to_batch
from spotify_assets.warehouse.loading import Receipt
from spotify_assets.warehouse.quarantine import retry
from spotify_assets.warehouse.tables import loads, quarantined_rows
from spotify_assets_tests.unit.spotify.export.downloads import (
    BEGIN,
    Home,
    Row,
    a_minute,
    a_row,
    pack,
    rows_of,
    ts_text,
    unpack,
)

UNREAD = select(loads.c.unread).where(loads.c.unread.is_not(None))
# Stands in every value that must not be kept.
SECRET = "keep-out-of-it"
DAY_MS = 24 * 60 * 60 * 1000
PERSONAL = ("ip_addr", "ip_addr_decrypted", "user_agent_decrypted", "username")
BOOLEANS = ("shuffle", "skipped", "offline", "incognito_mode")
INTEGERS = {"ms_played": (0, DAY_MS), "offline_timestamp": (-(2**53), 2**53)}
EXTENDED = tuple(OF_EXTENDED)
TEXTS = tuple(name for name in EXTENDED if name not in (*BOOLEANS, *INTEGERS, "ts"))
TOMORROW = ts_text(times.now() + timedelta(hours=20))
IN_TWO_DAYS = ts_text(times.now() + timedelta(days=2))

GOOD_TIMES = {
    "2024-02-29T23:59:59Z": "2024-02-29T23:59:59.000Z",
    "2006-01-01T00:00:00Z": "2006-01-01T00:00:00.000Z",
    "2016-07-01 10:00:00 UTC": "2016-07-01T10:00:00.000Z",  # as files of before 2021 have it
    "2024-05-01T10:00:00.123Z": "2024-05-01T10:00:00.123Z",
    "2024-05-01T10:00:00.999999Z": "2024-05-01T10:00:00.999Z",
    "2024-05-01T10:00:00+02:00": "2024-05-01T08:00:00.000Z",
    "2024-05-01 10:00": "2024-05-01T10:00:00.000Z",  # as the account data has it
    TOMORROW: f"{TOMORROW[:-1]}.000Z",  # a clock in another zone
}
BAD_TIMES: tuple[Any, ...] = (
    "2024-02-30T10:00:00Z",
    "2023-02-29T10:00:00Z",
    "2024-13-01T10:00:00Z",
    "2024-05-01T24:00:00Z",
    "2024-05-01T10:60:00Z",
    "2024-05-01T10:00:60Z",
    "2024-02-30 10:00",
    "2024-05-01 24:00",
    "2024-05-01T10:00:00",
    "2024-05-01",
    "1970-01-01T00:00:00Z",
    "2005-12-31T23:59:59Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "2999-01-01T00:00:00Z",
    IN_TWO_DAYS,
    "٢٠٢٤-٠٥-٠١T10:00:00Z",
    " 2024-05-01T10:00:00Z",
    "2024-05-01T10:00:00Z\n",
    "now",
    "",
    "\ud800",
    1714557600,
    1714557600000,
    True,
    None,
    [],
    {"ts": SECRET},
    [SECRET],
)
AWKWARD: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    1,
    -1,
    2**31 - 1,
    2**31,
    2**53,
    2**53 + 1,
    -(2**53) - 1,
    2**63,
    2**64,
    10**300,
    0.0,
    200000.0,
    "200000",
    "-1",
    "200000.5",
    DAY_MS,
    DAY_MS + 1,
    1.0,
    1.5,
    1e308,
    "",
    " ",
    "null",
    "0",
    "true",
    "a\0b",
    "\0",
    "\ud800",
    "tail \udfff",
    "größe 🎧 美",
    "'; drop table loads; --",
    "x" * 3000,
    [],
    {},
    ["a list"],
    {"an": "object"},
    {"ip_addr": SECRET, "deeper": [{"still": ["kept", {"Username": [SECRET]}]}]},
    [[[[[[[SECRET]]]]]]],
    {"much": ["x" * 100] * 10, "of it": SECRET},
)
awkward = st.sampled_from(AWKWARD)
changes = st.lists(
    st.tuples(
        st.sampled_from(["replace", "delete", "time", "unknown", "personal"]),
        st.sampled_from(EXTENDED),
        awkward,
        st.sampled_from([*GOOD_TIMES, *BAD_TIMES]),
    ),
    max_size=3,
)
no_rows = st.sampled_from(
    [None, 7, SECRET, True, [SECRET], [], {}, {"strange": SECRET, "a": None}, 1.5]
)
recipes = st.one_of(st.tuples(st.integers(0, 400), changes), no_rows)
SURROUNDINGS = (
    "city",
    "latitude",
    "longitude",
    "device_id",
    "user agent",
    "ip_addr_2",
    "größe",
    "",
)


def cooked(recipe: Any) -> Any:
    """A row: a good one with changes, or something that is none."""
    if not isinstance(recipe, tuple):
        return recipe
    number, todo = recipe
    row = a_row(number, ip_addr=f"{SECRET} 198.51.100.7")
    for place, (what, name, value, ts) in enumerate(todo):
        if what == "replace":
            row[name] = value
        elif what == "delete":
            row.pop(name, None)
        elif what == "time":
            row["ts"] = ts
        elif what == "personal":
            row[PERSONAL[(number + place) % 4]] = [f"{SECRET} Mozilla/5.0", [SECRET], None][
                number % 3
            ]
        else:
            row[SURROUNDINGS[(number + place) % 8]] = [SECRET, {"a": SECRET}, None][number % 3]
    return row


def is_text(value: Any) -> bool:
    return isinstance(value, str) and "\0" not in value and not any(map(is_half, value))


def is_half(character: str) -> bool:
    return "\ud800" <= character <= "\udfff"


def is_good(row: Any) -> bool:
    """What the contract promises, in other words than its own."""
    if not isinstance(row, dict) or row.get("ts") not in tuple(GOOD_TIMES) + tuple(
        a_row(number)["ts"] for number in range(401)
    ):
        return False
    return as_read("ms_played", row.get("ms_played")) is not None


def as_read(name: str, value: Any) -> Any:
    """The value that a column has for what a row has; None where it has none that can be read."""
    if name in TEXTS:
        return value if is_text(value) else None
    if isinstance(value, float) and value == int(value):
        value = int(value)
    if name in BOOLEANS:
        return int(value) if value in (0, 1) else None
    if isinstance(value, str) and value.lstrip("-").isdigit() and value.isascii():
        value = int(value)
    least, most = INTEGERS[name]
    return value if type(value) is int and least <= value <= most else None


def as_stored(row: Row) -> tuple[Any, ...]:
    """The columns of a good row, and whether it has values that cannot be read, by their fields."""
    columns: Row = dict.fromkeys(FIELDS)
    columns |= {name: as_read(name, row.get(name)) for name in EXTENDED if name != "ts"}
    columns["ts"] = GOOD_TIMES.get(row["ts"]) or f"{row['ts'][:-1]}.000Z"
    return (*columns.values(), json.dumps(unread_of(row), sort_keys=True))


def unread_of(row: Row) -> Row:
    """What is kept of the values of a row that cannot be read."""
    return {
        name: kept(row[name])
        for name in EXTENDED
        if name != "ts" and row.get(name) is not None and as_read(name, row[name]) is None
    }


def kept(value: Any) -> Any:
    """What is kept of a value; those that are shortened are few."""
    if value == [[[[[[[SECRET]]]]]]]:
        return [[[[[[]]]]]]
    if isinstance(value, dict) and "ip_addr" in value:
        return {"deeper": [{"still": ["kept", {}]}]}
    if isinstance(value, dict) and "much" in value:
        return {}
    if isinstance(value, str) and len(value) > 1_000:
        return ""
    return number_kept(value)


def number_kept(value: Any) -> Any:
    """A whole number as `stored_of` reads it: a fraction, or its digits where it is too large."""
    if type(value) is int and not -(2**63) <= value < 2**64:
        return str(value)
    return float(value) if type(value) is int else value


class Pipeline:
    """File after file, into one home."""

    def __init__(self, folder: Path) -> None:
        self.home = Home(folder / "data")
        self.path = folder / "endsong_0.json"
        self.fates = Receipt()
        self.bad: set[str] = set()
        self.good: set[tuple[Any, ...]] = set()

    def push(self, rows: list[Any]) -> None:
        self.path.write_bytes(json.dumps(rows).encode())
        (done,) = self.home.bring(self.path)
        assert done.error is None
        good = [row for row in rows if is_good(row)]
        receipt = done.receipt
        assert receipt == self.home.receipts()[-1]
        assert receipt.rows_read == len(rows) == len(json.loads(self.path.read_bytes()))
        assert receipt.rows_quarantined == len(rows) - len(good)
        assert receipt.rows_loaded + receipt.rows_duplicate == len(good)
        assert receipt.rows_ignored == 0
        # A variant is told from another by its stored fields.
        assert receipt.rows_loaded == len({as_stored(row) for row in good} - self.good)
        unknown = {
            name
            for row in rows
            if isinstance(row, dict)
            for name in row.keys() - set(EXTENDED) - set(PERSONAL)
        }
        assert done.unknown_fields == tuple(sorted(unknown))
        self.good |= {as_stored(row) for row in good}
        self.bad |= {shown(row) for row in rows if not is_good(row)}
        self.fates += receipt

    def check(self) -> None:
        stored = [stored_of(row) for row in self.home.rows()]
        assert len(stored) == len(set(stored)) == self.fates.rows_loaded
        unread = Counter(name for *_, text in stored for name in json.loads(text))
        counted = [json.loads(load) for (load,) in self.home.warehouse.read(UNREAD)]
        assert sum(map(Counter, counted), Counter()) == unread
        assert set(map(repr, stored)) == set(map(repr, self.good))
        quarantined = self.home.quarantined()
        assert {shown(payload) for _, payload, _ in quarantined} == self.bad
        for _, _, reasons in quarantined:
            assert reasons
            assert all(isinstance(reason, str) and reason for reason in reasons)


def stored_of(row: Row | pd.Series[Any]) -> tuple[Any, ...]:
    """A row of the table, in the form of `as_stored`."""
    unread = json.dumps(json.loads(row["unread"] or "{}", parse_int=float), sort_keys=True)
    return (*(row[name] for name in FIELDS), unread)


def shown(row: Any) -> str:
    """What may be kept of a rejected row, as a text to compare by: of its values, scalars alone."""
    if not isinstance(row, dict):
        return f"a {type(row).__name__}"
    if "not_an_object" in row:
        return f"a {row['not_an_object']}"
    strange = row.keys() - set(EXTENDED) - set(PERSONAL) - {"unknown_fields"}
    kept = {
        name: number_kept(value)
        for name in EXTENDED
        if (value := row.get(name)) is not None and not isinstance(value, list | dict)
    }
    nested = sorted(name for name in EXTENDED if isinstance(row.get(name), list | dict))
    return json.dumps([kept, nested, sorted(row.get("unknown_fields", strange))], sort_keys=True)


def test_a_thousand_rows_of_every_kind_are_each_accounted_for_and_nothing_personal_is_kept(
    tmp_path: Path,
) -> None:
    pipeline = Pipeline(tmp_path)
    pipeline.push(rows_of(1))
    with closing(sqlite3.connect(pipeline.home.settings.warehouse_path)) as reader:
        # With a reader about, what was written stays in the write-ahead log, too.
        reader.execute("begin")
        reader.execute("select * from loads").fetchall()

        @settings(
            max_examples=22,
            deadline=None,
            database=None,
            phases=[Phase.generate],  # files share one warehouse, so a smaller one is another case
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        )
        @given(st.lists(recipes, min_size=50, max_size=60))
        def push(recipes: list[Any]) -> None:
            pipeline.push([a_row(0), *map(cooked, recipes)])

        push()
        assert pipeline.home.settings.warehouse_path.with_suffix(".db-wal").stat().st_size > 100_000
        pipeline.path.unlink()
        for needle in (SECRET, "198.51.100", "Mozilla"):
            assert pipeline.home.has_bytes(needle.encode()) == []
    pipeline.check()
    fates = pipeline.fates
    assert fates.rows_read >= 1000
    assert min(fates.rows_loaded, fates.rows_duplicate, fates.rows_quarantined) >= 100
    for needle in (SECRET, "198.51.100", "Mozilla"):
        assert pipeline.home.has_bytes(needle.encode()) == []


@pytest.mark.parametrize("value", AWKWARD, ids=ascii)
def test_a_value_of_another_type_is_null_and_kept_beside_its_column(value: Any) -> None:
    rows = [a_row(number, **{name: value}) for number, name in enumerate(EXTENDED)]
    read = [row for some in read_rows(BytesIO(json.dumps(rows).encode())) for row in some]
    batch = to_batch("mira", read, Counter())
    assert [row for row in rows if is_good(row)] == [
        rows[place] for place in batch.accepted["payload"]
    ]
    for _, row in batch.accepted.iterrows():
        received = rows[row["payload"]]
        assert stored_of(row) == as_stored(received)
        assert (row["unread"] is None) == (unread_of(received) == {})
    for reasons in batch.rejected["reasons"]:
        (reason,) = json.loads(reasons)
        assert reason.startswith(("ts: ", "ms_played: "))


@pytest.mark.parametrize("beside", ["a", "\ud800"])
@pytest.mark.parametrize("number", ["1e400", "-1e400", "9" * 400])
def test_a_number_that_is_too_large_to_be_one_is_kept_as_it_came_in_valid_json(
    number: str, beside: str, tmp_path: Path
) -> None:
    """Also beside half a character, which the quicker writer of JSON does not take."""
    row = {"shuffle": [{"deep": "number"}], "offline_timestamp": "number", "platform": [beside]}
    rows = [a_row(1, **row), a_row(2, platform=beside, ms_played="number")]
    text = json.dumps(rows).replace('"number"', number)
    (tmp_path / "endsong_0.json").write_text(text, "utf-8")
    home = Home(tmp_path / "data")
    assert home.total(tmp_path / "endsong_0.json") == Receipt(2, 1, 0, 1)

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    texts = [home.rows()[0]["unread"]]
    texts += [text for (text,) in home.warehouse.read(select(quarantined_rows.c.payload))]
    unread, rejected = (json.loads(text, parse_constant=refuse) for text in texts)
    assert unread == {
        "shuffle": [{"deep": number}],
        "offline_timestamp": number,
        "platform": [beside],
    }
    assert rejected["ms_played"] == number


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("ms_played", 200000.0, 200_000),
        ("ms_played", "200000", 200_000),
        ("ms_played", DAY_MS, DAY_MS),
        ("offline_timestamp", "1709280000", 1_709_280_000),
        ("offline_timestamp", 1709280000.0, 1_709_280_000),
        ("skipped", 0, False),
        ("skipped", 1, True),
        ("shuffle", 1.0, True),
    ],
)
def test_a_number_or_flag_in_another_form_makes_the_same_row(
    name: str, value: Any, read: Any
) -> None:
    """Also by its key and variant, so that the next download finds it."""
    one, other = (
        to_batch("mira", [a_row(1, **{name: each})], Counter()).accepted.to_dict("records")
        for each in (value, read)
    )
    assert one == other
    assert (one[0][name], type(one[0][name])) == (read, type(read))


@pytest.mark.parametrize("value", [DAY_MS + 1, -1, 0.5, "0.5", "a", "1e3", True, [], {}, 10**300])
def test_a_length_that_cannot_be_read_is_a_reason(value: Any) -> None:
    batch = to_batch("mira", [a_row(ms_played=value)], Counter())
    assert batch.rejected["reasons"].tolist() == [
        '["ms_played: not an integer from 0 to 24 hours"]'
    ]


def name_of(ts: Any) -> str:
    """The same in every process."""
    return ascii({TOMORROW: "tomorrow", IN_TWO_DAYS: "in two days"}.get(str(ts), ts))


@pytest.mark.parametrize("ts", [*GOOD_TIMES, *BAD_TIMES], ids=name_of)
def test_a_time_that_is_none_or_cannot_be_true_is_a_reason(ts: Any) -> None:
    batch = to_batch("mira", [a_row(ts=ts)], Counter())
    if ts in tuple(GOOD_TIMES):
        assert batch.accepted["ts"].tolist() == [GOOD_TIMES[ts]]
    else:
        (reasons,) = map(json.loads, batch.rejected["reasons"])
        words = ("missing or null", "not a time since 2006", "in the future")
        assert [any(word in reason for word in words) for reason in reasons] == [True]


def test_a_row_that_breaks_several_checks_has_all_reasons() -> None:
    row = a_row(ts="2024-02-30T00:00:00Z", ms_played=-1, platform=7)
    (reasons,) = to_batch("mira", [row], Counter()).rejected["reasons"]
    assert json.loads(reasons) == [
        "ms_played: not an integer from 0 to 24 hours",
        "ts: not a time since 2006",
    ]


def test_what_is_in_quarantine_stays_there_while_the_contract_is_the_same(tmp_path: Path) -> None:
    """A nested value is not kept, and what stands for it must not become a value."""
    rows: list[Any] = [
        a_row(number, ms_played=-1, **{name: value})
        for number, (name, value) in enumerate(
            (name, value)
            for name in EXTENDED
            for value in ([SECRET], {"a": SECRET}, [], {})
            if name != "ms_played"
        )
    ]
    rows += [a_row(ms_played=value) for value in ([SECRET], {"a": SECRET}, [], {})]
    rows += [{**a_row(), "ts": None}, None, [], a_row(ms_played=1.5), a_row(ms_played=2**64)]
    home = Home(tmp_path / "data")
    home.bring(pack(tmp_path / "my.zip", {"endsong_0.json": rows}))
    before = home.tables()
    assert retry(home.settings) == {
        "mira": Receipt(
            rows_read=len(before["quarantined_rows"]),
            rows_quarantined=len(before["quarantined_rows"]),
        )
    }
    assert home.tables() == before
    assert home.rows() == []


@pytest.mark.parametrize("kind", [Kind.MUSIC, Kind.PODCAST, Kind.AUDIOBOOK])
def test_of_which_kind_a_row_in_quarantine_is_its_fields_tell(kind: Kind, tmp_path: Path) -> None:
    """A row of a kind is rejected for the same reasons when it is put through again."""
    rows = [a_minute(number, kind) for number in range(5)]
    del rows[0]["endTime"], rows[1]["msPlayed"], rows[2]["endTime"]
    rows[2]["msPlayed"] = -1
    rows[3]["endTime"] = "2024-02-30 10:00"
    rows[4]["msPlayed"] = [SECRET]
    home = Home(tmp_path / "data")
    home.bring(pack(tmp_path / "my.zip", {AGAIN[kind].format(0): [a_minute(9, kind), *rows]}))
    before = home.tables()
    assert retry(home.settings) == {"mira": Receipt(rows_read=5, rows_quarantined=5)}
    assert home.tables() == before


SPECIAL: dict[str, Row] = {
    "0 ms": a_row(1, ms_played=0),
    "a private session": a_row(2, incognito_mode=True),
    "a podcast": a_row(
        3,
        master_metadata_track_name=None,
        master_metadata_album_artist_name=None,
        master_metadata_album_album_name=None,
        spotify_track_uri=None,
        episode_name="an episode",
        episode_show_name="a show",
        spotify_episode_uri="spotify:episode:1",
    ),
    "an audiobook": a_row(
        4,
        master_metadata_track_name=None,
        master_metadata_album_artist_name=None,
        master_metadata_album_album_name=None,
        spotify_track_uri=None,
        audiobook_title="a book",
        audiobook_uri="spotify:show:1",
        audiobook_chapter_uri="spotify:episode:2",
        audiobook_chapter_title="a chapter",
    ),
    "a file of one's own": a_row(5, spotify_track_uri=None),
    "nothing but its end": {"ts": a_row(6)["ts"], "ms_played": 5},
    "empty texts": a_row(7, platform="", conn_country="", reason_start="", reason_end=""),
    "skipped unknown": a_row(8, skipped=None, shuffle=None, offline=None, incognito_mode=None),
    "ms since 1970": a_row(9, offline=True, offline_timestamp=1_709_280_000_123),
    "a clock at 0": a_row(10, offline_timestamp=0),
    "before audiobooks": {k: v for k, v in a_row(11).items() if "audiobook" not in k},
    "as before 2023": {
        **{k: v for k, v in a_row(12).items() if k != "ip_addr" and "audiobook" not in k},
        "username": SECRET,
        "ip_addr_decrypted": SECRET,
        "user_agent_decrypted": SECRET,
    },
    "nothing but what identifies it": {**a_row(13), "ip_addr": None},
}


def test_rows_that_are_no_usual_plays_are_kept_with_their_flags(tmp_path: Path) -> None:
    home = Home(tmp_path / "data")
    (done,) = home.bring(pack(tmp_path / "my.zip", {"endsong_0.json": list(SPECIAL.values())}))
    assert done.receipt == Receipt(rows_read=len(SPECIAL), rows_loaded=len(SPECIAL))
    assert done.unknown_fields == ()
    stored = sorted(map(stored_of, home.rows()), key=repr)
    assert stored == sorted(map(as_stored, SPECIAL.values()), key=repr)
    assert home.has_bytes(SECRET.encode()) == []
    assert {(row["account_id"], row["kind"]) for row in home.rows()} == {("mira", "extended")}


def test_of_unknown_fields_the_names_are_told_and_nothing_is_kept(tmp_path: Path) -> None:
    rows = [
        a_row(1, city=SECRET, position={"latitude": SECRET}),
        a_row(2, device_ids=[SECRET], ms_played=-1),
        a_row(3, user_agent=SECRET, ms_played={"of": SECRET}),
    ]
    home = Home(tmp_path / "data")
    (done,) = home.bring(pack(tmp_path / "my.zip", {"endsong_0.json": rows}))
    assert done.unknown_fields == ("city", "device_ids", "position", "user_agent")
    assert done.receipt == Receipt(rows_read=3, rows_loaded=1, rows_quarantined=2)
    names = {tuple(payload["unknown_fields"]) for _, payload, _ in home.quarantined()}
    assert names == {("device_ids",), ("user_agent",)}
    assert home.has_bytes(SECRET.encode()) == []


IDENTITY = ("ts", "ms_played", "spotify_track_uri", "spotify_episode_uri", "audiobook_chapter_uri")
BOOK = ("audiobook_uri", "audiobook_title", "audiobook_chapter_title")
NAMING = (
    "master_metadata_track_name",
    "master_metadata_album_artist_name",
    "master_metadata_album_album_name",
    "episode_name",
    "episode_show_name",
)
few_texts = st.sampled_from(["a", "b", None])
few_names = st.sampled_from(["a", None, None, None])
others = st.fixed_dictionaries(
    {},
    optional={
        **{name: few_texts for name in TEXTS if name not in (*IDENTITY, *NAMING, *BOOK)},
        **{name: st.sampled_from([True, False, None]) for name in BOOLEANS},
        "offline_timestamp": st.sampled_from([0, 1_700_000_000, 1_700_000_000_000, None]),
    },
)
namings = st.fixed_dictionaries(dict.fromkeys((*NAMING, *BOOK), few_names))
ms = st.sampled_from([0, 1, DAY_MS])
moments = st.sampled_from(
    ["2024-05-01T10:00:00Z", "2024-05-01T10:00:01Z", "2024-05-01T10:00:00.7Z"]
)
uris = st.sampled_from([None, None, "spotify:track:1", "spotify:track:2"])
episodes = st.sampled_from([None, "spotify:episode:1", ""])
chapters = st.sampled_from([None, "spotify:episode:2", "spotify:episode:3", ""])
keyed_rows = st.builds(
    lambda ts, ms, uri, episode, chapter, names, rest: {
        "ts": ts,
        "ms_played": ms,
        "spotify_track_uri": uri,
        "spotify_episode_uri": episode,
        "audiobook_chapter_uri": chapter,
        **names,
        **rest,
    },
    *(moments, ms, uris, episodes, chapters, namings, others),
)


def identity(row: Row) -> tuple[Any, ...]:
    """What a row is known by, as the rules of the data say."""
    uris = (row[name] for name in IDENTITY[2:])
    names = tuple(row[name] for name in (*NAMING, *BOOK))
    return (row["ts"][:19], row["ms_played"], next(filter(None, uris), None) or names)


@settings(max_examples=60, deadline=None, database=None)
@given(st.lists(keyed_rows, min_size=2, max_size=25))
def test_a_row_has_the_same_key_as_another_exactly_if_both_are_the_same_play_to_the_second(
    rows: list[Row],
) -> None:
    keyed = to_batch("mira", rows, Counter()).accepted
    assert len(keyed) == len(rows)
    identities = [identity(row) for row in rows]
    for name, expected in (
        ("row_key", identities),
        ("variant", [tuple(as_received(row).values()) for row in rows]),
    ):
        found: dict[str, set[Any]] = {}
        for key, what in zip(keyed[name], expected, strict=True):
            found.setdefault(key, set()).add(what)
        assert all(len(same) == 1 for same in found.values())
        assert len(found) == len(set(expected))


def as_received(row: Row) -> Row:
    moment = datetime.fromisoformat(row["ts"])
    return {**{name: row.get(name) for name in EXTENDED}, "ts": moment}


def test_keys_are_of_one_account_and_one_kind_of_history() -> None:
    keys = {
        to_batch(account, [row], Counter()).accepted["row_key"].item()
        for account in ("mira", "jonas")
        for kind, row in (
            (Kind.EXTENDED, a_row()),
            (Kind.MUSIC, a_minute()),
            (Kind.PODCAST, a_minute(0, Kind.PODCAST)),
            (Kind.AUDIOBOOK, a_minute(0, Kind.AUDIOBOOK)),
        )
    }
    assert len(keys) == 8


def test_another_download_adds_variants_of_rows_whose_other_fields_changed(tmp_path: Path) -> None:
    before = rows_of(*range(5), skipped=None, platform="Windows 10 (10.0.19045; x64; AppX)")
    after = rows_of(*range(5), skipped=False, platform="windows", audiobook_title=None)
    home = Home(tmp_path / "data")
    paths = [
        pack(tmp_path / "before.zip", {"endsong_0.json": before}),
        pack(tmp_path / "after.zip", {"Streaming_History_Audio_2024.json": after}),
    ]
    assert [home.total(path) for path in paths * 2] == [
        Receipt(rows_read=5, rows_loaded=5),
        Receipt(rows_read=5, rows_loaded=5),
        Receipt(rows_read=5, rows_duplicate=5),
        Receipt(rows_read=5, rows_duplicate=5),
    ]
    keys = Counter(row["row_key"] for row in home.rows())
    assert set(keys.values()) == {2}
    other = Home(tmp_path / "other")
    for path in reversed(paths):
        other.total(path)
    assert other.rows() == home.rows()


def test_a_row_in_files_of_two_kinds_and_twice_in_one_is_counted_once(tmp_path: Path) -> None:
    members = {
        "Streaming_History_Audio_2024.json": [*rows_of(1, 2), *rows_of(1, ip_addr="elsewhere")],
        "Streaming_History_Video_2024.json": rows_of(2, 3),
        "endsong_0.json": rows_of(3, 4, username=SECRET),
    }
    home = Home(tmp_path / "data")
    assert home.total(pack(tmp_path / "my.zip", members)) == Receipt(
        rows_read=7, rows_loaded=4, rows_duplicate=3
    )


AGAIN = {
    Kind.MUSIC: "StreamingHistory_music_{}.json",
    Kind.PODCAST: "StreamingHistory_podcast_{}.json",
    Kind.AUDIOBOOK: "StreamingHistory_audiobook_{}.json",
}


@pytest.mark.parametrize("kind", AGAIN)
def test_what_is_stored_of_the_account_data_is_what_was_there(kind: Kind, tmp_path: Path) -> None:
    rows = [a_minute(number, kind, city=SECRET) for number in range(3)]
    home = Home(tmp_path / "data")
    (done,) = home.bring(pack(tmp_path / "my.zip", {AGAIN[kind].format(0): rows}))
    assert (done.receipt, done.unknown_fields) == (Receipt(3, 3), ("city",))
    for row in home.rows():
        stored = {
            theirs: row[ours] for theirs, ours in OF_ACCOUNT_DATA.items() if row[ours] is not None
        }
        moment = row["ts"][:16].replace("T", " ")
        assert {**stored, "endTime": moment, "city": SECRET} in rows
        assert (row["kind"], row["ts"][16:]) == (str(kind), ":00.000Z")
    assert home.has_bytes(SECRET.encode()) == []


@settings(max_examples=6, deadline=None, database=None)
@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), max_size=4),
        min_size=2,
        max_size=3,
    ),
    st.permutations(range(3)),
    st.sampled_from(list(AGAIN)),
)
def test_of_rows_that_look_alike_there_are_as_many_as_one_download_showed_in_any_order(
    tmp_path_factory: pytest.TempPathFactory,
    downloads: list[list[tuple[int, int]]],
    order: list[int],
    kind: Kind,
) -> None:
    """A minute's true repeats look alike. Each file is (which row, how often) a few times."""
    folder = tmp_path_factory.mktemp("repeats")
    home = Home(folder / "data")
    paths = [
        pack(
            folder / f"{name}.zip",
            {
                AGAIN[kind].format(number): [a_minute(which, kind)] * often
                for number, (which, often) in enumerate(files)
            },
        )
        for name, files in enumerate(downloads)
    ]
    shown = [Counter(which for which, often in files for _ in range(often)) for files in downloads]
    for place in [*order, order[0]]:
        if place < len(paths):
            home.bring(paths[place])
    ends = Counter(row["ts"] for row in home.rows())
    most = {which: max(counts[which] for counts in shown) for which in range(3)}
    moments = {which: times.to_text(BEGIN + which * timedelta(minutes=4)) for which in range(3)}
    assert ends == Counter({moments[which]: often for which, often in most.items() if often})


def test_the_account_data_and_the_extended_history_are_no_duplicates_of_each_other(
    tmp_path: Path,
) -> None:
    home = Home(tmp_path / "data")
    unpack(
        tmp_path / "MyData", {"StreamingHistory0.json": [a_minute(1)], "endsong_0.json": rows_of(1)}
    )
    assert home.total(tmp_path / "MyData") == Receipt(2, 2)
    assert {row["kind"] for row in home.rows()} == {"music", "extended"}


def test_every_row_in_quarantine_is_one_however_often_it_came(tmp_path: Path) -> None:
    bad = [a_row(1, ms_played=-1, ip_addr=f"203.0.113.{number}") for number in range(5)]
    home = Home(tmp_path / "data")
    path = pack(tmp_path / "my.zip", {"endsong_0.json": bad, "endsong_1.json": bad[:2]})
    assert home.total(path) == Receipt(rows_read=7, rows_quarantined=7)
    (row,) = home.warehouse.read(select(quarantined_rows))
    assert (row.times_seen, row.first_load_id, row.last_load_id) == (7, 1, 2)
    assert home.has_bytes(b"203.0.113") == []
