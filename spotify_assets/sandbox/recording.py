"""A recorded recently-played response, to be served as it is.

Belongs here: reading the file, and knowing enough of it to page past it and to date it. Does
not belong here: any repair. A recording with damaged items is a legitimate recording.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from spotify_assets.sandbox.clock import EPOCH, to_ms


class Recording:
    """The bytes of one response, and the items in it whose `played_at` can be read."""

    def __init__(self, path: Path) -> None:
        """Read the file. Raises OSError, or ValueError when it holds no such response."""
        self.body = path.read_bytes()
        try:
            page = json.loads(self.body)
        except ValueError as error:
            raise ValueError(f"{path} is not JSON: {error}") from error
        if not isinstance(page, dict) or not isinstance(page.get("items"), list):
            raise ValueError(f"{path} is no recently-played response: it has no list of items")
        dated = [(moment, item) for item in page["items"] if (moment := _played_at(item))]
        dated.sort(key=lambda pair: pair[0], reverse=True)
        self.newest = dated[0][0] if dated else EPOCH
        self.window = [(to_ms(moment), item) for moment, item in dated]


def _played_at(item: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(item["played_at"])
    except (KeyError, TypeError, ValueError):
        return None
    return moment.astimezone(UTC) if moment.tzinfo else None
