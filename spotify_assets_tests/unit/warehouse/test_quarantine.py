"""What waits in quarantine: listed, and put through a contract that accepts more."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from copy import deepcopy
from datetime import timedelta
from typing import Any

import pandas as pd
import pandera.pandas as pa
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from spotify_assets import times
from spotify_assets.cli import main
from spotify_assets.cli.quarantine import show_quarantine
from spotify_assets.contracts.recently_played import RecentlyPlayed, flatten
from spotify_assets.contracts.split import split
from spotify_assets.settings import Settings
from spotify_assets.spotify import recently_played
from spotify_assets.spotify.export import fields
from spotify_assets.spotify.state import Identity, State
from spotify_assets.warehouse.health import health
from spotify_assets.warehouse.loading import Batch, Load, Receipt, write_load
from spotify_assets.warehouse.pending import has_news, undrained_pages
from spotify_assets.warehouse.quarantine import QuarantinedRow, dismiss, retry, waiting_rows
from spotify_assets.warehouse.tables import (
    loads,
    quarantined_rows,
    raw_recently_played,
    raw_streaming_history,
)
from spotify_assets.warehouse.warehouse import Warehouse
from spotify_assets_tests.fixtures.old_warehouses import put_old_warehouse

ANSWERED = times.from_text("2026-11-20T21:00:00.000Z")
# Six minutes after the answer that lists it, where five are believed.
TOO_LATE = "2026-11-20T21:06:00.000Z"
EMPTY = "track_uri: empty"
LOOKS_A_DAY = 96
TABLES = ("loads", "quarantined_rows", "raw_recently_played")


class AnyTexts(RecentlyPlayed):
    """A contract that also accepts texts that not every database can store."""

    @pa.check("track_name", element_wise=True, error="no text")
    def is_text(cls, value: Any) -> bool:
        return isinstance(value, str) and "\ud800" not in value


class EmptyAddresses(RecentlyPlayed):
    """A contract that also accepts an empty address of a track."""

    @pa.check("track_uri", element_wise=True, error="empty")
    def is_not_empty(cls, _value: Any) -> bool:
        return True


def item(number: int = 1, **changes: Any) -> dict[str, Any]:
    track = {
        "uri": f"spotify:track:{number}",
        "name": f"song {number}",
        "artists": [{"name": "somebody"}],
        "duration_ms": 200_000,
    }
    ended = times.to_text(ANSWERED - timedelta(minutes=4 * number))
    return {"played_at": ended, "track": track | changes}


def listen(state: State, account_id: str = "mira") -> None:
    state.attach(Identity(account_id, None, None), None, times.to_text(ANSWERED))


def land(state: State, items: list[Any], minutes: int = 0, account_id: str = "mira") -> None:
    answered = ANSWERED + timedelta(minutes=minutes)
    assert state.land(account_id, json.dumps({"items": items, "look": minutes}), answered)


def drain(state: State, warehouse: Warehouse) -> list[Receipt]:
    receipts = []
    for page in list(undrained_pages(state, warehouse)):
        listed = recently_played.items(json.loads(page.body))
        accepted, rejected = split(flatten(page, listed), RecentlyPlayed)
        load = Load(
            source="recently_played",
            account_id=page.account_id,
            page_id=page.page_id,
            batches=[Batch(len(listed), accepted, rejected)],
        )
        receipts.append(write_load(warehouse.writer(), raw_recently_played, load))
    return receipts


def everything(warehouse: Warehouse) -> dict[str, Any]:
    return {name: list(warehouse.read(text(f"select * from {name}"))) for name in TABLES}


def in_raw(warehouse: Warehouse) -> int:
    return len(warehouse.read(select(raw_recently_played.c.row_key)))


def loaded(warehouse: Warehouse) -> int:
    return sum(load.rows_loaded for load in warehouse.read(select(loads)))


@pytest.fixture
def state(settings: Settings) -> State:
    state = State(settings.state_path)
    listen(state)
    return state


def test_a_bad_item_on_every_look_of_a_day_is_one_row_that_each_load_accounts_for(
    state: State, warehouse: Warehouse
) -> None:
    bad = item(500, name=7)
    for look in range(LOOKS_A_DAY):
        land(state, [item(look), bad], 15 * look)
    receipts = drain(state, warehouse)
    assert receipts == [Receipt(rows_read=2, rows_loaded=1, rows_quarantined=1)] * LOOKS_A_DAY
    (row,) = waiting_rows(warehouse)
    assert (row.times_seen, row.first_load_id, row.last_load_id) == (96, 1, 96)
    assert row.item == bad
    assert in_raw(warehouse) == loaded(warehouse) == LOOKS_A_DAY
    assert sum(load.rows_read for load in warehouse.read(select(loads))) == 2 * LOOKS_A_DAY


def test_rows_that_wait_are_listed_with_what_the_payload_tells(
    state: State, warehouse: Warehouse
) -> None:
    land(state, [item(1, uri="")])
    land(state, [None], 1)
    drain(state, warehouse)
    nothing, track = waiting_rows(warehouse)  # the newest comes first
    assert (nothing.item, nothing.played_at, nothing.track_name) == (None, None, None)
    assert len(nothing.reasons) == 3
    assert (track.account_id, track.source, track.reasons) == ("mira", "recently_played", (EMPTY,))
    assert (track.played_at, track.track_name) == ("2026-11-20T20:56:00.000Z", "song 1")
    written = {load.load_id: load.loaded_at for load in warehouse.read(select(loads))}
    assert track.first_seen_at == track.last_seen_at == written[track.first_load_id]


def test_what_the_contract_accepts_by_now_is_loaded_and_released(
    settings: Settings, state: State, warehouse: Warehouse
) -> None:
    good, long, bad = item(1), item(2, name="a\0b"), item(3, name=7)
    land(state, [good, long, bad])
    land(state, [long, bad], 15)
    drain(state, warehouse)
    assert retry(settings, AnyTexts) == {"mira": Receipt(2, 1, 0, 1, 0)}
    (row,) = waiting_rows(warehouse)
    assert (row.item, row.reasons) == (bad, ("track_name: no text",))
    assert (row.times_seen, row.last_load_id) == (2, 2)  # a retry is no look
    kept = warehouse.read(select(raw_recently_played).where(raw_recently_played.c.load_id == 3))
    assert [json.loads(raw.payload) for raw in kept] == [long]
    released = select(quarantined_rows.c.released_by, quarantined_rows.c.times_seen)
    assert set(warehouse.read(released)) == {(3, 2), (None, 2)}
    load = warehouse.read(select(loads))[-1]
    assert (load.page_id, load.window_from, load.window_to) == (
        None,
        long["played_at"],
        long["played_at"],
    )
    assert not has_news(state, warehouse)


def test_what_an_earlier_contract_rejected_for_an_optional_field_is_loaded_and_released(
    settings: Settings, state: State, warehouse: Warehouse
) -> None:
    """Once, a value of another type kept a whole play out of the models."""
    odd = [
        item(1, duration_ms={"totalMilliseconds": 187_000}),
        item(2, duration_ms=200000.0, explicit=1),
        item(3, artists=[]),
        item(4, duration_ms=None),
    ]
    row = {"ts": "2026-11-20T20:00:00Z", "ms_played": 200000.0, "skipped": "no", "platform": {}}
    for source, table, payloads in (
        ("recently_played", raw_recently_played, map(recently_played.payload, odd)),
        ("streaming_history", raw_streaming_history, [fields.payload(row)]),
    ):
        texts = list(payloads)
        rejected = pd.DataFrame({"payload": texts, "reasons": '["a field: odd"]'}, dtype=object)
        batch = Batch(len(texts), pd.DataFrame({"payload": []}), rejected)
        write_load(warehouse.writer(), table, Load(source, "mira", batches=[batch]))
    assert retry(settings) == {"mira": Receipt(5, 5, 0, 0, 0)}
    assert waiting_rows(warehouse) == []
    columns = raw_recently_played.c
    kept = warehouse.read(select(columns.duration_ms, columns.artist_name, columns.explicit))
    assert sorted(map(tuple, kept), key=repr) == [
        (200_000, "somebody", 1),
        (200_000, None, None),
        (None, "somebody", None),
        (None, "somebody", None),
    ]
    (exported,) = warehouse.read(select(raw_streaming_history))
    assert (exported.ms_played, exported.skipped, exported.platform) == (200_000, None, None)
    assert json.loads(exported.unread) == {"skipped": "no", "platform": {}}
    counted = [load.unread for load in warehouse.read(select(loads)) if load.rows_loaded]
    assert list(map(json.loads, counted)) == [{"duration_ms": 1}, {"platform": 1, "skipped": 1}]


def test_a_second_retry_changes_nothing(
    settings: Settings, state: State, warehouse: Warehouse
) -> None:
    land(state, [item(2, name="a\0b"), item(3, name=7), None])
    drain(state, warehouse)
    retry(settings, AnyTexts)
    before = everything(warehouse)
    assert retry(settings, AnyTexts) == {"mira": Receipt(2, 0, 0, 2, 0)}
    assert everything(warehouse) == before


def test_a_retry_by_the_same_contract_writes_no_load(
    settings: Settings, state: State, warehouse: Warehouse
) -> None:
    land(state, [item(1, name=7), None])
    drain(state, warehouse)
    before = everything(warehouse)
    assert retry(settings) == {"mira": Receipt(2, 0, 0, 2, 0)}
    assert everything(warehouse) == before


def test_a_retry_of_nothing_creates_no_warehouse(settings: Settings) -> None:
    assert retry(settings) == {}
    assert not settings.warehouse_path.exists()


def test_each_account_has_a_load_of_its_own(
    settings: Settings, state: State, warehouse: Warehouse
) -> None:
    listen(state, "jonas")
    land(state, [item(1, name="a\0b")])
    land(state, [item(1, name="a\0b"), None], account_id="jonas")
    drain(state, warehouse)
    receipts = retry(settings, AnyTexts)
    assert receipts == {"mira": Receipt(1, 1, 0, 0, 0), "jonas": Receipt(2, 1, 0, 1, 0)}
    written = warehouse.read(select(loads.c.account_id).where(loads.c.page_id.is_(None)))
    assert sorted(name for (name,) in written) == ["jonas", "mira"]


def test_a_play_that_came_in_good_shape_meanwhile_is_a_duplicate(
    settings: Settings, state: State, warehouse: Warehouse
) -> None:
    land(state, [item(1, name="a\0b")])
    land(state, [item(1)], 15)
    drain(state, warehouse)
    assert retry(settings, AnyTexts) == {"mira": Receipt(1, 0, 1, 0, 0)}
    assert waiting_rows(warehouse) == []
    assert in_raw(warehouse) == 1


@pytest.mark.parametrize("page_is_kept", [True, False])
def test_a_play_later_than_its_answer_is_judged_by_that_answer_while_it_is_kept(
    page_is_kept: bool, settings: Settings, state: State, warehouse: Warehouse
) -> None:
    # The load was written when the play had long ended, so its time accepts it.
    late = item(1) | {"played_at": TOO_LATE}
    assert times.now_text() > TOO_LATE
    land(state, [late])
    drain(state, warehouse)
    assert waiting_rows(warehouse)[0].reasons == (recently_played.LATER_THAN_ANSWER,)
    if not page_is_kept:
        settings.state_path.unlink()
    receipt = retry(settings)["mira"]
    assert (receipt.rows_loaded, receipt.rows_quarantined) == ((0, 1) if page_is_kept else (1, 0))


def test_a_retry_that_fails_half_way_leaves_everything_as_it_was(
    settings: Settings, state: State, warehouse: Warehouse
) -> None:
    land(state, [item(1, name="a\0b"), item(2, name=7)])
    drain(state, warehouse)
    before = everything(warehouse)
    with warehouse.writer().begin() as connection:
        # The last thing that a retry's transaction does.
        connection.execute(
            text(
                "create trigger fails before update of rows_loaded on loads"
                " begin select raise(abort, 'the disk is full'); end"
            )
        )
    with pytest.raises(DBAPIError, match="disk is full"):
        retry(settings, AnyTexts)
    assert everything(warehouse) == before


damage = st.sampled_from(
    [
        {"duration_ms": 2**40},
        {"duration_ms": -1},
        {"duration_ms": None},
        {"disc_number": 2**33},
        {"uri": ""},
        {"uri": None},
        {"explicit": 1},
        {"is_local": "no"},
        {"name": "\ud800"},
        {"name": 7},
        {"name": "a\0b"},
        {"name": 'a "quoted" größe 🎧 \\ud800'},
        {"artists": []},
        {"extra": [1e308, -0.0, 2**80, "\udfff"], "name": "a\0b"},
        {"extra": float("nan"), "name": "a\0b"},
        {},
    ]
)
pages = st.lists(
    st.lists(st.tuples(st.integers(0, 5), damage, damage, st.booleans()), max_size=6), max_size=4
)


def _page_items(recipe: list[tuple[int, Any, Any, bool]]) -> list[Any]:
    return [
        item(number, **first | second) | ({"played_at": TOO_LATE} if late else {})
        for number, first, second, late in recipe
    ]


@given(
    pages,
    st.lists(st.sampled_from([AnyTexts, EmptyAddresses, None]), max_size=3),
)
@hypothesis_settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_comes_and_is_tried_again_is_in_raw_or_in_quarantine(
    recipes: list[list[Any]], contracts: list[Any]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.load({"SPOTIFY_ASSETS_DATA": folder}, env_file=None)
        state, warehouse = State(settings.state_path), Warehouse(settings.warehouse_path)
        listen(state)
        came: list[Any] = []
        for look, recipe in enumerate(recipes):
            listed = _page_items(recipe)
            came += deepcopy(listed)
            land(state, listed, look)
        drain(state, warehouse)
        seen = warehouse.read(select(func.sum(quarantined_rows.c.times_seen)))
        for contract in contracts:
            receipts = retry(settings, contract)
            again = retry(settings, contract).get("mira", Receipt())
            assert again == Receipt(again.rows_read, 0, 0, again.rows_read, 0)
            assert again.rows_read == receipts.get("mira", Receipt()).rows_quarantined

            rows = warehouse.read(select(raw_recently_played))
            kept, keys = {row.payload for row in rows}, {row.row_key for row in rows}
            waiting = {row.payload for row in waiting_rows(warehouse)}
            assert not kept & waiting, "in both"
            for one in came:
                is_kept = recently_played.row_key("mira", one) in keys
                assert is_kept or recently_played.payload(one) in waiting, "lost"
            assert loaded(warehouse) == len(rows)
        assert warehouse.read(select(func.sum(quarantined_rows.c.times_seen))) == seen


def row_of(**changes: Any) -> QuarantinedRow:
    moment = times.to_text(ANSWERED)
    values: dict[str, Any] = {
        "quarantine_id": 7,
        "account_id": "mira",
        "source": "recently_played",
        "reasons": ("artist_name: missing or null", "track_uri: missing or null"),
        "payload": recently_played.payload(item(1)),
        "first_load_id": 1,
        "last_load_id": 2,
        "first_seen_at": moment,
        "last_seen_at": moment,
        "times_seen": 96,
        "last_page_id": None,
    }
    return QuarantinedRow(**values | changes)


Shown = Callable[..., str]


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shown:
    def show(*rows: QuarantinedRow, dismissed: bool = False) -> str:
        monkeypatch.setenv("COLUMNS", "80")
        show_quarantine(rows, "Europe/Berlin", dismissed=dismissed)
        return capsys.readouterr().out

    return show


def test_a_person_reads_what_why_and_when_in_80_columns(shown: Shown) -> None:
    text = shown(row_of(), row_of(quarantine_id=8, payload="null", times_seen=1))
    for part in (
        "7  song 1\n",
        "mira, ended 2026-11-20 21:56 CET\n",
        "seen 96 times, 2026-11-20 22:00 CET\n",
        "artist name, track uri: missing or null\n",
        "8  (no name)\n",
        "seen once, 2026-11-20 22:00 CET",
        "2 in quarantine.\n",
        "After an upgrade: spotify-assets quarantine retry\n",
        'To accept that they stay: spotify-assets quarantine dismiss --all --why "…"\n',
    ):
        assert part in text
    assert shown() == "Nothing is in quarantine.\n"


@pytest.mark.parametrize("name", ["\x1b]0;title\x07", "long 美 " * 400, "a\nb\r\x9b2J", "\ud800"])
def test_no_name_steers_the_terminal_or_breaks_its_lines(name: str, shown: Shown) -> None:
    payload = recently_played.payload(item(1, name=name))
    text = shown(row_of(payload=payload, account_id="\x1b[31mk" * 30))
    assert all(character.isprintable() for line in text.split("\n") for character in line)
    lines = text.splitlines()
    assert all(len(line) <= 80 for line in lines if not line.startswith("After an upgrade"))


# Dismissing


def command(settings: Settings, *arguments: str) -> Result:
    return CliRunner(env=settings.environment()).invoke(main, ["quarantine", *arguments])


def check(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> tuple[bool, int, int]:
    """What the asset check says: passed, rows in quarantine, rows dismissed."""
    from spotify_assets.defs.ingestion.checks import played_contract
    from spotify_assets.defs.resources import WarehouseResource

    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    found: Any = played_contract(WarehouseResource())
    counts = (found.metadata["quarantined_rows"].value, found.metadata["dismissed_rows"].value)
    return (found.passed, *counts)


def test_a_dismissed_row_quiets_the_check_and_nothing_else(
    settings: Settings,
    state: State,
    warehouse: Warehouse,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    land(state, [item(1, name=7), item(2, name=7)])
    drain(state, warehouse)
    receipts = warehouse.read(select(loads))
    assert check(settings, monkeypatch) == (False, 2, 0)
    first, second = waiting_rows(warehouse)

    done = command(settings, "dismiss", str(first.quarantine_id), "--why", " a bad file ")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.startswith("Dismissed 1 row. What was dismissed still counts as quarantined")
    assert check(settings, monkeypatch) == (False, 2, 1)
    done = command(settings, "dismiss", str(second.quarantine_id), "--why", "another", "--json")
    assert json.loads(done.stdout) == {"rows_dismissed": 1}
    assert check(settings, monkeypatch) == (True, 2, 2)

    assert [row.dismissed_why for row in waiting_rows(warehouse)] == ["a bad file", "another"]
    assert [account.quarantined_rows for account in health(settings)] == [2]
    assert warehouse.read(select(loads)) == receipts


def test_a_retry_undoes_dismissals_also_where_it_accepts_nothing(
    settings: Settings,
    state: State,
    warehouse: Warehouse,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    land(state, [item(1, name=7), item(2, name="a\0b")])
    drain(state, warehouse)
    before = everything(warehouse)
    assert dismiss(settings, None, "x") == 2
    assert retry(settings) == {"mira": Receipt(2, 0, 0, 2, 0)}
    assert everything(warehouse) == before
    dismiss(settings, None, "x")
    assert retry(settings, AnyTexts)["mira"].rows_loaded == 1
    assert check(settings, monkeypatch) == (False, 1, 0)


def test_a_row_that_comes_again_stays_dismissed(
    settings: Settings, state: State, warehouse: Warehouse
) -> None:
    bad = item(1, name=7)
    land(state, [bad])
    drain(state, warehouse)
    dismiss(settings, None, "known")
    land(state, [bad], 15)
    drain(state, warehouse)
    (row,) = waiting_rows(warehouse)
    assert (row.dismissed_why, row.times_seen) == ("known", 2)


def test_a_row_that_was_accepted_since_is_dismissed_no_more(
    settings: Settings, state: State, warehouse: Warehouse
) -> None:
    late = item(1) | {"played_at": TOO_LATE}
    land(state, [late])
    drain(state, warehouse)
    dismiss(settings, None, "Spotify's clock")
    land(state, [late], 15)  # an answer by whose time it is good
    drain(state, warehouse)
    assert waiting_rows(warehouse) == []
    assert [row.dismissed_at for row in warehouse.read(select(quarantined_rows))] == [None]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["dismiss", "--why", "x"], "Name the rows to dismiss, or add --all."),
        (["dismiss", "1", "--all", "--why", "x"], "Name the rows to dismiss, or add --all."),
        (["dismiss", "1"], "Missing option '--why'."),
        (["dismiss", "1", "--why", "  "], "Say why in 1 to 500 characters"),
        (["dismiss", "1", "--why", "\x1b[2J"], "Say why in 1 to 500 characters"),
        (["dismiss", "1", "--why", "x" * 501], "Say why in 1 to 500 characters"),
        (["dismiss", "1", "99", "98", "--why", "x"], "No row waits in quarantine under 98, 99."),
        (["dismiss", "0", "--why", "x"], "Invalid value for 'ROW...': 0 is not in the range"),
        (["dismiss", "9" * 30, "--why", "x"], "Invalid value for 'ROW...': 9999"),
    ],
)
def test_a_wrong_dismissal_is_one_clear_line_and_changes_nothing(
    settings: Settings, state: State, warehouse: Warehouse, arguments: list[str], line: str
) -> None:
    land(state, [item(1, name=7)])
    drain(state, warehouse)
    before = everything(warehouse)
    done = command(settings, *arguments)
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1].startswith(f"Error: {line}")
    assert everything(warehouse) == before


def test_the_list_shows_dismissed_rows_when_asked(shown: Shown) -> None:
    rows = (
        row_of(),
        row_of(
            quarantine_id=8, dismissed_at=times.to_text(ANSWERED), dismissed_why="[bold]\x1bbad"
        ),
    )
    text = shown(*rows)
    assert "8  song" not in text
    assert "2 in quarantine. 1 of them dismissed; they are shown by" in text
    text = shown(*rows, dismissed=True)
    assert "8  song 1\n" in text
    assert "dismissed 2026-11-20 22:00 CET: [bold] bad" in text
    assert "To accept" not in shown(rows[1])


def test_the_json_names_what_was_dismissed(
    settings: Settings, state: State, warehouse: Warehouse
) -> None:
    land(state, [item(1, name=7)])
    drain(state, warehouse)
    dismiss(settings, None, "known")
    (row,) = json.loads(command(settings, "--json").stdout)["quarantined_rows"]
    assert (row["dismissed_why"], bool(row["dismissed_at"])) == ("known", True)


def test_a_warehouse_of_before_is_listed_and_dismissed_in(settings: Settings) -> None:
    settings.make_data_folder()
    put_old_warehouse("0004", settings.warehouse_path)
    warehouse = Warehouse(settings.warehouse_path)
    waiting = waiting_rows(warehouse)
    assert waiting
    assert waiting[0].dismissed_at is None
    assert dismiss(settings, None, "old") == len(waiting)
    assert {row.dismissed_why for row in waiting_rows(warehouse)} == {"old"}
