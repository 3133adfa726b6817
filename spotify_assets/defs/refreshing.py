"""A refresh from the command line: look, and where there is work one recorded Dagster run."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
from sqlalchemy.exc import DatabaseError

from spotify_assets import database, timetable
from spotify_assets.defs.operations.failures import reasons
from spotify_assets.defs.operations.killed_runs import fail_killed_runs, process_tags
from spotify_assets.kernel_lock import kernel_lock
from spotify_assets.settings import Settings, SettingsError
from spotify_assets.spotify.landing import Look, look_at_all
from spotify_assets.spotify.retrying import Retrying
from spotify_assets.spotify.state import State
from spotify_assets.warehouse.dbt_command import ModelsError
from spotify_assets.warehouse.loading import Receipt
from spotify_assets.warehouse.pending import (
    has_news,
    has_unmodelled_loads,
    is_a_day_behind,
    needs_all_models,
)
from spotify_assets.warehouse.warehouse import Warehouse

# The UI finds a job's runs by these; the daemon gives them to the runs that it launches.
CODE_LOCATION_TAGS = {
    ".dagster/repository": "__repository__@spotify_assets",
    "dagster/code_location": "spotify_assets",
}


READ_CHECK = "raw__recently_played_every_account_was_read"


@dataclass(frozen=True)
class Refresh:
    """What a refresh came to.

    Attributes:
        run_id: the Dagster run, or None where there was nothing to do or none could begin.
        receipts: by account.
        models: rows of each model that was built, where it has rows.
        failures: one line for each step that failed, but for what `looks` say already; or why no
            run could begin.
    """

    looks: list[Look]
    run_id: str | None = None
    succeeded: bool = True
    receipts: dict[str, Receipt] = field(default_factory=dict)
    models: dict[str, int] = field(default_factory=dict)
    checks_passed: int = 0
    checks_failed: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def receipt(self) -> Receipt:
        """The accounting of all accounts together."""
        return sum(self.receipts.values(), Receipt())


def refresh(
    settings: Settings, log_file: Path, load_definitions: Callable[[], dg.Definitions]
) -> Refresh:
    """Bring raw and models up to date; what Dagster and dbt print goes to `log_file`.

    The definitions are loaded only where there is work: that costs 4 s.

    The environment of this process takes on the settings, since Dagster and dbt read it.
    """
    state, warehouse = State(settings.state_path), Warehouse(settings.warehouse_path)
    looks = look_at_all(settings, state, Retrying.patient())
    with open_instance(settings) as instance:
        fail_killed_runs(instance)
        # Where no daemon runs, it is this command that does the day's work.
        is_daily = is_a_day_behind(warehouse, timetable.daily_refresh_was_due(settings))
        if not (is_daily or has_news(state, warehouse) or has_unmodelled_loads(warehouse)):
            return Refresh(looks)
        if is_daily:
            job = "daily_refresh_job"
        else:
            job = "refresh_all_job" if needs_all_models(warehouse) else "refresh_job"
        with _printing_to(log_file):
            try:
                result = _run(load_definitions(), instance, job)
            except ModelsError as error:
                print(error)
                kept = f"{error}\nWhat was collected is kept; once that is done, refresh models it."
                return Refresh(looks, succeeded=False, failures=[kept])
    return Refresh(
        looks,
        run_id=result.run_id,
        succeeded=result.success,
        receipts=warehouse.receipts(result.run_id),
        models=_models(result),
        checks_passed=sum(check.passed for check in result.get_asset_check_evaluations()),
        checks_failed=_checks_failed(result),
        failures=reasons(step for step in _step_failures(result) if step.step_key != READ_CHECK),
    )


def run_jobs(
    settings: Settings, log_file: Path, load_definitions: Callable[[], dg.Definitions], *jobs: str
) -> bool:
    """Run jobs one after the other as recorded Dagster runs; whether all of them succeeded."""
    with open_instance(settings) as instance, _printing_to(log_file):
        return all(
            load_definitions()
            .resolve_job_def(job)
            .execute_in_process(instance=instance, tags=_tags(), raise_on_error=False)
            .success
            for job in jobs
        )


def use_as_environment(settings: Settings) -> None:
    """Make the settings those of this process and its children, and Dagster's folders exist."""
    os.environ.update(settings.environment())
    settings.make_data_folder()
    settings.dagster_storage.mkdir(parents=True, exist_ok=True)


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """Dagster's instance, its storage created by one process at a time.

    Two at once leave a storage that no process can open again ("more than one head").

    Raises:
        SettingsError: DAGSTER_HOME names no folder, or a database in Dagster's storage is damaged.
    """
    if not settings.dagster_home.is_dir():
        raise SettingsError(
            f"DAGSTER_HOME is {str(settings.dagster_home)!r}, and there is no such folder. "
            "Make it, or take the setting out of .env."
        )
    use_as_environment(settings)
    settings.locks.mkdir(mode=0o700, exist_ok=True)
    with kernel_lock(settings.locks / "dagster-storage.lock"):
        try:
            return dg.DagsterInstance.get()
        except DatabaseError:
            damaged = _damaged_in(settings.dagster_storage)
            if damaged is None:
                raise
            raise SettingsError(
                f"{damaged} is damaged. It holds what Dagster knows of earlier runs, and no play. "
                "Move it away, and run this again."
            ) from None


def _damaged_in(storage: Path) -> Path | None:
    return next((path for path in sorted(storage.rglob("*.db")) if database.fault(path)), None)


def _run(defs: dg.Definitions, instance: dg.DagsterInstance, job: str) -> dg.ExecuteInProcessResult:
    return defs.resolve_job_def(job).execute_in_process(
        instance=instance,
        run_config={"ops": {"raw__recently_played": {"config": {"look": False}}}},
        tags=_tags(),
        raise_on_error=False,
    )


def _tags() -> dict[str, str]:
    return {"trigger": "command line", **CODE_LOCATION_TAGS, **process_tags()}


def _models(result: dg.ExecuteInProcessResult) -> dict[str, int]:
    counts = {}
    for event in result.get_asset_materialization_events():
        materialization = event.step_materialization_data.materialization
        count = materialization.metadata.get("dagster/row_count")
        if event.node_name == "dbt_models" and count is not None:
            counts[materialization.asset_key.to_user_string()] = int(str(count.value))
    return counts


def _checks_failed(result: dg.ExecuteInProcessResult) -> list[str]:
    failed = [
        f"{check.asset_key.to_user_string()}: {check.check_name}"
        for check in result.get_asset_check_evaluations()
        if not check.passed
    ]
    # It raises, so that the run ends red, and leaves no evaluation.
    if any(event.step_key == READ_CHECK for event in _step_failures(result)):
        failed.append("raw/recently_played: every_account_was_read")
    return failed


def _step_failures(result: dg.ExecuteInProcessResult) -> list[dg.DagsterEvent]:
    return list(result.filter_events(lambda event: event.is_step_failure))


@contextlib.contextmanager
def _printing_to(log_file: Path) -> Iterator[None]:
    """Send standard output and error of this process, of its libraries and children to a file."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    descriptor = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    # Objects of their own, too: what they cannot write to a full disk would come out afterwards.
    log = open(descriptor, "w", buffering=1, encoding="utf-8", errors="replace")  # noqa: SIM115
    try:
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
            yield
    finally:
        for target, source in enumerate(kept, start=1):
            os.dup2(source, target)
            os.close(source)
        with contextlib.suppress(OSError):
            log.close()
