"""Which fields Spotify sends in another type than before, by the accounting of recent loads.

An optional value of a wrong type keeps no play out of the models: its column is null. So a format
that changes shows here, and nowhere else.
"""

import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select

from spotify_assets import times
from spotify_assets.warehouse.tables import loads
from spotify_assets.warehouse.warehouse import Warehouse

LOOKED_BACK = timedelta(days=30)
FEWEST_ROWS, LARGEST_SHARE = 5, 0.01


@dataclass(frozen=True)
class UnreadField:
    """A field that could not be read in some of the rows that were loaded recently.

    Attributes:
        field: its name in the raw table, or of the object that holds it.
        rows: how many rows have a value of a wrong type in it.
        of_rows: how many rows were loaded.
    """

    field: str
    rows: int
    of_rows: int

    @property
    def has_changed(self) -> bool:
        """Whether these are too many rows to be single mistakes."""
        return self.rows >= FEWEST_ROWS and self.rows > LARGEST_SHARE * self.of_rows


def unread_fields(warehouse: Warehouse, source: str, now: datetime) -> list[UnreadField]:
    """The fields that could not be read in rows of the last 30 days, most rows first.

    Args:
        warehouse: where the loads are.
        source: of the loads.
        now: the end of these days.
    """
    recent = (loads.c.source == source, loads.c.loaded_at >= times.to_text(now - LOOKED_BACK))
    total = warehouse.read(select(func.coalesce(func.sum(loads.c.rows_loaded), 0)).where(*recent))
    texts = warehouse.read(select(loads.c.unread).where(*recent, loads.c.unread.is_not(None)))
    rows = Counter[str]()
    for (text,) in texts:
        rows.update(json.loads(text))
    return [
        UnreadField(field, count, total[0][0])
        for field, count in sorted(rows.items(), key=lambda item: (-item[1], item[0]))
    ]
