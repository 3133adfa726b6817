"""The restore drill: the newest backup is restored beside, compared, and modelled.

A backup counts once that has worked.
"""

import json
import sqlite3
import time
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from spotify_assets import database, times
from spotify_assets.settings import Settings
from spotify_assets.warehouse.backups.digests import digest
from spotify_assets.warehouse.backups.errors import BackupError
from spotify_assets.warehouse.backups.folder import DRILL_RECORD, PARTIAL, Backup, backups_in
from spotify_assets.warehouse.backups.manifest import FILES
from spotify_assets.warehouse.backups.migrating import bring_up_to_date
from spotify_assets.warehouse.backups.opening import open_backup
from spotify_assets.warehouse.backups.scratch import scratch
from spotify_assets.warehouse.dbt_command import run_models
from spotify_assets.warehouse.lock import writing
from spotify_assets.warehouse.tables import (
    loads,
    raw_recently_played,
    raw_streaming_history,
    restores,
)

COMPARED = (
    loads.name,
    raw_recently_played.name,
    raw_streaming_history.name,
)  # what no load ever changes again


@dataclass(frozen=True)
class Drill:
    """What the last drill came to.

    Attributes:
        archive: the backup that was tried.
        drilled_at: UTC text.
        fault: what went wrong, or None.
        seconds: how long it took, all told.
        archive_bytes: the backup's size.
        plays: how many are in it.
    """

    archive: str
    drilled_at: str
    fault: str | None
    seconds: float
    archive_bytes: int
    plays: int


def drill(settings: Settings) -> Drill:
    """Try the newest backup, and remember what came of it.

    Raises:
        BackupError: there is none.
    """
    started = time.monotonic()
    with writing(settings.locks, "a restore drill"):
        bring_up_to_date(settings)  # or the two could not be compared
    with scratch(settings, "a restore drill") as room:
        backup = next(iter(backups_in(settings.backups, whole=False)), None)
        if backup is None:
            raise BackupError(
                f"There is no backup in {settings.backups} to try. Make one: spotify-assets backup"
            )
        fault = _try(settings, backup, replace(settings, data=room / "restored"))
        contents = backup.manifest.contents if backup.manifest else None
        done = Drill(
            archive=backup.archive.name,
            drilled_at=times.now_text(),
            fault=fault,
            seconds=round(time.monotonic() - started, 1),
            archive_bytes=backup.manifest.archive_size if backup.manifest else 0,
            plays=contents.plays if contents else 0,
        )
        _remember(settings, done)
    return done


def last_drill(settings: Settings) -> Drill | None:
    """The last drill, or None where there was none or its record cannot be read."""
    try:
        return Drill(**json.loads(_record(settings).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _try(settings: Settings, backup: Backup, opened: Settings) -> str | None:
    """What is wrong with a backup, or None."""
    try:
        contents = open_backup(backup, opened.data)
    except BackupError as error:
        return str(error)
    differing = ""
    if FILES[0] in contents.files:  # it may be from before the first load
        differing = _differing(settings.warehouse_path, opened.warehouse_path)
    if differing:
        return f"{backup.archive.name} does not hold what the warehouse does: {differing}"
    fault = run_models(opened, "build", "--exclude-resource-type", "unit_test")
    return f"The models could not be built from {backup.archive.name}: {fault}" if fault else None


def _differing(live: Path, copy: Path) -> str:
    """Which tables are not the same in both, as far as both have the same past."""
    if not live.exists():
        return "there is no warehouse"
    with (
        closing(sqlite3.connect(f"{live.as_uri()}?mode=ro", uri=True, timeout=60)) as ours,
        closing(sqlite3.connect(f"{copy.as_uri()}?mode=ro", uri=True)) as backed_up,
    ):
        ours.execute("begin")
        up_to_load = _common_past(ours, backed_up)
        return ", ".join(
            table
            for table in COMPARED
            if digest(ours, table, up_to_load) != digest(backed_up, table, up_to_load)
        )


def _common_past(ours: sqlite3.Connection, backed_up: sqlite3.Connection) -> int:
    """The newest load that both must have.

    That of the backup, unless one of the two has been through a restore that the other has not:
    what came after that one's backup is then not in both.
    """
    query = f"select restored_at, archive, highest_load from {restores.name}"  # noqa: S608 # ours
    apart = set(ours.execute(query)) ^ set(backed_up.execute(query))
    (newest,) = backed_up.execute(f"select max(load_id) from {loads.name}").fetchone()  # noqa: S608
    return int(min([newest or 0, *(highest for *_, highest in apart)]))


def _record(settings: Settings) -> Path:
    return settings.backups / DRILL_RECORD


def _remember(settings: Settings, done: Drill) -> None:
    record = _record(settings)
    written = record.with_name(record.name + PARTIAL)  # beside it: that may be another disk
    written.touch(0o600)
    written.write_text(json.dumps(asdict(done), indent=2) + "\n", "utf-8")
    database.sync(written)
    written.replace(record)
