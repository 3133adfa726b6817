"""The demo in a clone of its own, beside a `.env` that would lead it astray."""

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from spotify_assets.settings import CHECKOUT
from spotify_assets_tests.support import contents


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The project's files, and somebody's own data beside them."""
    clone = tmp_path / "clone"
    ignored = shutil.ignore_patterns("__pycache__", "logs")
    for name in ("spotify_assets", "dbt_project", "dagster_home"):
        shutil.copytree(CHECKOUT / name, clone / name, ignore=ignored)
    for name in ("pyproject.toml", "workspace.yaml"):
        shutil.copy(CHECKOUT / name, clone)
    for name in ("data", "elsewhere", "home-of-dagster"):
        (clone / name).mkdir()
        (clone / name / "spotify.db").write_bytes(b"somebody's years of listening")
    own = clone / "dbt_project" / "models" / "custom" / "my_months.sql"
    own.parent.mkdir(exist_ok=True)
    own.write_text("select distinct month_start from {{ ref('dim_dates') }}")
    (clone / ".env").write_text(
        f"SPOTIFY_ASSETS_DATA={clone}/elsewhere\n"
        f"DAGSTER_HOME={clone}/home-of-dagster\n"
        f"SPOTIFY_ASSETS_DAGSTER={clone}/home-of-dagster\n"
        "SPOTIFY_API_URL=https://127.0.0.1:1/v1\n"
        "SPOTIFY_CLIENT_SECRET=wrong\n"
        "SPOTIFY_TIMEZONE=Nowhere/At_All\n"
        "PYTHONPATH=/nowhere\n"
    )
    return clone


def demo(clone: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "spotify_assets.cli", "demo"],
        cwd=clone,
        env={"PATH": os.environ["PATH"], "HOME": str(clone.parent), "PYTHONPATH": str(clone)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return done.stdout


def files_of(clone: Path) -> dict[str, bytes]:
    """All files of the clone but those that the demo may write."""
    own = (clone / "data" / "demo", clone / "dbt_project" / "target")
    return {
        str(path.relative_to(clone)): path.read_bytes()
        for path in clone.rglob("*")
        if path.is_file()
        and "__pycache__" not in path.parts
        and not any(path.is_relative_to(folder) for folder in own)
    }


def test_the_demo_shows_everything_and_a_second_one_finds_nothing_new(clone: Path) -> None:
    before = files_of(clone)
    shown = demo(clone)
    assert "Accounts: jonas, mira" in shown
    assert "100 read = 100 loaded + 0 duplicate + 0 quarantined + 0 ignored" in shown
    (exported,) = re.findall(
        r"^([\d,]+) read = .* 0 quarantined \+ 0 ignored$\n\nAcc", shown, re.MULTILINE
    )
    assert int(exported.replace(",", "")) > 5_000
    (plays,) = re.findall(r"fct_plays ([\d,]+)", shown)
    assert int(plays.replace(",", "")) > 5_000
    (pairs,) = re.findall(r"int_plays_matched (\d+)", shown)
    assert 0 < int(pairs) < 50  # the export ends an hour before the last play
    (checks,) = re.findall(r"Checks: (\d+) passed, 0 did not", shown)
    assert int(checks) >= 65
    assert "Backed up to spotify-0001-" in shown
    assert "Restored it beside, compared it with the warehouse, built its models: passed" in shown
    assert "make demo-ui" in shown
    with closing(sqlite3.connect(clone / "data" / "demo" / "spotify.db")) as connection:
        query = "select count(*) > 1 from my_months"  # a model of the user's own
        assert connection.execute(query).fetchone() == (1,)
    kept = contents(clone / "data" / "demo" / "spotify.db", without=())
    again = demo(clone)
    assert "No new plays since" in again
    assert contents(clone / "data" / "demo" / "spotify.db", without=()) == kept
    assert files_of(clone) == before
