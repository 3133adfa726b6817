"""The command line as a person and a program use it, after one refresh of two accounts."""

import json
import re
import socket
import sqlite3
import subprocess
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from spotify_assets import times
from spotify_assets.sandbox.browser import consent
from spotify_assets.sandbox.server import Sandbox
from spotify_assets.spotify.state import State
from spotify_assets_tests.support import COMMAND, FirstRefresh, User, contents, free_port

ACCOUNTING = re.compile(
    r"^([\d,]+) read = ([\d,]+) loaded \+ ([\d,]+) duplicate \+ ([\d,]+) quarantined"
    r" \+ ([\d,]+) ignored$",
    re.MULTILINE,
)


def rows(user: User, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(user.settings.warehouse_path)) as connection:
        return connection.execute(query).fetchall()


def test_a_play_goes_from_spotify_to_the_marts_by_one_command(refreshed_user: User) -> None:
    assert rows(refreshed_user, "select count(*) from raw_recently_played") == [(100,)]
    assert rows(refreshed_user, "select count(*) from fct_plays") == [(100,)]
    for mart in ("mart_top_tracks", "mart_top_artists"):
        query = f"select sum(plays) from {mart} where period = 'all'"
        assert rows(refreshed_user, query) == [(100,)]


def test_a_refresh_writes_nothing_outside_of_a_folder_with_an_odd_name(
    refreshed_user: User,
) -> None:
    data = refreshed_user.settings.data
    assert list(data.parent.parent.iterdir()) == [data.parent]
    assert (data / "dagster" / "history" / "runs.db").exists()
    assert [path.name for path in refreshed_user.settings.dagster_home.iterdir()] == [
        "dagster.yaml"
    ]


@pytest.mark.parametrize("name", ["a?b", "a%20b", "[a]b"])
def test_a_folder_with_which_dagster_would_write_elsewhere_is_refused_and_nothing_written(
    user: User, name: str
) -> None:
    home = user.settings.data.parent
    before = sorted(home.rglob("*"))
    for command in ("refresh", "dev", "status"):
        done = user.call(command, SPOTIFY_ASSETS_DATA=str(home / name / "data"))
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(
            f"Error: SPOTIFY_ASSETS_DATA is the folder '{home / name / 'data'}'. Its path has "
        )
    assert sorted(home.rglob("*")) == before


@pytest.mark.parametrize("command", [("refresh",), ("dev", "--port", str(free_port()))])
def test_a_dagster_home_that_is_not_there_is_one_clear_line(
    command: tuple[str, ...], user: User
) -> None:
    done = user.run(*command, DAGSTER_HOME="/nowhere")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: DAGSTER_HOME is '/nowhere', and there is no such folder.")
    assert len(done.stderr.splitlines()) == 1


def test_dbt_parses_no_model_anew_in_a_new_data_folder(refreshed_user: User) -> None:
    """It takes 3 s, which the first refresh of every user and every restore drill would wait."""
    for log in refreshed_user.settings.dbt_target.glob("*/dbt.log"):
        assert "Nothing changed, skipping partial parsing" in log.read_text("utf-8")


def test_a_second_refresh_says_that_nothing_is_new_and_changes_no_row(refreshed_user: User) -> None:
    before = contents(refreshed_user.settings.warehouse_path, without=())
    done = refreshed_user.run("refresh")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"No new plays since 2026-\d\d-\d\d \d\d:\d\d \S+\.\n", done.stdout)
    assert contents(refreshed_user.settings.warehouse_path, without=()) == before


def test_nothing_that_is_written_can_be_read_by_others(refreshed_user: User) -> None:
    data = refreshed_user.settings.data
    # But for what the login of the tests made, which is no command.
    written = [path for path in [data, *data.rglob("*")] if not path.name.startswith("state.db")]
    assert len(written) > 50
    assert [path for path in written if path.stat().st_mode & 0o077] == []


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_command_whose_streams_are_closed_does_its_work(
    refreshed_user: User, closed: str
) -> None:
    for command in ("refresh", "status"):
        done = subprocess.run(
            ["sh", "-c", f'exec "$0" {command} {closed}', COMMAND],
            env=refreshed_user.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")


def test_a_damaged_file_of_dagsters_is_named_and_does_not_stop_collecting(
    copied_user: User,
) -> None:
    settings = copied_user.settings
    looked_at = State(settings.state_path).accounts()[0].last_look_at
    damaged = settings.dagster_storage / "history" / "runs.db"
    for path in damaged.parent.glob("runs.db-*"):
        path.unlink()
    damaged.write_bytes(b"no database" * 1000)
    done = copied_user.run("refresh")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"Error: {damaged} is damaged.")
    assert len(done.stderr.splitlines()) == 1
    assert (State(settings.state_path).accounts()[0].last_look_at or "") > (looked_at or "~")
    damaged.unlink()
    assert copied_user.run("refresh").returncode == 0


def test_a_refresh_tells_a_program_the_accounting_of_each_account_and_of_all(
    first_refresh: FirstRefresh,
) -> None:
    answer = first_refresh.answer

    def counts(rows: int) -> dict[str, int]:
        return {
            "rows_read": rows,
            "rows_loaded": rows,
            "rows_duplicate": 0,
            "rows_quarantined": 0,
            "rows_ignored": 0,
        }

    assert {name: answer[name] for name in answer if name.startswith("rows_")} == counts(100)
    assert answer["accounts"] == [
        {"account_id": name, "error": None, **counts(50)} for name in ("jonas", "mira")
    ]
    assert answer["models"]["fct_plays"] == 100


def test_accounts_lists_logins_for_a_person_and_for_a_program(refreshed_user: User) -> None:
    shown = refreshed_user.run("accounts")
    assert "mira" in shown.stdout
    assert "2026-" in shown.stdout or "2027-" in shown.stdout
    answer = json.loads(refreshed_user.run("accounts", "--json").stdout)
    assert [account["account_id"] for account in answer["accounts"]] == ["jonas", "mira"]
    assert all(account["last_look_at"] for account in answer["accounts"])


def test_a_login_that_ends_within_the_week_is_told_by_accounts_and_by_refresh(
    copied_user: User,
) -> None:
    user = copied_user
    assert user.run("refresh").stderr == ""
    account = json.loads(user.call("accounts", "--json").stdout)["accounts"][1]
    assert (account["login_warning"], account["needs_login"]) == (None, False)
    assert 180 < account["login_days_left"] <= 184
    with closing(sqlite3.connect(user.settings.state_path)) as connection, connection:
        ends_at = times.to_text(datetime.now(UTC) + timedelta(days=6, hours=1))
        connection.execute(
            "update accounts set login_ends_at = ? where account_id = 'mira'", (ends_at,)
        )
    words = f"mira: this login ends within 7 days, on {ends_at[:10]}. Run: spotify-assets login"
    assert words in user.call("accounts").stdout
    account = json.loads(user.call("accounts", "--json").stdout)["accounts"][1]
    assert (account["login_warning"], account["login_days_left"]) == (words, 7)
    done = user.run("refresh")
    assert (done.returncode, done.stderr) == (0, f"Warning: {words}\n")


def test_a_refresh_moves_the_plays_of_an_account_onto_the_clock_of_its_zone(
    copied_user: User,
) -> None:
    user = copied_user  # who lives in Berlin
    clocks = "select distinct substr(local_started_at, 24) from fct_plays where account_id = 'mira'"
    assert rows(user, clocks) == [("+01:00",)]
    command = ("accounts", "timezone", "mira", "Asia/Kathmandu")
    done = user.run(*command)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("Next: spotify-assets refresh\n")
    assert "fct_plays 100" in user.run("refresh", "--verbose").stdout
    assert rows(user, clocks) == [("+05:45",)]
    assert user.run("refresh").stdout.startswith("No new plays since")
    again = user.call(*command).stdout
    assert again.startswith("Nothing changes")
    assert "Next" not in again


def test_a_play_that_view_shows_is_traced_to_its_account(refreshed_user: User) -> None:
    shown = refreshed_user.run("view", "--limit", "1").stdout
    play_id = re.findall(r"[0-9a-f]{20}", shown)[0]
    traced = refreshed_user.run("trace", play_id)
    assert traced.returncode == 0
    ((load_id, page_id, account_id),) = rows(
        refreshed_user,
        "select load_id, page_id, account_id from raw_recently_played join loads "
        f"using (load_id, account_id) where row_key like '{play_id}%'",
    )
    for station in ("fct_plays", "raw_recently_played", "loads", "state.db"):
        assert station in traced.stdout
    for value in (str(load_id), str(page_id), str(account_id), play_id):
        assert value in traced.stdout


@pytest.mark.parametrize("play_id", ["0000", "'; drop table loads; --", "zzzz"])
def test_an_unknown_play_is_one_clear_line(refreshed_user: User, play_id: str) -> None:
    done = refreshed_user.call("trace", play_id)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: No play has the id")


def test_what_could_not_be_asked_is_not_called_old(refreshed_user: User) -> None:
    """Nothing listens there: whether there are new plays is not known."""
    done = refreshed_user.run("refresh", SPOTIFY_API_URL="http://127.0.0.1:9/v1")
    assert done.returncode == 1
    assert done.stdout == ""
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == ["Error", "Error"]
    assert refreshed_user.run("refresh").returncode == 0


def test_help_shows_examples_line_by_line(refreshed_user: User) -> None:
    shown = refreshed_user.call("--help").stdout
    assert "\n    spotify-assets login       connect a Spotify account\n" in shown
    for command in ("login", "refresh", "trace", "quarantine", "sandbox"):
        assert "\\b" not in refreshed_user.call(command, "--help").stdout


@pytest.mark.parametrize("command", [("dev",), ("demo", "--ui")])
def test_a_taken_port_is_one_clear_line_before_any_work(
    command: tuple[str, ...], refreshed_user: User
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = str(listening.getsockname()[1])
        done = refreshed_user.run(*command, "--port", port)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"Error: Port {port} is taken")
    assert len(done.stderr.splitlines()) == 1


def test_commands_before_the_first_login_say_what_to_do(user: User) -> None:
    assert "spotify-assets login" in user.call("accounts").stdout
    assert "spotify-assets login" in user.call("view").stdout
    assert user.call("trace", "abcd").returncode == 1
    assert user.call("nonsense").returncode == 2


def test_login_on_a_headless_machine_prints_the_address_and_takes_the_answer(
    still_spotify: Sandbox, user: User
) -> None:
    process = user.start("login")
    assert process.stdout is not None
    address = next(line.strip() for line in process.stdout if "/authorize?" in line)
    consent(address, "mira")
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (0, "")
    assert "Connected mira" in stdout
    assert (user.settings.tokens / "mira.json").stat().st_mode & 0o777 == 0o600
