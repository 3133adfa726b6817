"""Pages that list plays at chosen times, loaded at once."""

import json
from collections.abc import Callable
from copy import deepcopy
from operator import itemgetter
from typing import Any

import pytest

from spotify_assets.spotify.state import LandedPage
from spotify_assets.warehouse.draining import load_of
from spotify_assets.warehouse.loading import write_load
from spotify_assets.warehouse.tables import raw_recently_played
from spotify_assets.warehouse.warehouse import Warehouse
from spotify_assets_tests.unit.warehouse.looking import ANSWERED, at


@pytest.fixture
def look(warehouse: Warehouse, items: list[Any]) -> Callable[..., None]:
    """Load a page that lists plays of one track that ended at these seconds.

    The page lists other tracks where `tracks` says which one each play is of.
    """
    pages = 0

    def look(
        *ends: float,
        account: str = "mira",
        cause: str | None = None,
        tracks: str | None = None,
        **item: Any,
    ) -> None:
        nonlocal pages
        pages += 1
        listed = []
        for end, track in zip(ends, tracks or " " * len(ends), strict=True):
            listed.append({**deepcopy(items[0]), "played_at": at(end), **item})
            if tracks:
                listed[-1]["track"]["uri"] = f"spotify:track:{track}"
        listed.sort(key=itemgetter("played_at"), reverse=True)
        body = json.dumps({"items": listed})
        page = LandedPage(f"page-{pages}", account, ANSWERED, ANSWERED, body, cause)
        write_load(warehouse.writer(), raw_recently_played, load_of(page))

    return look
