"""Backups in Dagster: one a day, and once a week the proof that the newest can be restored.

`backups` is an asset that no run materialises by click: "Materialize all" is about plays. The job
`daily_backup_job` reports what it made, `weekly_restore_drill_job` runs the asset's one check.
"""

from typing import Any

import dagster as dg

from spotify_assets import timetable
from spotify_assets.defs.ingestion.assets import recently_played
from spotify_assets.defs.ingestion.streaming_history import streaming_history
from spotify_assets.defs.operations.killed_runs import process_tags
from spotify_assets.defs.properties import ONCE_A_DAY, code_reference
from spotify_assets.defs.schedules import RUNNING, TIMEZONE
from spotify_assets.settings import Settings
from spotify_assets.warehouse.backups.drill import drill
from spotify_assets.warehouse.backups.errors import BackupError
from spotify_assets.warehouse.backups.making import back_up

backups = dg.AssetSpec(
    "backups",
    deps=[recently_played, streaming_history],
    group_name="operations",
    kinds={"python", "sqlite"},
    owners=["team:listener"],
    description=(
        "Archives of both databases with all that ever came in, in data/backups. "
        "daily_backup_job makes one, `spotify-assets restore` brings one back. "
        "weekly_restore_drill_job runs its check."
    ),
    freshness_policy=ONCE_A_DAY,
    metadata=code_reference(back_up),
)


@dg.op(out=dg.Out(dg.Nothing))
def make_backup(context: dg.OpExecutionContext) -> None:
    """Make a backup, then remove those that are not to be kept any more."""
    context.instance.add_run_tags(context.run_id, process_tags())
    kept = back_up(Settings.load())
    if kept is None:
        context.log.info("Nothing to back up yet. Run: spotify-assets login")
        return
    for damaged in kept.damaged:
        context.log.error("Damaged, and left alone: %s", damaged.fault)
    contents = kept.made.contents
    context.log_event(
        dg.AssetMaterialization(
            asset_key=backups.key,
            metadata={
                "archive": dg.MetadataValue.path(kept.made.archive),
                "bytes": kept.made.archive.stat().st_size,
                "plays": contents.plays,
                "oldest_play": contents.oldest_play or "none",
                "newest_play": contents.newest_play or "none",
                "highest_load": contents.highest_load,
                "removed": [each.archive.name for each in kept.removed],
                "damaged": [each.archive.name for each in kept.damaged],
            },
        )
    )


@dg.job
def daily_backup_job() -> None:
    """Backs both databases up while everything else goes on, then removes old backups.

    SPOTIFY_KEEP_BACKUPS says which ones are kept.
    """
    make_backup()


daily_backup = dg.ScheduleDefinition(
    name="daily_backup",
    job=daily_backup_job,
    cron_schedule=timetable.DAILY_BACKUP,
    execution_timezone=TIMEZONE,
    default_status=RUNNING,
    tags={"trigger": "daily_backup"},
    description="Every night after the daily refresh: daily_backup_job.",
)


@dg.asset_check(asset=backups.key)
def restore_drill(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """The newest backup, restored into a scratch folder, has all its rows and can be modelled."""
    context.instance.add_run_tags(context.run.run_id, process_tags())
    try:
        done = drill(Settings.load())
    except BackupError as error:
        return _result(str(error))
    return _result(
        done.fault,
        archive=done.archive,
        seconds=done.seconds,
        bytes=done.archive_bytes,
        plays=done.plays,
    )


def _result(fault: str | None, **metadata: Any) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=fault is None,
        severity=dg.AssetCheckSeverity.ERROR,
        description=fault or "Restored, compared with the warehouse, and modelled.",
        metadata=metadata,
    )


weekly_restore_drill_job = dg.define_asset_job(
    "weekly_restore_drill_job",
    selection=dg.AssetSelection.checks(restore_drill),
    description=(
        "Restores the newest backup into a scratch folder, compares it with the warehouse and "
        "builds its models. Touches no play."
    ),
)

weekly_restore_drill = dg.ScheduleDefinition(
    name="weekly_restore_drill",
    job=weekly_restore_drill_job,
    cron_schedule=timetable.WEEKLY_RESTORE_DRILL,
    execution_timezone=TIMEZONE,
    default_status=RUNNING,
    tags={"trigger": "weekly_restore_drill"},
    description="Every Sunday: weekly_restore_drill_job, so that a backup is known to work.",
)
