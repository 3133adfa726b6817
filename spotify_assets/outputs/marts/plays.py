"""Plays one by one, in the tables that show them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from spotify_assets.outputs.marts.look import COLUMNS, Kind, Look


@dataclass(frozen=True)
class Play:
    """A play as a list shows it; `ended_at` is UTC text, `local_started_at` the listener's."""

    play_id: str
    account_id: str
    ended_at: str
    local_date: date
    local_started_at: str
    ms_played: int
    ms_played_is_estimated: bool
    track_key: str
    track_name: str | None
    artist_key: str
    artist_name: str | None
    album_name: str | None
    content_type: str


_COLUMNS = """
    plays.play_id, plays.account_id, plays.ended_at, plays.local_date, plays.local_started_at,
    plays.ms_played, plays.ms_played_is_estimated, plays.track_key, tracks.track_name,
    tracks.artist_key, tracks.artist_name, tracks.album_name, plays.content_type
"""


def newest(look: Look, accounts: Sequence[str], limit: int) -> list[Play]:
    """The newest counted plays, newest first."""
    each = f"""
        select {_COLUMNS}
        from int_shown_plays as plays
        inner join dim_tracks as tracks on tracks.track_key = plays.track_key
        where plays.account_id = :account and plays.is_counted = 1
        order by plays.ended_at desc, plays.play_id desc limit :limit
    """  # noqa: S608 # ours
    # One question for each account, by the fact's index.
    rows = [row for account in accounts for row in look.rows(each, account=account, limit=limit)]
    rows.sort(key=lambda row: (row.ended_at, row.play_id), reverse=True)
    return [_play(row) for row in rows[:limit]]


def of_days(
    look: Look, accounts: Sequence[str], first: date, last: date, limit: int, skip: int
) -> list[Play]:
    """The counted plays of a period, the newest first, by when they began."""
    each = f"""
        select {_COLUMNS}
        from int_shown_plays as plays
        inner join dim_tracks as tracks on tracks.track_key = plays.track_key
        where
            plays.account_id = :account and plays.is_counted = 1
            and plays.local_date between :first and :last
        order by plays.local_date desc, plays.local_started_at desc, plays.play_id limit :limit
    """  # noqa: S608 # ours
    values = {"first": first, "last": last, "limit": skip + limit}
    # One question for each account, by the fact's index.
    rows = [row for account in accounts for row in look.rows(each, account=account, **values)]
    rows.sort(key=lambda row: row.play_id)
    rows.sort(key=lambda row: (row.local_date, row.local_started_at), reverse=True)
    return [_play(row) for row in rows[skip : skip + limit]]


def of_thing(
    look: Look,
    kind: Kind,
    key: str,
    accounts: Sequence[str],
    first: date,
    last: date,
    limit: int,
    skip: int,
) -> list[Play]:
    """The counted plays of an artist, track, album or podcast in a period, the newest day first."""
    columns = COLUMNS[kind]
    values = {"key": key, "content_type": columns.content_type, "accounts": list(accounts)}
    days = f"""
        select days.local_date, sum(days.plays)
        from dim_tracks as tracks
        cross join fct_track_days as days
        where
            tracks.{columns.key} = :key and days.track_key = tracks.track_key
            and days.account_id in :accounts and days.content_type = :content_type
            and days.local_date between :first and :last
        group by days.local_date order by days.local_date desc
    """  # noqa: S608 # ours
    seen = before = 0
    dates = []
    for day, count in look.rows(days, first=first, last=last, **values):
        if seen + count <= skip:
            before += count
        elif seen < skip + limit:
            dates.append(day)
        seen += count
    # Of an artist of thousands of plays, the plays of these days alone are read.
    query = f"""
        select {_COLUMNS}
        from int_shown_plays as plays
        inner join dim_tracks as tracks on tracks.track_key = plays.track_key
        where
            plays.account_id in :accounts and plays.local_date in :dates
            and tracks.{columns.key} = :key and plays.content_type = :content_type
            and plays.is_counted = 1
        order by plays.local_date desc, plays.ended_at desc, plays.play_id
        limit :limit offset :skip
    """  # noqa: S608 # ours
    rows = look.rows(query, dates=dates, limit=limit, skip=skip - before, **values)
    return [_play(row) for row in rows]


def habits_of(
    look: Look, kind: Kind, key: str, accounts: Sequence[str]
) -> tuple[dict[int, int], dict[str, int]]:
    """Counted plays of an artist, track, album or podcast by the hour, and by its context.

    Plays whose time is unreliable are in no hour; those of which no source tells it in no context.
    """
    query = f"""
        select
            case when plays.time_is_unreliable = 0 then plays.local_hour end,
            plays.context_type, count(*)
        from dim_tracks as tracks
        cross join int_shown_plays as plays
        where
            tracks.{COLUMNS[kind].key} = :key and plays.track_key = tracks.track_key
            and plays.account_id in :accounts and plays.content_type = :content_type
            and plays.is_counted = 1
        group by 1, 2
    """  # noqa: S608 # ours
    rows = look.rows(
        query, key=key, content_type=COLUMNS[kind].content_type, accounts=list(accounts)
    )
    hours: dict[int, int] = {}
    contexts: dict[str, int] = {}
    for hour, context, count in rows:
        if hour is not None:
            hours[hour] = hours.get(hour, 0) + count
        if context is not None:
            contexts[context] = contexts.get(context, 0) + count
    return hours, contexts


def _play(row: Any) -> Play:
    day, is_estimated = date.fromisoformat(row.local_date), bool(row.ms_played_is_estimated)
    return Play(**{**row._mapping, "local_date": day, "ms_played_is_estimated": is_estimated})
