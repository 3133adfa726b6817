"""The backup and its weekly drill as Dagster runs: what the asset `backups` shows of them."""

import dagster as dg
import pytest

from spotify_assets.definitions import defs
from spotify_assets.defs.operations.backups import backups
from spotify_assets.warehouse.backups.folder import newest_backup
from spotify_assets_tests.models.building import ingest
from spotify_assets_tests.support import User


@pytest.fixture
def collected(present: User) -> User:
    """The user of this process, with fifty plays."""
    present.log_in("mira")
    ingest(present.settings)
    return present


def run(job: str, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    return defs.resolve_job_def(job).execute_in_process(instance=instance, raise_on_error=False)


def shown(instance: dg.DagsterInstance) -> dict[str, object]:
    """What the newest materialisation of the asset says."""
    event = instance.get_latest_materialization_event(backups.key)
    assert event is not None
    assert event.asset_materialization is not None
    return {name: value.value for name, value in event.asset_materialization.metadata.items()}


def test_the_job_makes_a_backup_that_the_asset_shows_and_the_drill_proves_it(
    collected: User, instance: dg.DagsterInstance
) -> None:
    assert run("daily_backup_job", instance).success
    newest = newest_backup(collected.settings.backups)
    assert newest is not None
    metadata = shown(instance)
    assert metadata["archive"] == str(newest.archive)
    assert (metadata["plays"], metadata["highest_load"], metadata["damaged"]) == (50, 1, [])

    drilled = run("weekly_restore_drill_job", instance)
    assert drilled.success
    (evaluation,) = drilled.get_asset_check_evaluations()
    assert (evaluation.check_name, evaluation.asset_key) == ("restore_drill", backups.key)
    assert evaluation.passed
    found = {name: value.value for name, value in evaluation.metadata.items()}
    assert found["archive"] == newest.archive.name
    assert (found["plays"], found["bytes"]) == (50, newest.good.archive_size)
    assert float(str(found["seconds"])) > 0
    assert [step.step_key for step in drilled.filter_events(lambda e: e.is_step_success)] == [
        "backups_restore_drill"
    ]


def test_a_damaged_backup_fails_the_check_and_says_why(
    collected: User, instance: dg.DagsterInstance
) -> None:
    run("daily_backup_job", instance)
    newest = newest_backup(collected.settings.backups)
    assert newest is not None
    newest.archive.write_bytes(newest.archive.read_bytes()[:-1])
    (evaluation,) = run("weekly_restore_drill_job", instance).get_asset_check_evaluations()
    assert not evaluation.passed
    assert evaluation.severity is dg.AssetCheckSeverity.ERROR
    assert "was cut short" in (evaluation.description or "")


def test_without_a_backup_the_check_says_how_to_make_one(
    collected: User, instance: dg.DagsterInstance
) -> None:
    (evaluation,) = run("weekly_restore_drill_job", instance).get_asset_check_evaluations()
    assert not evaluation.passed
    assert "spotify-assets backup" in (evaluation.description or "")


def test_where_there_is_nothing_yet_the_backup_is_a_green_no_op(
    present: User, instance: dg.DagsterInstance
) -> None:
    assert run("daily_backup_job", instance).success
    assert instance.get_latest_materialization_event(backups.key) is None


def test_a_damaged_warehouse_fails_the_backup_and_says_what_to_do(
    collected: User, instance: dg.DagsterInstance
) -> None:
    collected.settings.warehouse_path.write_bytes(b"no database at all " * 1000)
    failed = run("daily_backup_job", instance)
    assert not failed.success
    (step,) = failed.filter_events(lambda event: event.is_step_failure)
    error = step.step_failure_data.error
    assert error is not None
    assert error.cause is not None
    assert "spotify-assets restore" in error.cause.message
