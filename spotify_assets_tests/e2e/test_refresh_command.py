"""What a refresh comes to: real processes, each with a real Dagster run of its own."""

import hashlib
import json
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from spotify_assets import times
from spotify_assets.defs.refreshing import open_instance
from spotify_assets.settings import CHECKOUT
from spotify_assets.spotify.state import State
from spotify_assets_tests.support import User, contents, sandbox, user_of

ACCOUNTING = re.compile(
    r"^([\d,]+) read = ([\d,]+) loaded \+ ([\d,]+) duplicate \+ ([\d,]+) quarantined"
    r" \+ ([\d,]+) ignored$",
    re.MULTILINE,
)


def rows(user: User, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(user.settings.warehouse_path)) as connection:
        return connection.execute(query).fetchall()


def test_models_are_built_without_any_login_and_follow_with_the_first_plays(user: User) -> None:
    done = user.run("refresh")
    assert done.returncode == 0
    assert "To collect new plays: spotify-assets login" in done.stdout
    assert "The models are up to date, with 0 plays in all." in done.stdout
    assert ACCOUNTING.search(done.stdout)
    assert rows(user, "select count(*) from mart_top_tracks") == [(0,)]
    user.log_in("mira")
    assert user.run("refresh").returncode == 0
    assert rows(user, "select sum(plays) from mart_top_tracks where period = 'all'") == [(50,)]


def test_one_account_that_fails_does_not_stop_the_others(user: User) -> None:
    user.log_in("mira", "jonas")
    (user.settings.tokens / "jonas.json").write_text("broken")
    done = user.run("refresh", "--verbose")
    assert done.returncode == 1
    assert re.search(
        r"^mira: 50 new plays, the newest .* by .*, ended 2026-", done.stdout, re.MULTILINE
    )
    assert re.search(r"Checks: 75 passed, 2 did not", done.stdout)  # the plays are old, too
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


def test_a_broken_model_of_the_users_own_is_a_clear_error_and_costs_no_poll(
    user: User, tmp_path: Path
) -> None:
    checkout = tmp_path / "checkout"
    ignored = shutil.ignore_patterns("__pycache__", "logs", "custom")
    for name in ("spotify_assets", "dbt_project"):
        shutil.copytree(CHECKOUT / name, checkout / name, ignore=ignored)
    shutil.copy(CHECKOUT / "workspace.yaml", checkout)
    own = checkout / "dbt_project" / "models" / "custom" / "broken.sql"
    own.parent.mkdir()
    own.write_text("select * from {{ ref('nope') }}")
    user.log_in("mira")

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "spotify_assets.cli", *arguments],
            cwd=tmp_path,
            env=user.environment | {"PYTHONPATH": str(checkout)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    error = [
        "Error: dbt cannot read the models and tests:",
        "Compilation Error",
        (
            "  Model 'model.spotify.broken' (models/custom/broken.sql) depends on a node named "
            "'nope' which was not found"
        ),
        (
            f"Mend that file or move it away. Your own ones are in {own.parent} and "
            f"{checkout / 'dbt_project' / 'tests' / 'custom'}."
        ),
    ]
    done = run("refresh")
    kept = "What was collected is kept; once that is done, refresh models it."
    assert (done.returncode, done.stdout, done.stderr.splitlines()) == (1, "", [*error, kept])
    assert (user.settings.data / "refresh.log").read_text().startswith("dbt cannot read the models")
    assert len(State(user.settings.state_path).page_ids()) == 1
    own.write_text("select track_key from {{ ref('fct_plays') }}")
    assert run("refresh").returncode == 0
    assert rows(user, "select count(*) from fct_plays") == [(50,)]
    assert rows(user, "select count(*) from broken") == [(50,)]
    assert len(State(user.settings.state_path).page_ids()) == 1


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
        assert user.call("quarantine").stdout == "Nothing is in quarantine.\n"
        user.log_in("mira")
        assert "2 read = 1 loaded + 0 duplicate + 1 quarantined" in user.run("refresh").stdout
        shown = user.call("quarantine", SPOTIFY_TIMEZONE="Europe/Berlin").stdout
        assert "x [2J" in shown
        assert "mira, ended 2026-03-01 12:00 CET" in shown
        assert "track uri: missing or null" in shown
        (row,) = json.loads(user.call("quarantine", "--json").stdout)["quarantined_rows"]
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
        answer = json.loads(user.call("quarantine", "retry", "--json").stdout)
        assert (answer["rows_read"], answer["rows_loaded"]) == (1, 1)
        assert [account["account_id"] for account in answer["accounts"]] == ["mira"]
        assert json.loads(user.call("quarantine", "--json").stdout) == {"quarantined_rows": []}
        assert user.run("refresh").returncode == 0
        assert rows(user, "select count(*) from fct_plays") == [(2,)]


def test_the_run_carries_pictures_of_its_assets(
    refreshed_user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = refreshed_user.settings
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    with open_instance(settings) as instance:

        def shown(*path: str) -> dict[str, str]:
            event = instance.get_latest_materialization_event(dg.AssetKey(path))
            assert event is not None
            assert event.asset_materialization is not None
            return {
                name: str(entry.value)
                for name, entry in event.asset_materialization.metadata.items()
                if isinstance(entry, dg.MarkdownMetadataValue)
            }

        charted = {"at_a_glance", "chart"}
        assert shown("raw", "recently_played").keys() == charted
        assert shown("mart_listening_clock").keys() == charted
        for kind in ("artists", "tracks", "albums"):
            top = shown(f"mart_top_{kind}")
            assert top.keys() == {"top_ten (jonas)", "top_ten (mira)"}
            assert all("█" * 20 in text for text in top.values())
        assert shown("fct_plays") == {}
