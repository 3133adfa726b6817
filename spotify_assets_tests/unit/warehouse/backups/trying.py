"""Trying backups out: what a refused one must leave as it was, and what a good one must bring."""

import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

from spotify_assets.settings import Settings
from spotify_assets.warehouse.backups import restoring
from spotify_assets.warehouse.backups.errors import BackupError
from spotify_assets.warehouse.backups.folder import Backup
from spotify_assets.warehouse.backups.making import back_up


def everything(settings: Settings) -> dict[Path, bytes | None]:
    """All that there is in and around a data folder, but for the files of locks."""
    around = settings.data.parent.parent
    return {
        path.relative_to(around): path.read_bytes() if path.is_file() else None
        for path in sorted(around.rglob("*"))
        if settings.locks not in (path, *path.parents)
    }


def refusal(settings: Settings, name: str) -> str:
    """Why a backup is refused, whichever way it is to be restored, with nothing changed by that."""
    beside = settings.data.parent / "beside"
    before = everything(settings)
    reasons = []
    for restore_beside in (True, False):
        with pytest.raises(BackupError) as refused:
            chosen = restoring.find(settings, name)
            if restore_beside:
                restoring.restore_beside(settings, chosen, beside)
            else:
                restoring.restore(settings, chosen)
        reasons.append(str(refused.value))
        assert everything(settings) == before
    assert reasons[0] == reasons[1]
    assert name.removesuffix(".tar.zst") in reasons[0]
    assert reasons[0].isprintable()
    return reasons[0]


def assert_accepted(settings: Settings, name: str, rows: dict[str, Any]) -> None:
    """A backup can be restored beside, and the databases hold these rows then."""
    beside = Path(mkdtemp(dir=settings.data.parent))
    restoring.restore_beside(settings, restoring.find(settings, name), beside)
    assert rows_of(beside) == rows


def rows_of(data: Path) -> dict[str, Any]:
    """All rows of the tables of both databases, by file and table."""
    rows = {}
    for file in ("spotify.db", "state.db"):
        with closing(sqlite3.connect(f"{(data / file).as_uri()}?mode=ro", uri=True)) as connection:
            tables = connection.execute("select name from sqlite_master where type = 'table'")
            for (table,) in tables.fetchall():
                quoted = table.replace('"', '""')
                found = connection.execute(f'select * from "{quoted}"').fetchall()
                rows[f"{file} {table}"] = sorted(found, key=repr)
    return rows


def made(settings: Settings) -> Backup:
    """A new backup."""
    kept = back_up(settings)
    assert kept is not None
    return kept.made
