"""`import` as a person and a program use it: real processes, before any login and at Ctrl-C."""

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from sqlalchemy import text

from spotify_assets.sandbox import export
from spotify_assets.sandbox.browser import consent
from spotify_assets.sandbox.catalogue import Catalogue
from spotify_assets.sandbox.listener import Listener
from spotify_assets.warehouse.lock import writing
from spotify_assets.warehouse.warehouse import Warehouse
from spotify_assets_tests.support import NOW, User, wait_for
from spotify_assets_tests.unit.spotify.export.downloads import pack, rows_of

COUNTS = ("rows_read", "rows_loaded", "rows_duplicate", "rows_quarantined", "rows_ignored")
LONG = 30_000  # rows that take seconds


def counts(accounting: dict[str, Any]) -> tuple[int, ...]:
    return tuple(accounting[name] for name in COUNTS)


def imported(user: User, table: str = "raw_streaming_history") -> int:
    warehouse = Warehouse(user.settings.warehouse_path)
    return int(warehouse.read(text(f"select count(*) from {table}"))[0][0])


def only_account(user: User, command: str) -> dict[str, Any]:
    done = user.run(command, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    (account,) = json.loads(done.stdout)["accounts"]
    return dict(account)


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a listener of the sandbox downloads, in several files."""
    monkeypatch.setattr(export, "EXTENDED_ROWS_IN_A_FILE", 200)
    path = tmp_path / "my_spotify_data.zip"
    mira = Listener("mira", Catalogue(2026), 2026)
    export.write_extended(path, mira, NOW - timedelta(days=20), NOW)
    return path


def test_plays_are_imported_modelled_shown_and_traced_before_any_login(
    user: User, archive: Path
) -> None:
    done = user.run("import", str(archive), "--account", "kitchen", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    answer = json.loads(done.stdout)  # one object and nothing else
    assert done.stdout.count("\n") == 1
    assert (answer["account_id"], answer["unknown_files"]) == ("kitchen", [])
    files = answer["files"]
    assert len(files) > 2
    assert {file["package"] for file in files} == {"my_spotify_data.zip"}
    assert [file["error"] for file in files] == [None] * len(files)
    assert counts(answer) == tuple(map(sum, zip(*map(counts, files), strict=True)))
    assert counts(answer)[0] == sum(counts(answer)[1:])
    assert imported(user) == answer["rows_loaded"] > 200
    assert "not in the models yet. Run: spotify-assets refresh" in user.run("view").stdout

    done = user.run("refresh")
    assert (done.returncode, done.stderr) == (0, "")
    shown = user.run("view", "--limit", "5")
    assert (shown.returncode, shown.stdout.count("kitchen")) == (0, 5)
    traced = user.run("trace", re.findall(r"[0-9a-f]{20}", shown.stdout)[0])
    assert (traced.returncode, traced.stderr) == (0, "")
    assert "Raw row (raw_streaming_history)" in traced.stdout
    assert any(file["file"] in traced.stdout for file in files)
    standing = only_account(user, "status")
    assert (standing["account_id"], standing["last_look_at"]) == ("kitchen", None)
    account = only_account(user, "accounts")
    assert (account["account_id"], account["spotify_id"]) == ("kitchen", None)
    assert (account["login_days_left"], account["needs_login"]) == (None, False)
    for command in ("status", "accounts"):
        assert "kitchen" in user.run(command).stdout

    process = user.start("login", "--account", "kitchen")
    assert process.stdout is not None
    consent(next(line.strip() for line in process.stdout if "/authorize?" in line), "mira")
    said, complaints = process.communicate(timeout=60)
    assert (process.returncode, complaints) == (0, "")
    assert "Connected kitchen" in said
    attached = only_account(user, "accounts")
    assert (attached["account_id"], bool(attached["spotify_id"])) == ("kitchen", True)
    assert (user.settings.tokens / "kitchen.json").exists()
    again = json.loads(user.run("import", str(archive), "--json").stdout)
    assert (again["account_id"], again["rows_loaded"]) == ("kitchen", 0)
    assert again["rows_duplicate"] == again["rows_read"] - again["rows_quarantined"]


def test_a_bad_file_is_one_clear_line_and_the_others_are_loaded(user: User, tmp_path: Path) -> None:
    members: dict[str, object] = {
        "endsong_0.json": rows_of(*range(30)),
        "endsong_1.json": json.dumps(rows_of(*range(30, 60))).encode()[:-9],
        "endsong_2.json": rows_of(*range(60, 90)),
    }
    path = str(pack(tmp_path / "my.zip", members))
    done = user.run("import", path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Say whose plays these are: --account NAME" in done.stderr
    done = user.run("import", path, "--account", "mira", "--json")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: my.zip: endsong_1.json: ")
    answer = json.loads(done.stdout)
    assert [bool(file["error"]) for file in answer["files"]] == [False, True, False]
    assert [file["rows_loaded"] for file in answer["files"]] == [30, 0, 30]
    assert imported(user) == answer["rows_loaded"] == 60


# Ctrl-C


@contextmanager
def importing(user: User, path: Path, *options: str) -> Iterator["subprocess.Popen[str]"]:
    with user.start("import", str(path), "--account", "mira", *options) as process:
        try:
            yield process
        finally:
            process.kill()


def ctrl_c(process: "subprocess.Popen[str]") -> tuple[str, str]:
    process.send_signal(signal.SIGINT)
    said, complaints = process.communicate(timeout=120)
    assert process.returncode == 1, complaints
    assert "Traceback" not in complaints
    assert complaints.splitlines()[-1] == (
        "Interrupted: what is listed above is done. The same command goes on."
    )
    return said, complaints


def is_loading(user: User, file: str) -> bool:
    holder = user.settings.locks / "writer.holder"
    return holder.exists() and f"the import of {file} " in holder.read_text()


def test_ctrl_c_in_the_second_file_says_that_the_first_is_done_and_again_completes(
    user: User, tmp_path: Path
) -> None:
    members = {
        "endsong_0.json": rows_of(*range(40)),
        "endsong_1.json": rows_of(*range(40, 40 + LONG)),
        "endsong_2.json": rows_of(*range(35)),
    }
    path = pack(tmp_path / "my.zip", members)
    with importing(user, path) as process:
        wait_for(lambda: is_loading(user, "endsong_1.json"))
        said, complaints = ctrl_c(process)
    first = "40 read = 40 loaded + 0 duplicate + 0 quarantined + 0 ignored"
    assert f"endsong_0.json: {first}" in said.splitlines()
    assert said.splitlines()[-2] == first
    assert "endsong_1" not in said
    assert len(complaints.splitlines()) == 1
    assert imported(user) == 40

    answer = json.loads(user.run("import", str(path), "--json").stdout)
    assert [file["rows_loaded"] for file in answer["files"]] == [0, LONG, 0]
    assert imported(user) == 40 + LONG


def test_ctrl_c_ends_an_import_that_waits_for_another_writer(user: User, tmp_path: Path) -> None:
    path = pack(tmp_path / "my.zip", {"endsong_0.json": rows_of(*range(5))})
    with writing(user.settings.locks, "a test"), importing(user, path, "--json") as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("Waiting for a test (process ")
        said, _ = ctrl_c(process)
    assert (json.loads(said)["rows_read"], json.loads(said)["files"]) == (0, [])
    assert user.run("import", str(path), "--account", "mira").returncode == 0
    assert imported(user) == 5


def test_ctrl_c_once_all_is_loaded_says_so(user: User, tmp_path: Path) -> None:
    """Dagster is yet to be told, which takes seconds."""
    path = pack(tmp_path / "my.zip", {"endsong_0.json": rows_of(*range(5))})
    user.settings.locks.mkdir()
    with (
        FileLock(user.settings.locks / "dagster-storage.lock"),
        importing(user, path, "--json") as process,
    ):
        wait_for(lambda: Warehouse(user.settings.warehouse_path).has_table("export_packages"))
        wait_for(lambda: imported(user, "export_packages") == 1)
        said, _ = ctrl_c(process)
    assert json.loads(said)["rows_loaded"] == 5
