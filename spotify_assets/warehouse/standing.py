"""How things stand as a whole: the accounts, what waits, what comes next, how much room it takes.

What `spotify-assets status` shows. Reads only.
"""

import os
from dataclasses import dataclass

from sqlalchemy import func, select, text

from spotify_assets import times, timetable
from spotify_assets.scheduler import installed_schedulers
from spotify_assets.settings import OTHERS, Settings
from spotify_assets.spotify.state import State
from spotify_assets.warehouse.backups.drill import Drill, last_drill
from spotify_assets.warehouse.backups.folder import backups_in
from spotify_assets.warehouse.backups.manifest import Contents
from spotify_assets.warehouse.disk_use import disk_use
from spotify_assets.warehouse.health import (
    OVERFULL,
    Health,
    Verdict,
    health,
    verdicts,
    verdicts_on_data,
)
from spotify_assets.warehouse.inbox import Stuck, stuck
from spotify_assets.warehouse.pending import has_news, has_unmodelled_loads, undrained_pages
from spotify_assets.warehouse.tables import loads, model_watermarks, restores
from spotify_assets.warehouse.warehouse import Warehouse

DAEMON = "Dagster's daemon"

# File systems of other machines, as the system calls them. SQLite's log wants the memory of one
# machine (sqlite.org/wal.html), and not all of these show a lock to the other machine.
NETWORK_FILE_SYSTEMS = {
    *("9p", "afpfs", "ceph", "cifs", "davfs", "fuse.davfs", "fuse.glusterfs", "fuse.rclone"),
    *("fuse.sshfs", "nfs", "nfs4", "smb3", "smbfs", "webdav"),
}

ON_THE_NETWORK = (
    "use it from this machine alone, since a second one that writes can damage it, or let "
    "SPOTIFY_ASSETS_DATA be a folder on a disk of this machine"
)


@dataclass(frozen=True)
class Standing:
    """Everything on one screen. Times are UTC text, None where there is none.

    Attributes:
        pages_waiting: answers of Spotify's that are landed and not loaded yet.
        has_news: one of these holds a play that is not known yet.
        models_are_behind: a load is in raw and not in every model.
        daemon_is_running: whether schedules and sensors tick; without it `next_ticks` is empty.
        polled_by: what calls Spotify by itself, as far as this machine tells: Dagster's daemon, or
            the scheduler that `spotify-assets schedule install` made use of.
        last_poll_at: the last poll of any account, answered or not.
        inbox_stuck: what lies in the inbox and will not be imported as it is.
        on_data: what the checks say of all that is kept, by their names.
        open_to_others: folders and databases that other users of this machine can read.
        network_file_system: what the data folder is on, None where that is a disk of this machine.
        last_backup_at: when the newest backup was made; of its archive only the size is read.
        plays_in_no_backup: plays that came after it. What is not modelled yet counts as a play a
            row, so it is at most so many.
        backups_are_elsewhere: the backups lie on another disk than the data.
        last_drill: the last time that a backup was tried out.
        disk_use: bytes, by what takes them.
    """

    accounts: list[Health]
    pages_waiting: int
    has_news: bool
    models_are_behind: bool
    daemon_is_running: bool
    next_ticks: dict[str, str]
    polled_by: list[str]
    last_poll_at: str | None
    inbox_stuck: list[Stuck]
    on_data: dict[str, Verdict]
    open_to_others: list[str]
    network_file_system: str | None
    last_backup_at: str | None
    plays_in_no_backup: int
    backups_are_elsewhere: bool
    last_drill: Drill | None
    disk_use: dict[str, int]


def standing(settings: Settings) -> Standing:
    """How things stand now."""
    state, warehouse = State(settings.state_path), Warehouse(settings.warehouse_path)
    accounts = health(settings)
    backups = backups_in(settings.backups, whole=False)
    newest = next((backup.contents for backup in backups if not backup.fault), None)
    is_running = timetable.daemon_is_running(settings)
    last_try = max(filter(None, (account.last_try_at for account in accounts)), default=None)
    return Standing(
        accounts=accounts,
        pages_waiting=sum(1 for _ in undrained_pages(state, warehouse)),
        has_news=has_news(state, warehouse),
        models_are_behind=has_unmodelled_loads(warehouse),
        daemon_is_running=is_running,
        next_ticks=timetable.next_ticks(settings, last_try) if is_running else {},
        polled_by=[DAEMON] * is_running + installed_schedulers(settings),
        last_poll_at=last_try,
        inbox_stuck=stuck(settings),
        on_data=verdicts_on_data(settings),
        open_to_others=_open_to_others(settings),
        network_file_system=_network_file_system(settings),
        last_backup_at=newest.made_at if newest else None,
        plays_in_no_backup=_plays_after(newest, warehouse),
        backups_are_elsewhere=_is_elsewhere(settings),
        last_drill=last_drill(settings),
        disk_use=disk_use(settings),
    )


@dataclass(frozen=True)
class Finding:
    """Something that wants its owner's attention, in words; `is_urgent`: more than a warning."""

    text: str
    is_urgent: bool


def findings(found: Standing, zone: str) -> list[Finding]:
    """All that is wrong, with times on the zone's clock; but for the gaps, which are no fault."""
    told = [
        Finding(f"{account.name}: {OVERFULL}", is_urgent=True)
        for account in found.accounts
        if account.overfull_gaps
    ]
    told += [
        Finding(finding, verdict.urgent)
        for name, verdict in {**found.on_data, **verdicts(found.accounts, zone)}.items()
        if name != "coverage"  # of which the rest are gaps
        for finding in verdict.findings
    ]
    told += [
        Finding(f"{account.name}: {_failing(account, zone)}", is_urgent=False)
        for account in found.accounts
        # What is longer without an answer, or needs a login, is in the findings already.
        if account.last_look_error and not account.blind_since and account.login_days_left != 0
    ]
    told += [
        Finding(f"Inbox: {each.name}: {each.error}", is_urgent=False) for each in found.inbox_stuck
    ]
    told += [
        Finding(f"Other users of this machine can read {path}: chmod -R go= there", is_urgent=False)
        for path in found.open_to_others
    ]
    if found.network_file_system:
        where = f"The data folder is on a network drive ({found.network_file_system})"
        told.append(Finding(f"{where}: {ON_THE_NETWORK}", is_urgent=False))
    if found.last_drill and found.last_drill.fault:
        told.append(Finding(f"Restore drill: {found.last_drill.fault}", is_urgent=True))
    return told


def _failing(account: Health, zone: str) -> str:
    since = f" since {times.local(account.failing_since, zone)}" if account.failing_since else ""
    return f"polls fail{since}: {account.last_look_error}"


# Of a play of two sources, the older row decides. An export's row may have several variants.
PLAYS_AFTER = """
select
    (
        select count(*)
        from raw_recently_played as listed
        inner join fct_plays as plays on plays.play_id = substr(listed.row_key, 1, 20)
        where
            listed.load_id > :kept_up_to
            and not exists (
                select 1
                from raw_streaming_history as exported
                where
                    exported.account_id = plays.account_id
                    and exported.ts = plays.export_ended_at
                    and exported.row_key = plays.export_row_key
                    and exported.load_id <= :kept_up_to
            )
    )
    + (
        select count(distinct plays.play_id)
        from raw_streaming_history as exported
        inner join fct_plays as plays on plays.play_id = substr(exported.row_key, 1, 20)
        where
            exported.load_id > :kept_up_to
            and plays.api_row_key is null
            and not exists (
                select 1
                from raw_streaming_history as variants
                where
                    variants.account_id = exported.account_id
                    and variants.ts = exported.ts
                    and variants.row_key = exported.row_key
                    and variants.load_id <= :kept_up_to
            )
    )
"""


def _plays_after(newest: Contents | None, warehouse: Warehouse) -> int:
    """How many plays came with loads that are not in a backup."""
    kept_up_to = _kept_up_to(newest, warehouse)
    modelled_up_to, plays = kept_up_to, 0
    if warehouse.has_table("fct_plays", "table"):
        seen = warehouse.read(
            select(model_watermarks.c.load_id).where(model_watermarks.c.model == "fct_plays")
        )
        modelled_up_to = max(kept_up_to, seen[0][0] if seen else 0)
        query = PLAYS_AFTER if kept_up_to else "select count(*) from fct_plays"
        values = {"kept_up_to": kept_up_to} if kept_up_to else {}
        plays = int(warehouse.read(text(query).bindparams(**values))[0][0]) if seen else 0
    query_rows = select(func.sum(loads.c.rows_loaded)).where(loads.c.load_id > modelled_up_to)
    rows = warehouse.read(query_rows)
    return plays + int(rows[0][0] or 0 if rows else 0)


def _kept_up_to(newest: Contents | None, warehouse: Warehouse) -> int:
    """The newest load that is in a backup; 0 where there is none."""
    if newest is None:
        return 0
    # What came between an older backup and this one went when that one was restored since.
    tables = newest.files["spotify.db"].tables if "spotify.db" in newest.files else {}
    known = tables["restores"].rows if "restores" in tables else 0
    query = select(restores.c.highest_load).order_by(restores.c.restore_id)
    since = [load_id for (load_id,) in warehouse.read(query)][known:]
    return int(min([newest.highest_load, *since]))


def _open_to_others(settings: Settings) -> list[str]:
    if os.name == "nt":  # where rights are no bits of a mode
        return []
    # Behind a folder that is closed nobody can read anything; the backups may lie elsewhere.
    places = [settings.data, settings.backups]
    return [str(each) for each in places if each.exists() and each.stat().st_mode & OTHERS]


def _network_file_system(settings: Settings) -> str | None:
    import psutil

    data = settings.data.resolve()
    around = [
        each for each in psutil.disk_partitions(all=True) if data.is_relative_to(each.mountpoint)
    ]
    found = max(around, key=lambda each: len(each.mountpoint), default=None)
    return found.fstype if found and found.fstype in NETWORK_FILE_SYSTEMS else None


def _is_elsewhere(settings: Settings) -> bool:
    try:
        return settings.backups.stat().st_dev != settings.data.stat().st_dev
    except FileNotFoundError:
        return False
