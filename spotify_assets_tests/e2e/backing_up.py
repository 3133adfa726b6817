"""Data folders that have a backup and have lived on since, and everything that is in them."""

import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from spotify_assets.sandbox.server import Sandbox
from spotify_assets.spotify.landing import look_at_all
from spotify_assets.spotify.retrying import Retrying
from spotify_assets.spotify.state import State
from spotify_assets.warehouse.backups.folder import Backup, newest_backup
from spotify_assets.warehouse.backups.making import back_up
from spotify_assets.warehouse.dbt_command import run_models
from spotify_assets_tests.models.building import ingest
from spotify_assets_tests.support import User

CLOCKS = ("loaded_at", "restored_at", "built_at")  # columns that differ between equal runs
Rows = dict[str, list[tuple[Any, ...]]]


def everything(path: Path, *, without: tuple[str, ...] = CLOCKS) -> Rows:
    """All rows of all tables of a database, each table in a fixed order."""
    tables = {}
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        query = "select name from sqlite_master where type = 'table' and name not like 'sqlite_%'"
        for (name,) in connection.execute(query).fetchall():
            rows = connection.execute(f'select * from "{name}"')
            columns = [column[0] for column in rows.description]
            kept = [i for i, column in enumerate(columns) if column not in without]
            tables[name] = sorted((tuple(row[i] for i in kept) for row in rows), key=repr)
    return tables


def newest(user: User) -> Backup:
    """The newest good backup of a user, who has one."""
    backup = newest_backup(user.settings.backups)
    assert backup is not None
    return backup


def copied(user: User, folder: Path) -> User:
    """Somebody with a copy of a user's data."""
    data = Path(shutil.copytree(user.settings.data, folder / "data"))
    return User(replace(user.settings, data=data))


def back_up_and_live_on(user: User, spotify: Sandbox, *listeners: str) -> None:
    """A backup of a modelled warehouse; since then the data differ from it in every way.

    Plays were loaded whose page is no longer kept, so that a restore loses them; a page was landed
    and not loaded; and the backup's own pages are kept no longer, so that it brings them back.
    """
    settings, state = user.settings, State(user.settings.state_path)
    user.log_in(*listeners)
    ingest(settings)
    assert run_models(settings, "run") is None
    assert back_up(settings)
    spotify.clock.advance(timedelta(hours=1))
    ingest(settings)
    spotify.clock.advance(timedelta(hours=24))
    look_at_all(settings, state, Retrying.patient())
    pages = [page for page in map(state.page, state.page_ids()) if page]
    state.prune_pages(pages[-1].landed_at)
    assert len(state.page_ids()) == len(listeners) < len(pages)
