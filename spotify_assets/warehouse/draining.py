"""From landed pages to the raw table: the way in, with or without Dagster.

A page is counted first, then split by the contract, then written with its accounting.
"""

import json
from collections.abc import Iterator

from spotify_assets.contracts.recently_played import RecentlyPlayed, ends, flatten
from spotify_assets.contracts.split import split
from spotify_assets.spotify import recently_played
from spotify_assets.spotify.state import LandedPage, State
from spotify_assets.warehouse.loading import Batch, Load
from spotify_assets.warehouse.pending import RECENTLY_PLAYED, undrained_pages
from spotify_assets.warehouse.warehouse import Warehouse


def undrained_loads(state: State, warehouse: Warehouse) -> Iterator[Load]:
    """The landed pages that no load holds, as loads that are not written yet, in their order."""
    return map(load_of, undrained_pages(state, warehouse))


def load_of(page: LandedPage) -> Load:
    """A landed page as a load."""
    items = recently_played.items(json.loads(page.body))
    frame = flatten(page, items)
    accepted, rejected = split(frame, RecentlyPlayed)
    listed = ends(frame)
    return Load(
        source=RECENTLY_PLAYED,
        account_id=page.account_id,
        page_id=page.page_id,
        batches=(Batch(len(items), accepted, rejected),),
        window_from=min(listed, default=None),
        window_to=max(listed, default=None),
        listed=listed,
        blind_because=page.blind_because,
    )
