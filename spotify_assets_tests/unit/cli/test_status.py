"""`spotify-assets status`: one screen, whatever is wrong; one JSON object for a program."""

import json
import platform
import subprocess
import sys
from collections import namedtuple
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner
from sqlalchemy import insert, select, text

from spotify_assets.cli import main
from spotify_assets.cli.status import show_status
from spotify_assets.settings import Settings
from spotify_assets.spotify.state import State
from spotify_assets.timetable import leave_sign
from spotify_assets.warehouse.backups.drill import Drill
from spotify_assets.warehouse.backups.making import back_up
from spotify_assets.warehouse.health import Health
from spotify_assets.warehouse.inbox import UNDECIDED, Stuck, entries, import_entry
from spotify_assets.warehouse.loading import Load, write_load
from spotify_assets.warehouse.standing import DAEMON, Standing
from spotify_assets.warehouse.tables import (
    model_watermarks,
    raw_recently_played,
    raw_streaming_history,
)
from spotify_assets.warehouse.warehouse import Warehouse
from spotify_assets_tests.unit.spotify.export.downloads import Home, a_row, pack, rows_of

Mount = namedtuple("Mount", ("mountpoint", "fstype"))

TIME = "2026-03-01T10:00:00.000Z"
WELL = Health(
    account_id="mira",
    name="mira",
    is_logged_in=True,
    last_look_at=TIME,
    last_try_at=TIME,
    last_look_error=None,
    failing_since=None,
    blind_since=None,
    blind_because=None,
    provisional_gap_from=None,
    last_play_at=TIME,
    lag_seconds=200,
    silence="quiet",
    open_gaps=0,
    max_lost_plays=0,
    overfull_gaps=0,
    quarantined_rows=0,
    blocked_until=None,
    blocked_because=None,
    login_ends_at="2026-08-01T10:00:00.000Z",
    login_days_left=150,
    login_warning=None,
)
STANDING = Standing(
    accounts=[WELL],
    pages_waiting=0,
    has_news=False,
    models_are_behind=False,
    daemon_is_running=True,
    next_ticks={"look": TIME, "models": TIME, "daily refresh": TIME, "housekeeping": TIME},
    polled_by=[DAEMON],
    last_poll_at=TIME,
    inbox_stuck=[],
    on_data={},
    open_to_others=[],
    network_file_system=None,
    last_backup_at=None,
    plays_in_no_backup=0,
    backups_are_elsewhere=False,
    last_drill=None,
    disk_use={"warehouse": 1_200_000, "state": 0, "dagster": 0, "dbt": 0, "total": 9_900_000_000},
)


def in_every_trouble(name: str) -> Health:
    return replace(
        WELL,
        account_id=name,
        name=name,
        last_look_error="no answer",
        failing_since=TIME,
        blind_since=TIME,
        blind_because="Spotify asks us to stay away, says why and until when, at length. " * 5,
        provisional_gap_from=TIME,
        lag_seconds=10**6,
        silence="unusual",
        open_gaps=1_000,
        max_lost_plays=123_456,
        overfull_gaps=2,
        quarantined_rows=12_345,
        blocked_until=TIME,
        blocked_because="QUOTA_EXCEEDED " * 20,
        login_days_left=0,
        login_warning=f"{name}: this login ended. Run: spotify-assets login",
    )


def screen(
    standing: Standing, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    monkeypatch.setenv("COLUMNS", "80")
    show_status(standing, "UTC")
    return capsys.readouterr().out.splitlines()


def rows(lines: list[str]) -> int:
    return sum(max(1, -(-len(line.rstrip()) // 80)) for line in lines)


def test_where_all_is_well_it_says_what_is_known_and_what_comes_next(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "\n".join(screen(STANDING, capsys, monkeypatch))
    for part in ("mira", "03-01 10:00", "3 min", "08-01", "Next: look 03-01 10:00, models"):
        assert part in text
    assert "Last backup: never" in text
    assert "On disk: 9,900.0 MB (warehouse 1.2, state 0.0" in text
    assert "spotify-assets" not in text  # there is nothing to do


@pytest.mark.parametrize("accounts", [1, 2, 5])
def test_it_fits_80_columns_and_24_lines_in_every_trouble(
    accounts: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"listener-{number}-of-the-house" for number in range(accounts)]
    standing = replace(
        STANDING,
        accounts=[in_every_trouble(name) for name in names],
        pages_waiting=12,
        has_news=True,
        daemon_is_running=False,
        polled_by=[],
        inbox_stuck=[Stuck(f"{name}.zip", "it is cut short " * 20, TIME) for name in names],
        last_backup_at=TIME,
        plays_in_no_backup=123_456_789,
        last_drill=Drill("a.tar.zst", TIME, "No good, " * 50, 1.5, 1, 1),
    )
    lines = screen(standing, capsys, monkeypatch)
    assert rows(lines) <= 24
    text = "\n".join(lines)
    assert "123,456" in text
    assert "may get lost" in text
    assert "Nothing polls" in text
    if accounts == 5:
        assert "more: spotify-assets status --json" in text


def test_text_of_spotifys_cannot_steer_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = replace(in_every_trouble("mira"), blind_because="\x1b[2Jgone", blocked_because="\x1b]0;x")
    text = "\n".join(screen(replace(STANDING, accounts=[bad]), capsys, monkeypatch))
    assert "\x1b[2J" not in text
    assert "\x1b]" not in text


def test_it_says_when_the_last_backup_and_drill_were_and_what_a_dead_disk_would_cost(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "\n".join(screen(STANDING, capsys, monkeypatch))
    assert "Last backup: never; last restore drill: never" in text
    text = "\n".join(screen(replace(STANDING, plays_in_no_backup=1), capsys, monkeypatch))
    assert "now: 1 play is in no backup; make one: spotify-assets backup" in text
    drill = Drill("a.tar.zst", TIME, None, 1.5, 1, 1)
    backed_up = replace(STANDING, last_backup_at=TIME, plays_in_no_backup=12, last_drill=drill)
    text = "\n".join(screen(backed_up, capsys, monkeypatch))
    assert "Last backup: 03-01 10:00; last restore drill: 03-01 10:00, passed" in text
    assert "If this disk died now: 12 plays are in no backup; copy the backups elsewhere" in text
    failed = replace(backed_up, last_drill=replace(drill, fault="no"), backups_are_elsewhere=True)
    lines = screen(failed, capsys, monkeypatch)
    assert "If this disk died now: 12 plays are in no backup" in lines
    assert "FAILED" in "\n".join(lines)
    assert "Restore drill: no" in lines


def test_what_comes_next_stays_on_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    many = {f"something {number}": f"2026-03-0{number}T10:00:00.000Z" for number in range(1, 9)}
    lines = screen(replace(STANDING, next_ticks=many), capsys, monkeypatch)
    (line,) = [line for line in lines if line.startswith("Next: ")]
    assert "something 1 03-01 10:00, something 2" in line
    assert "something 8" not in line


def test_before_any_login_it_says_how_to_begin(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    standing = replace(STANDING, accounts=[], models_are_behind=True)
    assert screen(standing, capsys, monkeypatch)[0] == ("No account yet. Run: spotify-assets login")


@pytest.fixture
def environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    return settings


def as_json() -> dict[str, Any]:
    done = CliRunner().invoke(main, ["status", "--json"])
    assert done.exit_code == 0, done.output
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_the_json_holds_all_of_it_and_reading_creates_nothing(environment: Settings) -> None:
    answer = as_json()
    assert answer["accounts"] == []
    assert answer["daemon_is_running"] is False
    assert answer["last_backup_at"] is None
    assert not environment.data.exists()


def test_the_json_of_an_account_that_logged_in_and_was_never_looked_at(
    environment: Settings, state: State, log_in: object
) -> None:
    assert callable(log_in)
    log_in("mira")
    leave_sign(environment)
    assert back_up(environment) is not None
    answer = as_json()
    accounts = answer["accounts"]
    assert isinstance(accounts, list)
    assert accounts[0]["account_id"] == "mira"
    assert accounts[0]["last_look_at"] is None
    assert accounts[0]["login_warning"] is None
    assert answer["daemon_is_running"] is True
    assert answer["last_backup_at"] is not None


def test_failed_polls_are_shown_with_their_error_from_the_first_on(
    environment: Settings, state: State, log_in: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callable(log_in)
    log_in("mira")
    state.land("mira", '{"items": []}', None)
    state.record_failed_look("mira", "Spotify is out of order (503)")
    state.record_failed_look("mira", "no \x1b[31manswer")
    monkeypatch.setenv("COLUMNS", "80")
    text = CliRunner().invoke(main, ["status"]).stdout
    assert "mira: polls fail since " in text
    assert "no  [31manswer" in text
    (account,) = as_json()["accounts"]
    assert account["last_look_error"] == "no \x1b[31manswer"
    assert account["failing_since"] <= account["last_try_at"]
    state.land("mira", '{"items": []}', None)
    assert "no answer" not in CliRunner().invoke(main, ["status"]).stdout


def test_what_is_stuck_in_the_inbox_is_shown_until_it_changes(
    environment: Settings, state: State
) -> None:
    state.add_account("mira")
    bad = environment.inbox / "my_data.zip"
    bad.parent.mkdir(parents=True)
    bad.write_bytes(b"half")
    (entry,) = entries(environment)
    import_entry(environment, entry, lambda *_: None)
    text = CliRunner().invoke(main, ["status"]).stdout
    assert "Inbox: my_data.zip: my_data.zip: " in text
    (stuck,) = as_json()["inbox_stuck"]
    assert (stuck["name"], bool(stuck["error"]), bool(stuck["failed_at"])) == (
        "my_data.zip",
        True,
        True,
    )
    bad.write_bytes(b"another half")  # it is tried again
    assert as_json()["inbox_stuck"] == []
    state.add_account("jonas")
    assert as_json()["inbox_stuck"] == [
        {"name": "my_data.zip", "error": UNDECIDED, "failed_at": None}
    ]


@pytest.mark.parametrize(
    ("kind", "is_told"), [("fuse.sshfs", True), ("nfs4", True), ("ext4", False)]
)
def test_a_data_folder_on_a_network_drive_is_told_of(
    kind: str, is_told: bool, environment: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment.make_data_folder()
    mounts = [
        Mount("/", "ext4"),
        Mount(str(environment.data.parent), kind),
        Mount(str(environment.data.parent / "elsewhere"), "nfs"),
    ]
    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: mounts)
    done = CliRunner().invoke(main, ["status"])
    assert done.exit_code == 0, done.output
    assert (f"on a network drive ({kind})" in done.output) == is_told


def test_after_the_daemon_has_ended_nothing_comes_next(environment: Settings) -> None:
    leave_sign(environment)
    answer = as_json()
    assert answer["daemon_is_running"] is True
    assert set(answer["next_ticks"]) >= {"look", "backup"}
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    (environment.locks / "daemon.sign").write_text(f"{ended.pid} {platform.node()}")
    answer = as_json()
    assert (answer["daemon_is_running"], answer["next_ticks"]) == (False, {})
    # On another machine with the same folder nobody can tell so soon.
    (environment.locks / "daemon.sign").write_text(f"{ended.pid} another machine")
    assert as_json()["daemon_is_running"] is True


def test_plays_that_are_in_no_backup_are_counted_as_plays(
    environment: Settings,
    warehouse: Warehouse,
    items: list[Any],
    new_load: Callable[..., Load],
    tmp_path: Path,
) -> None:
    """The rows of an export that tell of plays in the backup are no plays to lose."""
    engine = warehouse.writer()
    write_load(engine, raw_recently_played, new_load(items[:10]))
    assert as_json()["plays_in_no_backup"] == 10  # none of them modelled, so rows are counted
    assert back_up(environment)
    write_load(engine, raw_recently_played, new_load(items[:12], "page-2"))
    home = Home(environment.data)
    told = pack(tmp_path / "my.zip", {"endsong_0.json": rows_of(*range(10), 20, 21, 22)})
    assert home.total(told).rows_loaded == 13
    listed = warehouse.read(
        select(raw_recently_played.c.row_key).order_by(raw_recently_played.c.played_at.desc())
    )
    exported = warehouse.read(
        select(raw_streaming_history.c.row_key, raw_streaming_history.c.ts).order_by(
            raw_streaming_history.c.ts
        )
    )
    assert as_json()["plays_in_no_backup"] == 15  # rows again
    facts = [
        # Ten plays of both sources, of which the backup has the API's half, and two of the API.
        *(
            {"api": api.row_key, "export": row.row_key, "ts": row.ts}
            for api, row in zip(listed[:10], exported, strict=False)
        ),
        *({"api": api.row_key, "export": None, "ts": None} for api in listed[10:]),
        *({"api": None, "export": row.row_key, "ts": row.ts} for row in exported[10:]),
    ]
    with engine.begin() as connection:
        connection.execute(
            text(
                "create table fct_plays"
                " (play_id, account_id, api_row_key, export_row_key, export_ended_at)"
            )
        )
        connection.execute(
            text(
                "insert into fct_plays values (substr(coalesce(:api, :export), 1, 20), 'mira',"
                " :api, :export, :ts)"
            ),
            facts,
        )
        newest = {"model": "fct_plays", "load_id": 3}
        connection.execute(insert(model_watermarks), [newest])
    assert as_json()["plays_in_no_backup"] == 2 + 3
    assert back_up(environment)
    assert as_json()["plays_in_no_backup"] == 0
    # Another variant of a row that is kept is no other play.
    again = pack(tmp_path / "2.zip", {"endsong_0.json": [a_row(20, platform="ios"), a_row(30)]})
    assert home.total(again).rows_loaded == 2
    with engine.begin() as connection:
        connection.execute(model_watermarks.update().values(load_id=4))
    assert as_json()["plays_in_no_backup"] == 0
