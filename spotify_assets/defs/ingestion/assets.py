"""The raw assets: pages that were landed, put through their contract, on their way to a table."""

from datetime import timedelta

import dagster as dg

from spotify_assets.defs.io_manager import column_schema
from spotify_assets.defs.resources import SpotifyResource, WarehouseResource
from spotify_assets.spotify.retrying import Retrying
from spotify_assets.warehouse.draining import undrained_loads
from spotify_assets.warehouse.loading import Loads
from spotify_assets.warehouse.tables import raw_recently_played


class RecentlyPlayedConfig(dg.Config):
    """What can be chosen in the launchpad."""

    look: bool = True
    """Ask Spotify first; off where somebody just did and landed the answer."""


@dg.asset(
    key=["raw", "recently_played"],
    group_name="raw",
    kinds={"python", "pandas", "sqlite"},
    owners=["team:listener"],
    io_manager_key="warehouse_io_manager",
    # `daily_refresh` materialises it whether there is news or not: a quiet night is no failure.
    freshness_policy=dg.FreshnessPolicy.time_window(
        warn_window=timedelta(hours=26), fail_window=timedelta(hours=50)
    ),
    metadata={"dagster/column_schema": column_schema(raw_recently_played)},
)
def recently_played(
    config: RecentlyPlayedConfig, spotify: SpotifyResource, warehouse: WarehouseResource
) -> Loads:
    """Every play that Spotify's recently-played page ever listed, as received.

    Spotify shows the last 50 plays and nothing before them. Each answer is landed as it came; this
    asset drains what was landed: flattened, split by the contract, written with its accounting.
    """
    if config.look:
        spotify.look(Retrying.patient())
    return Loads(undrained_loads(spotify.state, warehouse.warehouse))
