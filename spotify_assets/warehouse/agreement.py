"""How well the API and the exports agree, measured on what this warehouse holds.

Both tell when a play ended, but not to the second, and only the listener's own data can say by how
much they differ. Where that varies by more than half the time between two plays, no rule can tell
which row is which play.
"""

from dataclasses import dataclass

from sqlalchemy import text

from spotify_assets.warehouse.warehouse import Warehouse

# The account data has minutes, which say nothing of an offset.
_PAIRS = "from int_plays_matched where matched_by <> 'names_and_minute'"
_SPACINGS = """
from (
    select
        ended_at_ms - lag(ended_at_ms) over (partition by account_id order by ended_at_ms)
            as spacing_ms
    from stg_recently_played
) as spacings
where spacing_ms > 0
"""
_SINGLE = """
select count(*) from fct_plays as plays
inner join (
    select account_id, min(export_ended_at) as first_end, max(export_ended_at) as last_end
    from fct_plays
    where export_ended_at is not null and track_uri is not null
    group by account_id
) as spans on plays.account_id = spans.account_id
where plays.source = 'api' and plays.ended_at between spans.first_end and spans.last_end
"""


@dataclass(frozen=True)
class Agreement:
    """The export's ends less the API's, in ms.

    Attributes:
        pairs: plays that both sources tell, without those that only the account data tells.
        offset_median, offset_p05, offset_p95: None where there is no pair.
        half_spacing: half of the median time between the ends of two plays of the API.
        api_plays_single: plays of the API alone, within the time of an export: it should have
            them.
    """

    pairs: int
    offset_median: int | None
    offset_p05: int | None
    offset_p95: int | None
    half_spacing: int | None
    api_plays_single: int

    @property
    def can_be_told_apart(self) -> bool:
        """Whether the offset varies by less than half the time between two plays."""
        if self.offset_p05 is None or self.offset_p95 is None or self.half_spacing is None:
            return True
        return self.offset_p95 - self.offset_p05 <= self.half_spacing


def agreement(warehouse: Warehouse) -> Agreement:
    """What the models as they are say of it."""
    median = _quantile(warehouse, "spacing_ms", _SPACINGS, 0.5)
    return Agreement(
        pairs=_number(warehouse, f"select count(*) {_PAIRS}") or 0,
        offset_median=_quantile(warehouse, "offset_ms", _PAIRS, 0.5),
        offset_p05=_quantile(warehouse, "offset_ms", _PAIRS, 0.05),
        offset_p95=_quantile(warehouse, "offset_ms", _PAIRS, 0.95),
        half_spacing=None if median is None else median // 2,
        api_plays_single=_number(warehouse, _SINGLE) or 0,
    )


def _quantile(warehouse: Warehouse, column: str, source: str, share: float) -> int | None:
    count = _number(warehouse, f"select count(*) {source}") or 0
    if not count:
        return None
    place = min(count - 1, int(count * share))
    return _number(warehouse, f"select {column} {source} order by {column} limit 1 offset {place}")


def _number(warehouse: Warehouse, query: str) -> int | None:
    rows = warehouse.read(text(query))
    return int(rows[0][0]) if rows else None
