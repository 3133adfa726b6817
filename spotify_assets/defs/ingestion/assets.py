"""The raw assets: pages that were landed, put through their contract, on their way to a table."""

import json
from collections.abc import Iterator

import dagster as dg

from spotify_assets.contracts.recently_played import RecentlyPlayed, flatten
from spotify_assets.contracts.split import split
from spotify_assets.defs.io_manager import column_schema
from spotify_assets.defs.resources import SpotifyResource, WarehouseResource
from spotify_assets.spotify import recently_played as spotify_page
from spotify_assets.spotify.retrying import Retrying
from spotify_assets.spotify.state import LandedPage, State
from spotify_assets.warehouse.loading import Load, Loads
from spotify_assets.warehouse.pending import RECENTLY_PLAYED, undrained_pages
from spotify_assets.warehouse.tables import raw_recently_played
from spotify_assets.warehouse.warehouse import Warehouse


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
    return Loads(_loads(spotify.state, warehouse.warehouse))


def _loads(state: State, warehouse: Warehouse) -> Iterator[Load]:
    for page in undrained_pages(state, warehouse):
        yield load_of(page)


def load_of(page: LandedPage) -> Load:
    """A landed page as a load: counted first, then split."""
    items = spotify_page.items(json.loads(page.body))
    accepted, rejected = split(flatten(page, items), RecentlyPlayed)
    return Load(
        source=RECENTLY_PLAYED,
        account_id=page.account_id,
        page_id=page.page_id,
        rows_read=len(items),
        accepted=accepted,
        rejected=rejected,
        window_from=min(accepted["played_at"], default=None),
        window_to=max(accepted["played_at"], default=None),
    )
