"""`spotify-assets accounts timezone`: what it says to a person, to a program, and of mistakes."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import insert, select

from spotify_assets.cli import main
from spotify_assets.settings import Settings
from spotify_assets.spotify.state import State
from spotify_assets.warehouse.loading import Load, write_load
from spotify_assets.warehouse.pending import models
from spotify_assets.warehouse.tables import account_zones, model_watermarks, raw_recently_played
from spotify_assets.warehouse.warehouse import Warehouse
from spotify_assets.warehouse.zones import fix_zones

ALWAYS = ("2006-01-01T00:00:00.000Z", "2060-01-01T00:00:00.000Z")


@pytest.fixture(autouse=True)
def environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SPOTIFY_TIMEZONE", "Europe/Berlin")


@pytest.fixture
def mira(warehouse: Warehouse, items: list[Any], new_load: Callable[..., Load]) -> None:
    """An account in Berlin that no login made, with plays that are modelled."""
    write_load(warehouse.writer(), raw_recently_played, new_load(items))
    fix_zones(warehouse.writer(), "Europe/Berlin")
    with warehouse.writer().begin() as connection:
        seen = [{"model": model, "load_id": 1} for model in models()]
        connection.execute(insert(model_watermarks), seen)


@pytest.fixture
def jonas(state: State) -> None:
    """An account that has logged in and has no plays yet."""
    state.add_account("jonas")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["accounts", *arguments])


def told(*arguments: str) -> str:
    done = run(*arguments)
    assert (done.exit_code, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.usefixtures("mira")
def test_a_move_is_shown_since_when_and_says_what_comes_next() -> None:
    assert told("timezone", "mira", "Asia/Kolkata", "--from", "2026-05-01").splitlines() == [
        " From                  Time zone     ",
        " the beginning         Europe/Berlin ",
        " 2026-05-01 00:00 IST  Asia/Kolkata  ",
        "Next: spotify-assets refresh",
    ]


@pytest.mark.usefixtures("mira")
def test_a_move_can_be_entered_before_it_happens() -> None:
    shown = told("timezone", "mira", "Asia/Kolkata", "--from", "2059-12-31").splitlines()
    assert " 2059-12-31 00:00 IST  Asia/Kolkata  " in shown


@pytest.mark.usefixtures("mira", "jonas")
def test_without_a_zone_it_shows_what_was_said_and_changes_nothing(warehouse: Warehouse) -> None:
    shown = told("timezone", "mira", "Asia/Kolkata", "--from", "2026-05-01").splitlines()[:3]
    before = warehouse.read(select(account_zones))
    assert told("timezone", "mira").splitlines() == shown
    assert told("timezone", "jonas").startswith("None yet: the zone of the settings")
    assert json.loads(told("timezone", "jonas", "--json")) == {"account_id": "jonas", "zones": []}
    assert warehouse.read(select(account_zones)) == before


@pytest.mark.usefixtures("mira")
def test_a_zone_for_the_whole_time_names_the_moves_that_it_takes_back() -> None:
    moved = told("timezone", "mira", "Asia/Kolkata", "--from", "2026-05-01").splitlines()[:3]
    lines = told("timezone", "mira", "Europe/Berlin").splitlines()
    assert lines[0] == "For the whole time, so these moves are taken back:"
    assert lines[1:4] == moved
    assert lines[5].split() == ["the", "beginning", "Europe/Berlin"]


@pytest.mark.usefixtures("mira")
def test_the_same_again_changes_nothing_and_says_so(warehouse: Warehouse) -> None:
    command = ("timezone", "mira", "Asia/Kolkata")
    first = told(*command)
    assert "Nothing changes" not in first
    before = warehouse.read(select(account_zones))
    second = told(*command)
    assert second == f"Nothing changes: the days of mira are there already.\n{first}"
    assert warehouse.read(select(account_zones)) == before


@pytest.mark.usefixtures("mira", "jonas")
def test_where_no_model_has_to_follow_no_refresh_is_asked_for(warehouse: Warehouse) -> None:
    assert "Next" not in told("timezone", "mira", "Europe/Berlin")
    assert "Next" not in told("timezone", "jonas", "Asia/Tokyo", "--from", "2026-05-01")
    rows = warehouse.read(select(account_zones).where(account_zones.c.account_id == "jonas"))
    assert [row.zone for row in rows] == ["Europe/Berlin", "Asia/Tokyo"]


@pytest.mark.usefixtures("mira")
@pytest.mark.parametrize(
    "arguments",
    [
        ("timezone", "mira", "Europe/Berlin", "--json"),
        ("--json", "timezone", "mira", "Europe/Berlin"),
    ],
)
def test_a_program_gets_one_json_object(arguments: tuple[str, ...]) -> None:
    begin, end = ALWAYS
    assert json.loads(told(*arguments)) == {
        "account_id": "mira",
        "zones": [{"zone": "Europe/Berlin", "valid_from": begin, "valid_to": end}],
    }


@pytest.mark.usefixtures("mira", "jonas")
@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ("mira", "Europe/Berln"),
            "Invalid value for 'ZONE': 'Europe/Berln' is no time zone of the IANA list. Did you",
        ),
        (
            ("mira", "../../localtime"),
            "Invalid value for 'ZONE': '../../localtime' is no time zone of the IANA list.",
        ),
        (("mira", "--from", "2026-05-01"), "Say which zone it was from that day on."),
        (("nobody", "Asia/Tokyo"), "There is no account 'nobody'. Here are: jonas, mira."),
        (("x\x1b[2J", "Asia/Tokyo"), "There is no account 'x\\x1b[2J'. Here are: jonas, mira."),
        (
            ("mira", "Asia/Tokyo", "--from", "2026-02-30"),
            "Invalid value for '--from': '2026-02-30' is no date. Write it as in 2026-05-01.",
        ),
        (
            ("mira", "Asia/Tokyo", "--from", "20260501"),
            "Invalid value for '--from': '20260501' is no date.",
        ),
        (
            ("mira", "Asia/Tokyo", "--from", "2060-01-01"),
            "Invalid value for '--from': 2060-01-01 is not between 2006-01-01 and 2059-12-31.",
        ),
    ],
)
def test_a_mistake_is_one_clear_line_and_changes_nothing(
    warehouse: Warehouse, arguments: tuple[str, ...], line: str
) -> None:
    before = warehouse.read(select(account_zones))
    done = run("timezone", *arguments)
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1].startswith(f"Error: {line}")
    assert warehouse.read(select(account_zones)) == before


def test_before_the_first_account_a_mistake_creates_nothing(settings: Settings) -> None:
    done = run("timezone", "mira", "Asia/Tokyo")
    assert done.exit_code == 2
    assert done.stderr.endswith("There is no account 'mira'. Run: spotify-assets login\n")
    assert not settings.data.exists()


@pytest.mark.usefixtures("jonas")
def test_accounts_alone_lists_them_as_ever() -> None:
    assert "jonas" in told()
    assert [one["account_id"] for one in json.loads(told("--json"))["accounts"]] == ["jonas"]


def test_the_usage_says_that_a_zone_may_be_left_out() -> None:
    done = CliRunner().invoke(main, ["accounts", "timezone", "--help"])
    assert "NAME [ZONE]\n" in done.stdout
