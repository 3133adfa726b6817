"""Plays one by one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from spotify_assets.outputs.marts.look import Look


@dataclass(frozen=True)
class Play:
    """A play as a list shows it; `ended_at` is UTC text."""

    play_id: str
    account_id: str
    ended_at: str
    local_date: date
    track_key: str
    track_name: str | None
    artist_key: str
    artist_name: str | None
    album_name: str | None
    content_type: str


def newest(look: Look, accounts: Sequence[str], limit: int) -> list[Play]:
    """The newest counted plays, newest first."""
    each = """
        select
            plays.play_id, plays.account_id, plays.ended_at, plays.local_date, plays.track_key,
            tracks.track_name, tracks.artist_key, tracks.artist_name, tracks.album_name,
            plays.content_type
        from fct_plays as plays
        inner join dim_tracks as tracks on tracks.track_key = plays.track_key
        where plays.account_id = :account and plays.is_counted = 1
        order by plays.ended_at desc limit :limit
    """
    # One question for each account, by the fact's index.
    rows = [row for account in accounts for row in look.rows(each, account=account, limit=limit)]
    rows.sort(key=lambda row: (row.ended_at, row.play_id), reverse=True)
    return [
        Play(**{**row._mapping, "local_date": date.fromisoformat(row.local_date)})
        for row in rows[:limit]
    ]
