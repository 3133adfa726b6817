"""Accounts and landed pages: what a look leaves behind."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from spotify_assets import times
from spotify_assets.spotify.state import Account, Identity, State

BODY = '{"items": [ ],\r\n "größe": "\\ud83c\\udfa7"}\n'
ANSWERED = datetime(2026, 11, 20, 21, 0, 5, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "state.db"


@pytest.fixture
def state(path: Path) -> State:
    state = State(path)
    for name in ("mira", "jonas"):
        state.attach(Identity(name, f"{name}-stable", name), None, "2026-01-15T10:00:00.000Z")
    return state


def account(state: State, name: str = "mira") -> Account:
    (found,) = [account for account in state.accounts() if account.account_id == name]
    return found


def test_reading_creates_nothing(path: Path) -> None:
    state = State(path)
    assert state.accounts() == []
    assert state.page_ids() == []
    assert state.page("any") is None
    assert not path.parent.exists()


@pytest.mark.parametrize(
    ("authorized_at", "ends_at"),
    [
        ("2026-01-15T10:00:00.123Z", "2026-07-15T10:00:00.123Z"),
        ("2026-08-31T10:00:00.000Z", "2027-02-28T10:00:00.000Z"),
        ("2027-08-31T10:00:00.000Z", "2028-02-29T10:00:00.000Z"),
        ("2026-08-30T10:00:00.000Z", "2027-02-28T10:00:00.000Z"),
        ("2026-03-31T23:59:59.999Z", "2026-09-30T23:59:59.999Z"),
        ("2026-12-31T00:00:00.000Z", "2027-06-30T00:00:00.000Z"),
    ],
)
def test_a_login_ends_six_months_after_its_owner_agreed(
    authorized_at: str, ends_at: str, tmp_path: Path
) -> None:
    state = State(tmp_path / "state.db")
    attached = state.attach(Identity("mira", None, None), None, authorized_at)
    assert (attached.authorized_at, attached.login_ends_at) == (authorized_at, ends_at)


def test_a_landed_page_is_kept_as_received(state: State) -> None:
    before = times.now_text()
    page = state.land("mira", BODY, ANSWERED)
    assert page is not None
    assert page.body == BODY
    assert page.account_id == "mira"
    assert page.answered_at == "2026-11-20T21:00:05.000Z"
    assert before <= page.landed_at <= times.now_text()
    assert state.page(page.page_id) == page
    assert state.page_ids() == [page.page_id]
    assert account(state).last_look_at == page.landed_at


def test_a_page_without_a_date_was_answered_when_it_landed(state: State) -> None:
    page = state.land("mira", BODY, None)
    assert page is not None
    assert page.answered_at == page.landed_at


def test_the_same_page_again_is_one_page_and_a_look(state: State) -> None:
    first = state.land("mira", BODY, ANSWERED)
    seen_at = account(state).last_look_at or ""
    while times.now_text() == seen_at:  # within one millisecond the text is the same
        pass
    assert state.land("mira", BODY, ANSWERED) is None
    assert first is not None
    assert state.page_ids() == [first.page_id]
    assert (account(state).last_look_at or "") > seen_at


def test_a_page_that_differs_in_one_character_lands(state: State) -> None:
    pages = [state.land("mira", body, None) for body in (BODY, BODY + " ", BODY)]
    assert [page.body for page in pages if page] == [BODY, BODY + " ", BODY]
    assert state.page_ids() == [page.page_id for page in pages if page]
    assert len(set(state.page_ids())) == 3


def test_the_pages_of_two_accounts_do_not_meet(state: State) -> None:
    assert state.land("mira", BODY, None) is not None
    assert state.land("jonas", BODY, None) is not None
    assert state.land("mira", BODY, None) is None
    assert len(state.page_ids()) == 2


def test_a_failed_look_is_remembered_until_the_next_good_one(state: State) -> None:
    state.land("mira", BODY, None)
    before = account(state)
    state.record_failed_look("mira", "Spotify has an outage.")
    failed = account(state)
    assert failed.last_look_error == "Spotify has an outage."
    assert failed.last_look_at == before.last_look_at  # a failed look saw nothing
    assert account(state, "jonas").last_look_error is None
    state.land("mira", BODY, None)
    assert account(state).last_look_error is None


def test_what_a_poll_brings_for_an_account_that_was_removed_meanwhile_is_let_go(
    state: State,
) -> None:
    assert state.remove_account("mira", is_worthless=lambda _body: True)
    assert state.land("mira", BODY, None) is None
    state.record_failed_look("mira", "no answer")
    assert state.page_ids() == []
    assert [account.account_id for account in state.accounts()] == ["jonas"]


def test_page_ids_are_new_after_the_database_was_lost(path: Path, state: State) -> None:
    # The warehouse knows the old ids as drained; a new page under one of them would be lost.
    old = {page.page_id for body in ("a", "b", "c") if (page := state.land("mira", body, None))}
    for file in path.parent.iterdir():
        file.unlink()
    state.attach(Identity("mira", None, None), None, "2026-01-15T10:00:00.000Z")
    new = {page.page_id for body in ("a", "b", "c") if (page := state.land("mira", body, None))}
    assert len(old) == len(new) == 3
    assert old.isdisjoint(new)


def test_looks_of_many_accounts_at_once_all_land(path: Path) -> None:
    state = State(path)
    names = [f"listener-{number}" for number in range(8)]

    def look(name: str) -> None:
        state.attach(Identity(name, None, None), None, "2026-01-15T10:00:00.000Z")
        state.land(name, BODY, None)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(look, names))
    assert [account.account_id for account in state.accounts()] == names
    assert len(state.page_ids()) == 8


def test_a_database_of_an_earlier_version_gets_the_tables_that_it_lacks(
    state: State, path: Path
) -> None:
    before = state.accounts()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("drop table login_troubles")
        connection.execute("drop table blocked_calls")
    assert State(path).accounts() == before
    assert State(path).block("an-app", "me") is None
    assert State(path).ended_login("mira") is None


def test_a_page_that_comes_again_at_the_same_moment_of_a_clock_that_was_set_back_lands(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(times, "now", lambda: ANSWERED)
    landed = [state.land("mira", body, None) for body in ("A", "B", "A")]
    assert len({page.page_id for page in landed if page}) == 3
    assert len(state.page_ids()) == 3
