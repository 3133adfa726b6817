"""The demo in a clone of its own, beside a `.env` that would lead it astray."""

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from spotify_assets.covers.folder import CoverFolder
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


def demo(clone: Path) -> tuple[str, str]:
    """Run the demo; what it prints, and what it warns of."""
    done = subprocess.run(
        [sys.executable, "-m", "spotify_assets.cli", "demo"],
        cwd=clone,
        env={"PATH": os.environ["PATH"], "HOME": str(clone.parent), "PYTHONPATH": str(clone)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, done.stderr


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


class Shown:
    """The demo's warehouse, read only."""

    def __init__(self, clone: Path) -> None:
        self._path = clone / "data" / "demo" / "spotify.db"

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(f"{self._path.as_uri()}?mode=ro", uri=True)) as connection:
            return connection.execute(query).fetchall()

    def marts(self) -> list[str]:
        kinds = "select name from sqlite_master where type in ('table', 'view')"
        return [name for (name,) in self.rows(f"{kinds} and name like 'mart!_%' escape '!'")]


def assert_that_a_person_listened(shown: Shown) -> None:
    """Years of somebody who sleeps, works and has weekends, told by both sources."""
    assert len(shown.marts()) >= 15
    assert [name for name in shown.marts() if not shown.rows(f"select 1 from {name}")] == []
    sources = dict(shown.rows("select source, count(*) from fct_plays group by source"))
    assert sources["export"] > 20_000
    assert sources["api"] > 100
    assert sources["both"] > 50
    assert shown.rows("select count(*) from quarantined_rows") > [(0,)]
    assert shown.rows("select count(*) from mart_coverage where open_gaps > 0") > [(0,)]
    days = shown.rows(
        "select plays, ms_played / 3600000.0 from mart_listening_by_day where account_id = 'mira'"
    )
    assert len(days) > 2 * 365
    assert 1 < median(hours for _, hours in days) < 5
    assert max(hours for _, hours in days) < 16
    assert 0.03 < sum(plays == 0 for plays, _ in days) / len(days) < 0.3
    clock: dict[bool, Counter[int]] = {False: Counter(), True: Counter()}
    for weekday, hour, plays in shown.rows(
        "select local_weekday, local_hour, plays from mart_listening_clock"
        " where account_id = 'mira'"
    ):
        clock[weekday > 5][hour] += plays
    weekdays, weekends = clock[False], clock[True]
    at_night = sum((weekdays + weekends)[hour] for hour in (3, 4, 5))
    assert at_night < 0.05 * (weekdays + weekends).total()
    assert weekdays[8] / weekdays.total() > 3 * weekends[8] / weekends.total()
    (longest,) = shown.rows("select max(days) from mart_streaks")
    assert 7 <= longest[0] < 365
    assert shown.rows("select count(*) from mart_returns where days_away > 365") > [(1,)]


def assert_that_albums_have_covers(shown: Shown, folder: Path) -> None:
    """Those that were played more than now and then; of others Spotify may not know the track."""
    query = "select album_key from mart_top_albums where period = 'all' and plays > 20"
    keys = {key for (key,) in shown.rows(query)}
    assert len(keys) > 50
    assert all(len(CoverFolder(folder).names(key)) == 2 for key in keys)


def test_the_demo_shows_a_person_and_a_second_one_finds_nothing_new(clone: Path) -> None:
    before = files_of(clone)
    shown, warned = demo(clone)
    gaps = Counter(re.findall(r"(\w+): at most [\d,]+ plays may be lost", warned))
    assert gaps["mira"] == 1
    assert gaps["jonas"] <= 1  # he may have listened less
    assert "Accounts: jonas, mira" in shown
    (exported,) = re.findall(
        r"^([\d,]+) read = .* 0 quarantined \+ 0 ignored$\n\nAcc", shown, re.MULTILINE
    )
    assert int(exported.replace(",", "")) > 20_000
    (passed, failed) = re.findall(r"Checks: (\d+) passed, (\d+) did not", shown)[0]
    assert int(passed) >= 65
    assert int(failed) == 2
    assert "On purpose, coverage and contract warn" in shown
    assert "Backed up to spotify-0001-" in shown
    assert "Restored it beside, compared it with the warehouse, built its models: passed" in shown
    (report,) = re.findall(r"A year in review, to open in a browser: (.+)", shown)
    assert Path(report).parent == clone / "data" / "demo" / "reports"
    assert "year of listening" in Path(report).read_text("utf-8")
    assert "make demo-ui" in shown
    assert_that_a_person_listened(Shown(clone))
    assert_that_albums_have_covers(Shown(clone), clone / "data" / "demo" / "covers")
    # A model of the user's own.
    assert Shown(clone).rows("select count(*) > 1 from my_months") == [(1,)]
    kept = contents(clone / "data" / "demo" / "spotify.db", without=())
    again, warned = demo(clone)
    assert warned == ""
    assert "No new plays since" in again
    assert contents(clone / "data" / "demo" / "spotify.db", without=()) == kept
    assert files_of(clone) == before
