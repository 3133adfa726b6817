"""The one place where it all comes together: everything below `defs/`, resources and executor."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from spotify_assets.defs.io_manager import WarehouseIOManager
from spotify_assets.defs.resources import SpotifyResource, WarehouseResource, dbt_resource
from spotify_assets.settings import CHECKOUT, Settings


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
    return dg.Definitions.merge(
        dg.load_from_defs_folder(path_within_project=CHECKOUT),
        # One process for a run: no step outlives a killed run, and a third of the start-up.
        dg.Definitions(resources=keyed, executor=dg.in_process_executor),
    )


defs = build_definitions()
