"""The raw assets: pages that were landed, put through their contract, on their way to a table."""

import dagster as dg
from pydantic import Field

from spotify_assets.defs.io_manager import column_schema
from spotify_assets.defs.properties import ONCE_A_DAY
from spotify_assets.defs.resources import SpotifyResource, WarehouseResource
from spotify_assets.spotify.retrying import Retrying
from spotify_assets.warehouse.draining import undrained_loads
from spotify_assets.warehouse.loading import Loads
from spotify_assets.warehouse.tables import raw_recently_played


class RecentlyPlayedConfig(dg.Config):
    """What can be chosen in the Launchpad."""

    look: bool = Field(
        default=True,
        description=(
            "Ask Spotify first. Off where that just happened and the answer waits to be loaded."
        ),
    )
    accounts: list[str] = Field(
        default=[],
        description="Ask only for these accounts, by their names here. Empty: for all.",
    )


@dg.asset(
    key=["raw", "recently_played"],
    group_name="raw",
    kinds={"python", "pandas", "sqlite"},
    owners=["team:listener"],
    io_manager_key="warehouse_io_manager",
    freshness_policy=ONCE_A_DAY,
    metadata={"dagster/column_schema": column_schema(raw_recently_played)},
)
def recently_played(
    config: RecentlyPlayedConfig, spotify: SpotifyResource, warehouse: WarehouseResource
) -> Loads:
    """Every play that Spotify's recently-played page ever listed, as received.

    Spotify shows the last 50 plays and nothing before them. Each answer is landed as it came; this
    asset drains what was landed: flattened, split by the contract, written with its accounting.
    Every refresh runs its checks; the tests of its table run once a day, in daily_refresh_job.
    """
    known = {account.account_id for account in spotify.state.accounts()}
    if unknown := sorted(set(config.accounts) - known):
        raise dg.Failure(
            f"There is no account {', '.join(map(repr, unknown))}. "
            f"Here are: {', '.join(sorted(known)) or 'none'}.",
            allow_retries=False,
        )
    if config.look:
        spotify.look(Retrying.patient(), accounts=config.accounts)
    return Loads(undrained_loads(spotify.state, warehouse.warehouse))
