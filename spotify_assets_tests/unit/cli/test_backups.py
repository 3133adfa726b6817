"""`backup` and `restore` where something is wrong: with what was typed, or with the database."""

import json
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from spotify_assets.cli import main
from spotify_assets_tests.unit.spotify.export.downloads import rows_of


@pytest.mark.parametrize(
    "arguments", [["--to", ""], ["--to=  "], [""], ["", "--yes"], ["--to", "", "--json"]]
)
def test_an_empty_name_or_folder_is_wrong_usage_and_says_what_to_write(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPOTIFY_ASSETS_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["restore", *arguments])
    assert (done.exit_code, done.stdout) == (2, "")
    assert "it is empty" in done.stderr
    assert "spotify-assets restore" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["folder", "pipe"])
@pytest.mark.parametrize("name", ["spotify.db", "state.db"])
@pytest.mark.parametrize("command", ["status", "backup"])
def test_what_is_no_file_in_a_databases_place_is_named_at_once(
    kind: str, name: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "data" / name
    path.parent.mkdir()
    path.mkdir() if kind == "folder" else os.mkfifo(path)
    monkeypatch.setenv("SPOTIFY_ASSETS_DATA", str(path.parent))
    done = CliRunner().invoke(main, [command])
    assert done.exit_code == 1
    assert "It is no file, and a database is one" in done.stderr
    assert str(path) in done.stderr


def test_an_older_database_under_a_newer_log_is_called_damaged_and_the_backup_brings_all_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut leaves SQLite's log full, and somebody copies an older spotify.db there."""
    data = tmp_path / "data"
    database, log = data / "spotify.db", data / "spotify.db-wal"
    monkeypatch.setenv("SPOTIFY_ASSETS_DATA", str(data))

    def run(*arguments: str, fails: bool = False) -> str:
        done = CliRunner().invoke(main, arguments)
        assert done.exit_code == int(fails), done.output
        return done.output

    def load(name: str, *numbers: int) -> None:
        path = tmp_path / f"Streaming_History_Audio_{name}.json"
        path.write_text(json.dumps(rows_of(*numbers)))
        run("import", str(path), "--account", "mira", *(["--new"] if name == "2021" else []))

    load("2021", *range(50))
    shutil.copy(database, tmp_path / "older.db")
    load("2022", *range(50, 2000))
    run("backup")
    with closing(sqlite3.connect(database)) as reader:
        reader.execute("begin")
        reader.execute("select count(*) from sqlite_master").fetchone()
        load("2023", *range(2000, 3000))
        shutil.copy(log, tmp_path / "log")
    shutil.copy(tmp_path / "older.db", database)
    shutil.copy(tmp_path / "log", log)

    for command in ("status", "backup"):
        said = run(command, fails=True)
        assert "damaged" in said
        assert "spotify-assets restore" in said
    said = run("restore", "--yes")
    assert "nobody knows what came after that backup. Import the downloads" in said
    assert "2,000 rows of plays are here now" in said
    load("2023", *range(2000, 3000))
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("select count(*) from raw_streaming_history").fetchone() == (
            3000,
        )
