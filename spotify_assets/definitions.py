"""The one place where it all comes together: what `defs` holds, with resources and executor."""

import warnings
from collections.abc import Mapping
from typing import Any

import dagster as dg

import spotify_assets.defs
from spotify_assets.defs.ingestion.inbox import import_job
from spotify_assets.defs.ingestion.streaming_history import streaming_history
from spotify_assets.defs.io_manager import WarehouseIOManager
from spotify_assets.defs.jobs import daily_refresh_job, models_job, refresh_all_job, refresh_job
from spotify_assets.defs.models.resource import dbt_resource
from spotify_assets.defs.operations.alerts import run_failure_sensor
from spotify_assets.defs.operations.backups import (
    backups,
    daily_backup,
    daily_backup_job,
    weekly_restore_drill,
    weekly_restore_drill_job,
)
from spotify_assets.defs.operations.covers import covers, covers_job
from spotify_assets.defs.operations.housekeeping import housekeeping, housekeeping_job
from spotify_assets.defs.resources import SpotifyResource, WarehouseResource
from spotify_assets.defs.schedules import daily_refresh, models
from spotify_assets.defs.sensors import (
    health_sensor,
    inbox_sensor,
    killed_runs_sensor,
    models_sensor,
    recently_played_sensor,
)
from spotify_assets.settings import Settings, keep_to_ourselves

# Whoever starts Dagster: what its processes write is somebody's history.
keep_to_ourselves()
# Code references are in beta; whoever runs this project cannot do anything about that.
warnings.filterwarnings("ignore", category=dg.BetaWarning)


def build_definitions(**resources: Any) -> dg.Definitions:
    """The project's definitions.

    Loaded from the package, not by `load_from_defs_folder`: that one parses the project file twice
    and describes every installed component, 0.7 s of each start.

    Args:
        resources: what stands in for the outside world, by key; tests replace it.
    """
    keyed: Mapping[str, Any] = {
        "spotify": SpotifyResource(),
        "warehouse": WarehouseResource(),
        "warehouse_io_manager": WarehouseIOManager(),
        "dbt": dbt_resource(Settings.load()),
        **resources,
    }
    return dg.Definitions(
        assets=[
            *dg.with_source_code_references(
                dg.load_assets_from_package_module(spotify_assets.defs)
            ),
            streaming_history,
            backups,
        ],
        asset_checks=dg.load_asset_checks_from_package_module(spotify_assets.defs),
        jobs=[
            refresh_job,
            refresh_all_job,
            daily_refresh_job,
            models_job,
            import_job,
            daily_backup_job,
            weekly_restore_drill_job,
            housekeeping_job,
            covers_job,
        ],
        schedules=[daily_refresh, models, daily_backup, weekly_restore_drill, housekeeping, covers],
        sensors=[
            recently_played_sensor,
            models_sensor,
            inbox_sensor,
            killed_runs_sensor,
            health_sensor,
            run_failure_sensor,
        ],
        resources=keyed,
        # One process for a run: no step outlives a killed run, and a third of the start-up.
        executor=dg.in_process_executor,
    )


defs = build_definitions()
