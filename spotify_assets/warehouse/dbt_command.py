"""The command `spotify-assets-dbt`: dbt as the project's runs start it.

It answers `--version` from package metadata, where importing dbt takes 3.5 s of every run, and
otherwise holds a lock for as long as dbt lives: dbt survives a killed parent and goes on writing.
"""

import os
import sys
from importlib.metadata import version
from typing import NoReturn

from spotify_assets.settings import Settings
from spotify_assets.warehouse.lock import dbt_lock


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


def _run_dbt() -> NoReturn:
    from dbt.cli.main import cli

    sys.exit(cli())
