"""The command line as a person and a program use it: real processes, a real Dagster run."""

import hashlib
import json
import re
import shlex
import socket
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from spotify_assets import times
from spotify_assets.sandbox.browser import consent
from spotify_assets.sandbox.server import Sandbox
from spotify_assets_tests.support import User, contents, sandbox, user_of

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


def test_marts_that_were_built_before_the_first_login_follow_with_the_first_plays(
    user: User,
) -> None:
    assert user.run("refresh").returncode == 0
    user.log_in("mira")
    assert user.run("refresh").returncode == 0
    assert rows(user, "select sum(plays) from mart_top_tracks where period = 'all'") == [(50,)]


def test_a_refresh_prints_the_accounting_of_each_account_and_of_all(user: User) -> None:
    user.log_in("mira")
    done = user.run("refresh", "--json")
    assert done.returncode == 0
    answer = json.loads(done.stdout)
    counts = {name: answer[name] for name in answer if name.startswith("rows_")}
    assert counts == {
        "rows_read": 50,
        "rows_loaded": 50,
        "rows_duplicate": 0,
        "rows_quarantined": 0,
        "rows_ignored": 0,
    }
    (account,) = answer["accounts"]
    assert account == {"account_id": "mira", "error": None, **counts}
    assert answer["models"]["fct_plays"] == 50


def test_a_refresh_without_any_login_builds_the_models_of_what_is_there(user: User) -> None:
    done = user.run("refresh")
    assert done.returncode == 0
    assert "Run: spotify-assets login" in done.stdout
    assert ACCOUNTING.search(done.stdout)
    assert rows(user, "select count(*) from mart_top_tracks") == [(0,)]


def test_one_account_that_fails_does_not_stop_the_others(user: User) -> None:
    user.log_in("mira", "jonas")
    (user.settings.tokens / "jonas.json").write_text("broken")
    done = user.run("refresh")
    assert done.returncode == 1
    assert re.search(
        r"^mira: 50 new plays, the newest .* by .*, ended 2026-", done.stdout, re.MULTILINE
    )
    assert re.search(r"Checks: 1\d\d passed, 2 did not", done.stdout)  # the plays are old, too
    assert "  did not pass: raw/recently_played: every_account_was_read" in done.stdout
    assert rows(user, "select account_id, count(*) from fct_plays group by 1") == [("mira", 50)]
    (line,) = [line for line in done.stderr.splitlines() if "jonas has no stored login" in line][:1]
    assert "Run: spotify-assets login" in line
    assert "Traceback" not in done.stderr

    # Where no daemon runs, it is this command that tells of a day without an answer, once.
    with closing(sqlite3.connect(user.settings.state_path)) as connection, connection:
        begin, before = (
            times.to_text(datetime.now(UTC) - timedelta(hours=hours)) for hours in (25, 2)
        )
        connection.execute("update accounts set authorized_at = ?", (begin,))
        connection.execute("update failed_looks set last_failed_at = ?", (before,))
    alerts = user.settings.data / "alerts"
    command = {"SPOTIFY_ALERT_COMMAND": f"sh -c 'echo \"$0\" >> {shlex.quote(str(alerts))}; cat'"}
    for _ in range(2):
        assert user.run("refresh", **command).returncode == 1
    (alert,) = alerts.read_text().splitlines()
    assert alert.startswith("jonas: no answer from Spotify since ")
    assert alert.endswith("jonas has no stored login. Run: spotify-assets login")


def test_accounts_lists_logins_for_a_person_and_for_a_program(refreshed_user: User) -> None:
    shown = refreshed_user.run("accounts")
    assert "mira" in shown.stdout
    assert "2026-" in shown.stdout or "2027-" in shown.stdout
    answer = json.loads(refreshed_user.run("accounts", "--json").stdout)
    assert [account["account_id"] for account in answer["accounts"]] == ["jonas", "mira"]
    assert all(account["last_look_at"] for account in answer["accounts"])


def test_a_login_that_ends_within_the_week_is_told_by_accounts_and_by_refresh(user: User) -> None:
    user.log_in("mira")
    assert user.run("refresh").stderr == ""
    (account,) = json.loads(user.run("accounts", "--json").stdout)["accounts"]
    assert (account["login_warning"], account["needs_login"]) == (None, False)
    assert 180 < account["login_days_left"] <= 184
    with closing(sqlite3.connect(user.settings.state_path)) as connection, connection:
        ends_at = times.to_text(datetime.now(UTC) + timedelta(days=6, hours=1))
        connection.execute("update accounts set login_ends_at = ?", (ends_at,))
    words = f"mira: this login ends within 7 days, on {ends_at[:10]}. Run: spotify-assets login"
    assert words in user.run("accounts").stdout
    (account,) = json.loads(user.run("accounts", "--json").stdout)["accounts"]
    assert (account["login_warning"], account["login_days_left"]) == (words, 7)
    done = user.run("refresh")
    assert (done.returncode, done.stderr) == (0, f"Warning: {words}\n")


def test_a_refresh_moves_the_plays_of_an_account_onto_the_clock_of_its_zone(user: User) -> None:
    user.log_in("mira")
    zone = {"SPOTIFY_TIMEZONE": "Europe/Berlin"}
    clocks = "select distinct substr(local_started_at, 24) from fct_plays"
    assert user.run("refresh", **zone).returncode == 0
    assert rows(user, clocks) == [("+01:00",)]
    command = ("accounts", "timezone", "mira", "Asia/Kathmandu")
    done = user.run(*command, **zone)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("Next: spotify-assets refresh\n")
    assert "fct_plays 50" in user.run("refresh", "--verbose", **zone).stdout
    assert rows(user, clocks) == [("+05:45",)]
    assert user.run("refresh", **zone).stdout.startswith("No new plays since")
    again = user.run(*command).stdout
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


@pytest.mark.parametrize("play_id", ["0000", "", "'; drop table loads; --", "zzz"])
def test_an_unknown_play_is_one_clear_line(refreshed_user: User, play_id: str) -> None:
    done = refreshed_user.run("trace", play_id)
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
    shown = refreshed_user.run("--help").stdout
    assert "\n    spotify-assets login       connect a Spotify account\n" in shown
    for command in ("login", "refresh", "trace", "quarantine", "sandbox"):
        assert "\\b" not in refreshed_user.run(command, "--help").stdout


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
    assert "spotify-assets login" in user.run("accounts").stdout
    assert "spotify-assets login" in user.run("view").stdout
    assert user.run("trace", "abc").returncode == 1
    assert user.run("nonsense").returncode == 2


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


def test_a_recorded_response_arrives_field_by_field(tmp_path: Path, samples: Path) -> None:
    """The sandbox serves a real response of Spotify; every field is in raw and in the fact."""
    recording = samples / "recently_played_tracks.json"
    items = json.loads(recording.read_text())["items"]
    with sandbox(recently_played=recording, now=None) as spotify:
        user = user_of(spotify.environment(), tmp_path / "user")
        user.log_in("mira")
        done = user.run("refresh")
    assert "48 read = 48 loaded + 0 duplicate + 0 quarantined + 0 ignored" in done.stdout
    kept = rows(user, "select payload from raw_recently_played order by played_at desc")
    assert [json.loads(str(payload)) for (payload,) in kept] == items
    facts = rows(
        user,
        "select api_played_at, ended_at, track_uri, track_name, artist_name, album_name, source"
        " from fct_plays order by ended_at desc",
    )
    assert facts == [
        (
            item["played_at"],
            item["played_at"],
            item["track"]["uri"],
            item["track"]["name"],
            item["track"]["artists"][0]["name"],
            item["track"]["album"]["name"],
            "api",
        )
        for item in items
    ]


def test_rows_in_quarantine_are_listed_and_tried_again(tmp_path: Path) -> None:
    """A recording of which one item is damaged; in between, what was damaged is believed again."""
    track = {"name": "x\x1b[2J", "artists": [{"name": "y"}], "duration_ms": 1}
    good = {"played_at": "2026-03-01T10:00:00.000Z", "track": track | {"uri": "spotify:track:1"}}
    bad = {"played_at": "2026-03-01T11:00:00.000Z", "track": track}
    recording = tmp_path / "page.json"
    recording.write_text(json.dumps({"items": [bad, good]}))
    with sandbox(recently_played=recording) as spotify:
        user = user_of(spotify.environment(), tmp_path / "user")
        assert user.run("quarantine").stdout == "Nothing is in quarantine.\n"
        user.log_in("mira")
        assert "2 read = 1 loaded + 0 duplicate + 1 quarantined" in user.run("refresh").stdout
        shown = user.run("quarantine", SPOTIFY_TIMEZONE="Europe/Berlin").stdout
        assert "x [2J" in shown
        assert "mira, ended 2026-03-01 12:00 CET" in shown
        assert "track uri: missing or null" in shown
        (row,) = json.loads(user.run("quarantine", "--json").stdout)["quarantined_rows"]
        assert (row["payload"], row["reasons"]) == (bad, ["track_uri: missing or null"])
        assert (row["times_seen"], row["first_load_id"], row["last_load_id"]) == (1, 1, 1)

        before = contents(user.settings.warehouse_path, without=())
        done = user.run("quarantine", "retry")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.endswith("1 read = 0 loaded + 0 duplicate + 1 quarantined + 0 ignored\n")
        assert contents(user.settings.warehouse_path, without=()) == before

        # As an earlier version would have stored what today's contract accepts.
        with closing(sqlite3.connect(user.settings.warehouse_path)) as connection, connection:
            mended = json.dumps(
                bad | {"track": track | {"uri": "spotify:track:2"}}, ensure_ascii=False
            )
            digest = hashlib.sha256(mended.encode()).hexdigest()
            change = "update quarantined_rows set payload = ?, payload_hash = ?"
            connection.execute(change, (mended, digest))
        answer = json.loads(user.run("quarantine", "retry", "--json").stdout)
        assert (answer["rows_read"], answer["rows_loaded"]) == (1, 1)
        assert [account["account_id"] for account in answer["accounts"]] == ["mira"]
        assert json.loads(user.run("quarantine", "--json").stdout) == {"quarantined_rows": []}
        assert user.run("refresh").returncode == 0
        assert rows(user, "select count(*) from fct_plays") == [(2,)]
