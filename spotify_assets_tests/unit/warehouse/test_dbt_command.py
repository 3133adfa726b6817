"""The command that runs dbt: its version at once, and a lock for as long as dbt lives."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from spotify_assets.settings import Settings

# A dbt that says who holds the lock while it runs, and which data it would write.
DBT = """
import fcntl, os, sys
from pathlib import Path
def cli():
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


def run(settings: Settings, path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", RUN, *arguments],
        env={**settings.environment(), "PYTHONPATH": str(path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


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
    [(["build", "--select", "fct_plays"], "held"), (["run"], "held"), (["parse"], "free")],
)
def test_dbt_holds_a_lock_while_it_may_write(
    arguments: list[str], lock: str, settings: Settings, path_of_dbt: Path
) -> None:
    done = run(settings, path_of_dbt, *arguments)
    assert done.stdout.split() == [lock, *arguments], done.stderr
    assert done.returncode == 3  # dbt's own


def test_dbt_finds_the_folders_that_it_needs(settings: Settings, path_of_dbt: Path) -> None:
    run(settings, path_of_dbt, "build")
    assert settings.dbt_schemas.is_dir()
    assert not list(settings.dbt_schemas.iterdir())
