"""The command `spotify-assets-dbt`: dbt with the settings of this project, as its runs start it.

It answers `--version` from package metadata, because importing dbt takes 3.5 s of every run.
Otherwise it holds a lock while dbt lives: dbt survives a killed parent and goes on writing.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn

from spotify_assets.settings import CHECKOUT, Settings, SettingsError, keep_to_ourselves
from spotify_assets.warehouse.lock import dbt_lock

PROJECT_DIR = CHECKOUT / "dbt_project"

# The manifest that Dagster reads, and what dbt parsed to make it. Not in `target` itself, where dbt
# by hand writes: its profile names other paths, and what it parsed serves only its data folder.
PARSED_DIR = PROJECT_DIR / "target" / "dagster"
PARSED_FILE = "partial_parse.msgpack"


# Commands that open no database, so they need none and no lock. `docs serve` runs until Ctrl-C.
WITHOUT_WAREHOUSE = ("parse", "list", "ls", "deps", "clean", "init", "docs serve")
NO_JSON = ("--no-write-json",)  # writing manifest and results takes a second
PATH_OPTIONS = ("--project-dir", "--profiles-dir", "--state", "--defer-state", "--log-path")


class ModelsError(Exception):
    """Dbt cannot read the models and tests; the message holds its own words and what helps."""


def main() -> None:
    """Run dbt with this process's arguments, in the data folder."""
    keep_to_ourselves()
    arguments = sys.argv[1:]
    if arguments == ["--version"]:
        print(f"Core:\n  - installed: {version('dbt-core')}")
        return
    try:
        settings = Settings.load()
    except SettingsError as error:
        sys.exit(f"Error: {error}")
    sys.argv[1:] = with_absolute_paths(arguments)
    os.environ.update(dbt_environment(settings, os.environ))
    if not needs_warehouse(arguments):
        _run_dbt()
    if not settings.warehouse_path.is_file() or settings.warehouse_path.stat().st_size == 0:
        # dbt would create an empty database, and then say which table it misses.
        sys.exit(
            f"Error: Nothing is stored in {settings.data} yet. "
            "Load something first: spotify-assets refresh"
        )
    os.chdir(settings.data)
    with dbt_lock(settings.locks):  # before the import, which takes seconds
        _run_dbt()


def needs_warehouse(arguments: Sequence[str]) -> bool:
    """Whether dbt opens the database for these arguments."""
    words = [argument for argument in arguments if not argument.startswith("-")]
    asks_for_help = not words or "--help" in arguments or "-h" in arguments
    return not (
        asks_for_help or words[0] in WITHOUT_WAREHOUSE or " ".join(words[:2]) in WITHOUT_WAREHOUSE
    )


def with_absolute_paths(arguments: Sequence[str]) -> list[str]:
    """The same arguments for a process in another folder."""
    changed = []
    for before, argument in zip(["", *arguments], arguments, strict=False):
        option, equals, path = argument.partition("=")
        if before in PATH_OPTIONS:
            changed.append(str(Path(argument).absolute()))
        elif equals and option in PATH_OPTIONS:
            changed.append(f"{option}={Path(path).absolute()}")
        else:
            changed.append(argument)
    return changed


def dbt_environment(settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of a dbt process whose working directory is the data folder.

    Every data folder has the same profile then, so dbt uses for all of them what it parsed once.
    """
    folders = ("DBT_PROJECT_DIR", "DBT_PROFILES_DIR")
    return {
        **settings.environment(),
        **{name: str(Path(environ.get(name, PROJECT_DIR)).absolute()) for name in folders},
        "SPOTIFY_ASSETS_DBT_DATA": ".",
    }


def reuse_parsed_files(target: Path) -> None:
    """Let dbt start from what Dagster's manifest was made of; without it dbt parses for 3 s.

    Args:
        target: the folder of dbt's artifacts; what dbt parsed there before stays.
    """
    target.mkdir(parents=True, exist_ok=True)
    if not (target / PARSED_FILE).exists():
        with suppress(OSError):  # then dbt parses
            shutil.copyfile(PARSED_DIR / PARSED_FILE, target / PARSED_FILE)  # without its rights


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
    reuse_parsed_files(target)
    artifacts = ("--target-path", target, "--log-path", target)
    done = subprocess.run(
        [dbt_executable(), *arguments, *artifacts, *NO_JSON, "--quiet", "--no-use-colors"],
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
