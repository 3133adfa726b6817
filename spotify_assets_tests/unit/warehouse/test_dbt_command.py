"""The command that runs dbt: its version at once, its settings, and a lock while dbt lives."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from spotify_assets.settings import CHECKOUT, Settings
from spotify_assets.warehouse.dbt_command import PROJECT_DIR
from spotify_assets.warehouse.warehouse import Warehouse

# A dbt that says whether somebody holds the lock while it runs, and what its process sees.
DBT = """
import fcntl, json, os, sys
from pathlib import Path
def cli():
    seen = {"cwd": os.getcwd(), "arguments": sys.argv[1:], **os.environ}
    Path(os.environ["SEEN"]).write_text(json.dumps(seen))
    lock = Path(os.environ["SPOTIFY_ASSETS_DATA"]) / "locks" / "dbt.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a") as file:

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            print("free", *sys.argv[1:])
        except BlockingIOError:
            print("held", *sys.argv[1:])
    sys.exit(3)
"""
RUN = "from spotify_assets.warehouse.dbt_command import main; main()"


@pytest.fixture
def path_of_dbt(tmp_path: Path) -> Path:
    package = tmp_path / "fake" / "dbt" / "cli"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").touch()
    (package / "main.py").write_text(DBT, "utf-8")
    return tmp_path / "fake"


def run(
    settings: Settings, path: Path, *arguments: str, cwd: Path = CHECKOUT, **variables: str
) -> subprocess.CompletedProcess[str]:
    seen = {"PYTHONPATH": str(path), "SEEN": str(path / "seen.json")}
    return subprocess.run(
        [sys.executable, "-c", RUN, *arguments],
        env={**settings.environment(), **seen, **variables},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def seen_by_dbt(path: Path) -> dict[str, Any]:
    seen: dict[str, Any] = json.loads((path / "seen.json").read_text("utf-8"))
    return seen


def test_the_version_is_answered_without_dbt(settings: Settings, tmp_path: Path) -> None:
    # Importing dbt takes 3.5 s, and dagster-dbt asks at the start of every run.
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "dbt.py").write_text("raise SystemExit('dbt was imported')", "utf-8")
    done = run(settings, broken, "--version")
    assert done.returncode == 0, done.stderr
    assert f"installed: {version('dbt-core')}" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "lock"),
    [
        (["build", "--select", "fct_plays"], "held"),
        (["--quiet", "run"], "held"),
        (["parse"], "free"),
        (["docs", "serve"], "free"),  # until Ctrl-C, while others write
    ],
)
def test_dbt_holds_a_lock_while_it_may_write(
    arguments: list[str], lock: str, warehouse: Warehouse, settings: Settings, path_of_dbt: Path
) -> None:
    warehouse.writer()
    done = run(settings, path_of_dbt, *arguments)
    assert done.stdout.split() == [lock, *arguments], done.stderr
    assert done.returncode == 3  # dbt's own


def test_dbt_has_the_same_profile_for_every_data_folder(
    warehouse: Warehouse, settings: Settings, path_of_dbt: Path
) -> None:
    """Otherwise it parses all files anew in each: 3 s of the first run, and of each drill."""
    warehouse.writer()
    run(settings, path_of_dbt, "build")
    seen = seen_by_dbt(path_of_dbt)
    assert seen["cwd"] == str(settings.data)
    assert seen["SPOTIFY_ASSETS_DBT_DATA"] == "."
    assert seen["DBT_PROJECT_DIR"] == seen["DBT_PROFILES_DIR"] == str(PROJECT_DIR)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["build", "--project-dir", "here"], ["build", "--project-dir", "{}/here"]),
        (["build", "--state=here/then"], ["build", "--state={}/here/then"]),
        (["--log-path", "/tmp/x", "run"], ["--log-path", "/tmp/x", "run"]),
        (["show", "--inline", "select 1"], ["show", "--inline", "select 1"]),
    ],
)
def test_a_path_given_to_dbt_is_relative_to_where_the_user_is(
    arguments: list[str],
    expected: list[str],
    warehouse: Warehouse,
    settings: Settings,
    path_of_dbt: Path,
    tmp_path: Path,
) -> None:
    warehouse.writer()
    run(settings, path_of_dbt, *arguments, cwd=tmp_path, DBT_PROFILES_DIR="mine")
    seen = seen_by_dbt(path_of_dbt)
    assert seen["arguments"] == [word.replace("{}", str(tmp_path)) for word in expected]
    assert seen["DBT_PROFILES_DIR"] == str(tmp_path / "mine")


@pytest.mark.parametrize("is_empty", [False, True])
def test_dbt_before_the_first_load_says_so_and_leaves_no_database(
    is_empty: bool, settings: Settings, path_of_dbt: Path
) -> None:
    if is_empty:  # as dbt itself leaves one
        settings.make_data_folder()
        settings.warehouse_path.touch()
    done = run(settings, path_of_dbt, "docs", "generate")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"Error: Nothing is stored in {settings.data} yet. "
        "Load something first: spotify-assets refresh\n"
    )
    assert settings.warehouse_path.exists() == is_empty


def test_a_setting_that_cannot_work_is_one_line(settings: Settings, path_of_dbt: Path) -> None:
    done = run(settings, path_of_dbt, "build", SPOTIFY_TIMEZONE="Mars")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: SPOTIFY_TIMEZONE is 'Mars'")
    assert "Traceback" not in done.stderr
