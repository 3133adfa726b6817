"""What was played most."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from spotify_assets.outputs.marts.look import COLUMNS, Columns, Kind, Look
from spotify_assets.outputs.periods import SPOTIFY_BEGAN


@dataclass(frozen=True)
class Ranked:
    """One line of a ranking.

    Attributes:
        rank_before: its rank in the period before; None where it was not played then.
        is_new: it was never played before this period. False where nothing is compared.
    """

    rank: int
    key: str
    name: str | None
    subtitle: str | None
    plays: int
    ms_played: int
    rank_before: int | None
    is_new: bool


def top(
    look: Look,
    kind: Kind,
    accounts: Sequence[str],
    first: date,
    last: date,
    *,
    before: tuple[date, date] | None = None,
    by_time: bool = False,
    limit: int = 10,
) -> list[Ranked]:
    """The most played of a period; ties as in the marts: by the other measure, then by key."""
    columns = COLUMNS[kind]
    order = "ms_played desc, plays desc" if by_time else "plays desc, ms_played desc"

    def ranked(since: date, until: date) -> str:
        return f"""
            select
                tracks.{columns.key} as ranked_key,
                max(tracks.{columns.name}) as ranked_name,
                max({"tracks." * (columns.subtitle != "null")}{columns.subtitle}) as subtitle,
                sum(played.plays) as plays,
                sum(played.ms_played) as ms_played
            from {look.played(accounts, since, until)} as played
            inner join dim_tracks as tracks on tracks.track_key = played.track_key
            where
                played.content_type = '{columns.content_type}'
                and tracks.{columns.key} <> 'unknown'
            group by tracks.{columns.key}
        """  # noqa: S608 # ours

    found = look.rows(
        f"{ranked(first, last)} order by {order}, ranked_key limit :limit", limit=limit
    )
    keys = [row.ranked_key for row in found]
    ranks: dict[str, int] = {}
    if before and keys:
        query = f"""
            select ranked_key, place from (
                select ranked_key, row_number() over (order by {order}, ranked_key) as place
                from ({ranked(*before)}) as ranked
            ) as places where ranked_key in :keys
        """  # noqa: S608 # ours
        ranks = {row.ranked_key: row.place for row in look.rows(query, keys=keys)}
    values = {"accounts": list(accounts), "content_type": columns.content_type}
    known = _played_before(look, columns, keys, first, values) if before and keys else set()
    return [
        Ranked(
            place,
            row.ranked_key,
            row.ranked_name,
            row.subtitle,
            row.plays,
            row.ms_played,
            ranks.get(row.ranked_key),
            is_new=before is not None and row.ranked_key not in known,
        )
        for place, row in enumerate(found, start=1)
    ]


def top_of_all_time(look: Look, kind: Kind, account: str, limit: int) -> list[Ranked]:
    """The ranking of all time that the mart of the day holds; not of podcasts."""
    columns = COLUMNS[kind]
    query = f"""
        select
            rank_by_plays as rank, {columns.key} as key, {columns.name} as name,
            {columns.subtitle} as subtitle, plays, ms_played
        from mart_top_{kind.value}
        where
            account_id = :account and period = 'all' and period_start = :began
            and rank_by_plays <= :limit
        order by rank_by_plays
    """  # noqa: S608 # ours
    rows = look.rows(query, account=account, began=SPOTIFY_BEGAN, limit=limit)
    return [Ranked(**row._mapping, rank_before=None, is_new=False) for row in rows]


def trends(
    look: Look,
    kind: Kind,
    keys: Sequence[str],
    accounts: Sequence[str],
    first: date,
    last: date,
    steps: int,
) -> dict[str, list[int]]:
    """Plays of each key in so many parts of a period, of about the same length each."""
    if not keys:
        return {}
    columns = COLUMNS[kind]
    query = f"""
        select tracks.{columns.key} as key, days.local_date, sum(days.plays) as plays
        from dim_tracks as tracks
        cross join fct_track_days as days
        where
            days.track_key = tracks.track_key
            and tracks.{columns.key} in :keys and days.account_id in :accounts
            and days.content_type = :content_type and days.local_date between :first and :last
        group by tracks.{columns.key}, days.local_date
    """  # noqa: S608 # ours
    rows = look.rows(
        query,
        keys=list(keys),
        accounts=list(accounts),
        content_type=columns.content_type,
        first=first,
        last=last,
    )
    days = (last - first).days + 1
    parts = min(steps, days)
    found = {key: [0] * parts for key in keys}
    for row in rows:
        at = (date.fromisoformat(row.local_date) - first).days * parts // days
        found[row.key][at] += row.plays
    return found


def in_order(rows: Sequence[Any], *, is_new: bool) -> list[Ranked]:
    """Rows of key, name, subtitle, plays and ms_played as a ranking that is compared to nothing."""
    return [
        Ranked(rank=place, rank_before=None, is_new=is_new, **row._mapping)
        for place, row in enumerate(rows, start=1)
    ]


def _played_before(
    look: Look, columns: Columns, keys: list[str], first: date, values: dict[str, Any]
) -> set[str]:
    query = f"""
        select distinct tracks.{columns.key}
        from dim_tracks as tracks
        where
            tracks.{columns.key} in :keys
            and exists (
                select 1 from fct_track_days as days
                where
                    days.account_id in :accounts
                    and days.track_key = tracks.track_key
                    and days.content_type = :content_type
                    -- By the index of the tracks: days are before it for most.
                    and days.local_date || '' < :first
            )
    """  # noqa: S608 # ours
    return {key for (key,) in look.rows(query, keys=keys, first=first, **values)}
