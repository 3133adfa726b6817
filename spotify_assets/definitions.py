"""The one place where it all comes together: everything below `defs/`, resources and executor."""

import warnings
from collections.abc import Mapping
from typing import Any

import dagster as dg

from spotify_assets.defs.io_manager import WarehouseIOManager
from spotify_assets.defs.resources import SpotifyResource, WarehouseResource, dbt_resource
from spotify_assets.settings import CHECKOUT, Settings

# Code references are in beta; whoever runs this project cannot do anything about that.
warnings.filterwarnings("ignore", category=dg.BetaWarning)


def build_definitions(**resources: Any) -> dg.Definitions:
    """The project's definitions.

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
    found = dg.load_from_defs_folder(path_within_project=CHECKOUT)
    return dg.Definitions(
        # Found once in each module that imports it, and told apart only until it is wrapped.
        assets=dg.with_source_code_references(list(dict.fromkeys(found.assets or []))),
        asset_checks=found.asset_checks,
        jobs=found.jobs,
        schedules=found.schedules,
        sensors=found.sensors,
        resources=keyed,
        # One process for a run: no step outlives a killed run, and a third of the start-up.
        executor=dg.in_process_executor,
    )


defs = build_definitions()
