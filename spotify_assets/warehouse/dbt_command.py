"""The command `spotify-assets-dbt`: dbt as the project's runs start it.

It answers `--version` from package metadata, where importing dbt takes 3.5 s of every run, and
otherwise holds a lock for as long as dbt lives: dbt survives a killed parent and goes on writing.
"""

import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn

from spotify_assets.settings import CHECKOUT, Settings
from spotify_assets.warehouse.lock import dbt_lock

PROJECT_DIR = CHECKOUT / "dbt_project"


def main() -> None:
    """Run dbt with this process's arguments."""
    if sys.argv[1:] == ["--version"]:
        print(f"Core:\n  - installed: {version('dbt-core')}")
        return
    settings = Settings.load()
    os.environ.update(settings.environment())
    if sys.argv[1:2] == ["parse"]:  # touches no database, and happens where there is none yet
        _run_dbt()
    settings.dbt_schemas.mkdir(parents=True, exist_ok=True)
    with dbt_lock(settings.locks):  # before the import, which takes seconds
        _run_dbt()


def dbt_executable() -> str:
    """The command by which this project runs dbt, beside this Python.

    Raises:
        RuntimeError: the project is not installed.
    """
    found = shutil.which("spotify-assets-dbt", path=Path(sys.executable).parent)
    if found is None:
        raise RuntimeError("The project is not installed. Run: pip install --no-deps -e .")
    return found


def run_models(settings: Settings, *arguments: str) -> str | None:
    """Run dbt on the warehouse of these settings, in a process of its own and without Dagster.

    Args:
        settings: of the folder in which the warehouse lies; artifacts go there, too.
        arguments: of dbt, such as `build`.

    Returns:
        What dbt said where it failed, or None.
    """
    target = settings.dbt_target
    target.mkdir(parents=True, exist_ok=True)
    project = ("--project-dir", PROJECT_DIR, "--profiles-dir", PROJECT_DIR)
    artifacts = ("--target-path", target, "--log-path", target)
    done = subprocess.run(
        [dbt_executable(), *arguments, *project, *artifacts, "--quiet", "--no-use-colors"],
        env={**os.environ, **settings.environment()},
        cwd=PROJECT_DIR,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return None
    return (done.stdout or done.stderr).strip() or f"dbt ended with {done.returncode}"


def _run_dbt() -> NoReturn:
    from dbt.cli.main import cli

    sys.exit(cli())
