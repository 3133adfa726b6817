"""Restoring: the databases become those of a backup, with all that landed since and is still kept.

Everything is done in a scratch folder and published in one step, so a kill leaves the present
warehouse or the restored one, whole.
"""

import json
import re
import shutil
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import delete, func, insert, select
from sqlalchemy.exc import DatabaseError

from spotify_assets import database, times
from spotify_assets.settings import Settings
from spotify_assets.spotify import recently_played
from spotify_assets.spotify.errors import SpotifyError
from spotify_assets.spotify.state import Identity, State, is_same_user
from spotify_assets.warehouse.backups.digests import have_one_past
from spotify_assets.warehouse.backups.errors import BackupError
from spotify_assets.warehouse.backups.folder import Backup, backups_in, look_at, newest_backup
from spotify_assets.warehouse.backups.making import make
from spotify_assets.warehouse.backups.manifest import FILES, SUFFIX, Contents, manifest_path
from spotify_assets.warehouse.backups.opening import open_backup
from spotify_assets.warehouse.backups.scratch import scratch
from spotify_assets.warehouse.coverage import OpenGap, listed_twice, newest_known
from spotify_assets.warehouse.dbt_command import run_models
from spotify_assets.warehouse.loading import Load, Receipt, write_load
from spotify_assets.warehouse.lock import writing
from spotify_assets.warehouse.pending import undrained_pages
from spotify_assets.warehouse.tables import (
    loads,
    model_watermarks,
    open_gaps,
    raw_recently_played,
    raw_streaming_history,
    restores,
)
from spotify_assets.warehouse.warehouse import Warehouse
from spotify_assets.warehouse.zones import fix_zones

Key = TypeVar("Key", str, tuple[Any, ...])


@dataclass(frozen=True)
class Plan:
    """What a restore would change. Times are UTC text.

    Attributes:
        backup: what would be restored.
        plays, newest_play: of the present warehouse; None where it cannot be read.
        loads_after: of the present warehouse, newer than the backup.
        pages_after: landed answers that are kept and newer than the backup: they come again.
    """

    backup: Backup
    plays: int | None
    newest_play: str | None
    loads_after: int
    pages_after: int


@dataclass(frozen=True)
class Restored:
    """What a restore came to.

    Attributes:
        contents: of the backup.
        aside: where the present data were kept: an archive, or a folder of damaged files. None
            where there were none.
        plays: how many are here now.
        receipts: of the landed pages that came again, by account.
        lost_plays: plays that Spotify listed, which are in the present warehouse and in neither
            the backup nor a page; gaps say where. None where it was damaged.
        lost_exported: rows of exports that the backup does not hold: the downloads have them. None
            where the present warehouse was damaged.
        models_fault: what dbt said where it could not rebuild the models.
    """

    contents: Contents
    aside: Path | None
    plays: int
    receipts: dict[str, Receipt]
    lost_plays: int | None
    lost_exported: int | None
    models_fault: str | None


def find(settings: Settings, name: str | None) -> Backup:
    """The backup of a name, with or without its ending, or at a path; by default the newest good.

    Raises:
        BackupError: there is none, or it cannot be trusted.
    """
    if name is None:
        newest = newest_backup(settings.backups)
        if newest is None:
            raise BackupError(_no_good_one(settings))
        return newest
    name = name.removesuffix(".json").removesuffix(SUFFIX) + SUFFIX
    archive = settings.backups / name
    if not _is_there(archive):
        archive = Path(name).absolute()
    if not _is_there(archive):
        raise BackupError(
            f"There is no backup {archive if len(Path(name).parts) > 1 else name}. "
            f"Those in {settings.backups} are listed by: spotify-assets restore"
        )
    backup = look_at(archive)
    if backup.fault:
        raise BackupError(backup.fault)
    return backup


def plan(settings: Settings, backup: Backup) -> Plan:
    """What restoring a backup would change, as far as can be told without opening it."""
    contents = backup.contents
    plays, newest, loads_after = None, None, 0
    if settings.warehouse_path.exists():
        warehouse = Warehouse(settings.warehouse_path)
        try:
            extent = warehouse.extent()
            after = warehouse.read(
                select(func.count()).where(loads.c.load_id > contents.highest_load)
            )
        except DatabaseError:
            after = ()
        else:
            plays, newest = extent.plays, extent.newest_play
        loads_after = after[0][0] if after else 0
    return Plan(backup, plays, newest, loads_after, _pages_after(settings, contents.made_at))


def restore(settings: Settings, backup: Backup) -> Restored:
    """Make the present data those of a backup.

    Raises:
        BackupError: the backup is damaged, of a newer version or of somebody else; nothing was
            changed.
        OSError, sqlite3.Error: no room, or no right; the present warehouse is as it was.
    """
    settings.make_data_folder()  # before the locks in it: its owner's alone
    with writing(settings.locks, "a restore"), scratch(settings, "a restore") as room:
        opened = replace(settings, data=room / "restored")
        contents = open_backup(backup, opened.data)
        _require_same_people(settings, opened, backup.archive.name)
        _require_readable_pages(settings, opened, backup.archive.name)
        aside = _set_aside(settings, room / "present")
        _restore_state(settings, opened.state_path)
        _record(opened, backup, contents)
        gaps = _open_gaps(settings.warehouse_path, opened.warehouse_path)
        receipts = _replay_pages(settings, opened)
        lost = _lost_plays(settings.warehouse_path, opened.warehouse_path)
        exported = _lost_exported(settings.warehouse_path, opened.warehouse_path)
        for account_id in sorted((lost or {}).keys() | gaps.keys()):
            known = (lost or {}).get(account_id, []), gaps.get(account_id, [])
            _write(opened, Load.of_restore(account_id, *known))
        fix_zones(Warehouse(opened.warehouse_path).writer(), settings.timezone)
        fault = run_models(opened, "run", "--full-refresh")
        database.publish(opened.warehouse_path, settings.warehouse_path)
    # A damaged one can be read in part, and then lacks what it lost.
    is_known = lost is not None and not (aside and aside.is_dir())
    return Restored(
        contents=contents,
        aside=aside,
        plays=Warehouse(settings.warehouse_path).extent().plays,
        receipts=receipts,
        lost_plays=sum(map(len, (lost or {}).values())) if is_known else None,
        lost_exported=exported if is_known else None,
        models_fault=fault,
    )


def restore_beside(settings: Settings, backup: Backup, folder: Path) -> Contents:
    """Unpack a backup into a new folder, which can be somebody's data folder.

    Raises:
        BackupError: the backup is damaged or of a newer version, or the folder is not empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BackupError(f"{folder} is there already and not empty. Choose another folder.")
    with scratch(settings, "a restore") as room:
        contents = open_backup(backup, room / "restored")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for file in sorted((room / "restored").iterdir()):
            shutil.move(file, folder / file.name)
    return contents


def _is_there(archive: Path) -> bool:
    return archive.exists() or manifest_path(archive).exists()


def _no_good_one(settings: Settings) -> str:
    faults = [f"{backup.fault}" for backup in backups_in(settings.backups)]
    if not faults:
        return f"There is no backup in {settings.backups} yet. Make one: spotify-assets backup"
    return f"No backup in {settings.backups} is good. " + " ".join(faults)


def _pages_after(settings: Settings, made_at: str) -> int:
    try:
        return State(settings.state_path).count_pages(made_at)
    except DatabaseError:
        return 0


def _set_aside(settings: Settings, room: Path) -> Path | None:
    """Keep the present databases: as a backup, or as they lie there where they are damaged."""
    room.mkdir(mode=0o700)
    try:
        kept = make(settings, room, settings.aside)
    except BackupError:
        return _set_aside_as_it_is(settings, room)
    return kept.archive if kept else None


def _set_aside_as_it_is(settings: Settings, room: Path) -> Path:
    files = [
        path
        for database_path in (settings.warehouse_path, settings.state_path)
        for path in settings.data.glob(f"{database_path.name}*")
    ]
    damaged = room / f"damaged-{re.sub('[-:.]', '', times.now_text())}"
    damaged.mkdir(mode=0o700)
    for path in files:
        shutil.copyfile(path, damaged / path.name)
    settings.aside.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Path(shutil.move(damaged, settings.aside))


def _require_same_people(settings: Settings, opened: Settings, name: str) -> None:
    """Compare who is behind the accounts: two households may both have one that is called mira.

    Raises:
        BackupError: an account of the backup is another Spotify user here, or has another name
            here, or none of the accounts here is in it.
    """
    try:
        here = State(settings.state_path).accounts()
        names_here = Warehouse(settings.warehouse_path).accounts_with_plays()
        has_one_past = not names_here or have_one_past(
            settings.warehouse_path, opened.warehouse_path
        )
    except (DatabaseError, sqlite3.DatabaseError):  # damaged, and replaced as a whole
        return
    known = [account for account in here if account.spotify_id]
    problem = None
    for theirs in State(opened.state_path).accounts():
        user = Identity(theirs.spotify_id or "", theirs.spotify_account_id, None)
        for ours in known if theirs.spotify_id else ():
            if ours.account_id == theirs.account_id and not is_same_user(ours, user):
                problem = f"its account {theirs.account_id!r} is another Spotify user here"
            elif ours.account_id != theirs.account_id and is_same_user(ours, user):
                problem = f"its account {theirs.account_id!r} is {ours.account_id!r} here"
        unknown = names_here - {ours.account_id for ours in known}
        if theirs.spotify_id and theirs.account_id in unknown and not has_one_past:
            problem = f"its account {theirs.account_id!r} may be another Spotify user here"
    names_there = Warehouse(opened.warehouse_path).accounts_with_plays()
    if names_here and names_there and not names_here & names_there:
        problem = f"it holds {', '.join(sorted(names_there))}, and none of the accounts here"
    if problem:
        raise BackupError(
            f"{name} is of somebody else: {problem}, and two histories would become one. To look "
            "at it: spotify-assets restore NAME --to FOLDER. If it is yours, log in first, or move "
            f"{settings.warehouse_path.name} away to have it in place of that"
        )


def _require_readable_pages(settings: Settings, opened: Settings, name: str) -> None:
    """Look through the landed pages that would come: one that is none would stop every refresh.

    Raises:
        BackupError: there is one.
    """
    copy = State(opened.state_path)
    try:
        here = set(State(settings.state_path).page_ids())
    except DatabaseError:  # damaged, and replaced as a whole
        here = set()
    for page_id in copy.page_ids():
        page = None if page_id in here else copy.page(page_id)
        try:
            if page is not None:
                recently_played.check_answer(json.loads(page.body))
        except (ValueError, RecursionError, SpotifyError):
            raise BackupError(f"{name}: {FILES[1]} in it holds a page that is none.") from None


def _restore_state(settings: Settings, copy: Path) -> None:
    """Give the state what it lacks. What is newer in it stays, so no answer of Spotify's goes."""
    if not copy.exists():
        return
    if settings.state_path.exists() and database.fault(settings.state_path):
        database.publish(copy, settings.state_path)
    else:
        State(settings.state_path).add_from(copy)


def _record(opened: Settings, backup: Backup, contents: Contents) -> None:
    """Write down where the warehouse comes from, and that no model is of it."""
    with Warehouse(opened.warehouse_path).writer().begin() as connection:
        connection.execute(
            insert(restores).values(
                restored_at=times.now_text(),
                archive=backup.archive.name,
                made_at=contents.made_at,
                highest_load=contents.highest_load,
            )
        )
        connection.execute(delete(model_watermarks))


def _replay_pages(settings: Settings, opened: Settings) -> dict[str, Receipt]:
    """Load the landed pages that the backup does not hold; nothing is asked of Spotify."""
    receipts: defaultdict[str, Receipt] = defaultdict(Receipt)
    for page in undrained_pages(State(settings.state_path), Warehouse(opened.warehouse_path)):
        from spotify_assets.warehouse.draining import load_of  # takes a second, if there are any

        receipts[page.account_id] += _write(opened, load_of(page))
    return dict(receipts)


def _write(opened: Settings, load: Load) -> Receipt:
    return write_load(Warehouse(opened.warehouse_path).writer(), raw_recently_played, load)


def _lost_plays(live: Path, restored: Path) -> dict[str, list[str]] | None:
    """The ends of the plays, by account, that one warehouse holds and the other does not.

    None where the first one cannot be read.
    """
    lost: defaultdict[str, list[str]] = defaultdict(list)
    keys = select(raw_recently_played.c.row_key).order_by(raw_recently_played.c.row_key)
    play = select(raw_recently_played.c.account_id, raw_recently_played.c.played_at)
    try:
        # Not by `attach`: dbt's views name the database main, and in an attached one none works.
        with database.reader(live).begin() as here, database.reader(restored).begin() as there:
            ours: Iterator[str] = here.execute(keys).scalars()
            theirs: Iterator[str] = there.execute(keys).scalars()
            for key in _missing(ours, theirs):
                where = raw_recently_played.c.row_key == key
                row = here.execute(play.where(where)).one()
                lost[row.account_id].append(row.played_at)
            for account_id, ends in lost.items():
                twice = listed_twice(here, account_id, min(ends), max(ends))
                lost[account_id] = [end for end in ends if end not in twice]
    except DatabaseError:
        return None
    return {account_id: ends for account_id, ends in lost.items() if ends}


def _lost_exported(live: Path, restored: Path) -> int:
    """How many rows of exports one warehouse holds and the other does not.

    0 where the first one cannot be read.
    """
    table = raw_streaming_history
    keys = select(*table.primary_key).order_by(*table.primary_key)
    try:
        if not Warehouse(live).has_table(table.name):
            return 0
        with database.reader(live).begin() as here, database.reader(restored).begin() as there:
            ours, theirs = (map(tuple, each.execute(keys)) for each in (here, there))
            return sum(1 for _ in _missing(ours, theirs))
    except DatabaseError:
        return 0


def _missing(ours: Iterator[Key], theirs: Iterator[Key]) -> Iterator[Key]:
    """What is in the first and not in the second, both ascending."""
    other = next(theirs, None)
    for key in ours:
        while other is not None and other < key:
            other = next(theirs, None)
        if other != key:
            yield key


def _open_gaps(live: Path, restored: Path) -> dict[str, list[OpenGap]]:
    """The gaps that are open in a warehouse, by account; none where it cannot be read.

    Only as far as they come after all that the restored one knows: of what comes before, it has
    gaps of its own.
    """
    gaps: defaultdict[str, list[OpenGap]] = defaultdict(list)
    names = OpenGap.__dataclass_fields__
    with suppress(DatabaseError), database.reader(restored).begin() as there:
        for row in Warehouse(live).read(select(open_gaps)):
            gap = OpenGap(*(row._mapping[name] for name in names))
            known = newest_known(there, row.account_id) or gap.open_from
            if known < gap.open_to:
                gaps[row.account_id].append(replace(gap, open_from=max(gap.open_from, known)))
    return dict(gaps)
