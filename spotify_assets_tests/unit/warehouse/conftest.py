"""Pages that list plays at chosen times, loaded at once."""

import json
from collections.abc import Callable
from copy import deepcopy
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
    """Load a page that lists plays that ended at these seconds."""
    pages = 0

    def look(*ends: float, account: str = "mira", cause: str | None = None, **item: Any) -> None:
        nonlocal pages
        pages += 1
        listed = [
            {**deepcopy(items[0]), "played_at": at(end), **item}
            for end in sorted(ends, reverse=True)
        ]
        body = json.dumps({"items": listed})
        page = LandedPage(f"page-{pages}", account, ANSWERED, ANSWERED, body, cause)
        write_load(warehouse.writer(), raw_recently_played, load_of(page))

    return look
