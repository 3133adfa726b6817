"""An artist, a track, an album or a podcast by itself, over all time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from spotify_assets.outputs.marts.look import COLUMNS, Kind, Look
from spotify_assets.outputs.marts.rankings import Ranked, in_order


@dataclass(frozen=True)
class Thing:
    """An artist, track, album or podcast by itself, over all time."""

    key: str
    name: str | None
    subtitle: str | None
    subtitle_key: str | None
    uri: str | None
    plays: int
    ms_played: int
    ms_played_estimated: int
    tracks: int
    first_played_at: str | None
    last_played_at: str | None


def thing(look: Look, kind: Kind, key: str, accounts: Sequence[str]) -> Thing | None:
    """An artist, track, album or podcast; None where there is none of this key."""
    columns = COLUMNS[kind]
    # Of an album the artist's key is known where one of its tracks is the artist's own.
    subtitle_key = {
        Kind.TRACKS: "tracks.artist_key",
        Kind.ALBUMS: "case when tracks.artist_name = tracks.album_artist_name"
        " and tracks.artist_key <> 'unknown' then tracks.artist_key end",
    }.get(kind, "null")
    of_key = f"tracks.{columns.key} = :key and tracks.content_type = :content_type"
    named = look.rows(
        f"""
        select
            tracks.{columns.name} as name,
            {"tracks." * (columns.subtitle != "null")}{columns.subtitle} as subtitle,
            {subtitle_key} as subtitle_key
        from dim_tracks as tracks where {of_key}
        order by name is null, subtitle_key is null limit 1
        """,  # noqa: S608 # ours
        key=key,
        content_type=columns.content_type,
    )
    if not named:
        return None
    sums = look.rows(
        f"""
        select
            coalesce(sum(days.plays), 0) as plays,
            coalesce(sum(days.ms_played), 0) as ms_played,
            coalesce(sum(days.ms_played_estimated), 0) as ms_played_estimated,
            count(distinct days.track_key) as tracks,
            min(days.first_played_at) as first_played_at,
            max(days.last_played_at) as last_played_at
        from dim_tracks as tracks
        cross join fct_track_days as days
        where
            days.track_key = tracks.track_key
            and {of_key} and days.account_id in :accounts
            and days.content_type = :content_type
        """,  # noqa: S608 # ours
        key=key,
        content_type=columns.content_type,
        accounts=list(accounts),
    )[0]
    uri = key if key.startswith("spotify:") else None
    return Thing(key=key, uri=uri, **named[0]._mapping, **sums._mapping)


def months_of(look: Look, kind: Kind, key: str, accounts: Sequence[str]) -> dict[date, int]:
    """Plays by the first day of each month in which it was played."""
    columns = COLUMNS[kind]
    query = f"""
        select dates.month_start, sum(days.plays)
        from dim_tracks as tracks
        cross join fct_track_days as days
        inner join dim_dates as dates on dates.local_date = days.local_date
        where
            days.track_key = tracks.track_key
            and tracks.{columns.key} = :key and days.account_id in :accounts
            and days.content_type = :content_type
        group by dates.month_start
    """  # noqa: S608 # ours
    rows = look.rows(query, key=key, content_type=columns.content_type, accounts=list(accounts))
    return {date.fromisoformat(row[0]): row[1] for row in rows}


def parts_of(
    look: Look, kind: Kind, key: str, part: Kind, accounts: Sequence[str], limit: int
) -> list[Ranked]:
    """The most played tracks or albums of an artist or album, over all time."""
    whole, of = COLUMNS[kind], COLUMNS[part]
    query = f"""
        select
            tracks.{of.key} as key, max(tracks.{of.name}) as name,
            max(tracks.{of.subtitle}) as subtitle,
            sum(days.plays) as plays, sum(days.ms_played) as ms_played
        from dim_tracks as tracks
        cross join fct_track_days as days
        where
            days.track_key = tracks.track_key
            and tracks.{whole.key} = :key and tracks.{of.key} <> 'unknown'
            and days.account_id in :accounts and days.content_type = :content_type
        group by tracks.{of.key}
        order by sum(days.plays) desc, sum(days.ms_played) desc, tracks.{of.key} limit :limit
    """  # noqa: S608 # ours
    rows = look.rows(
        query,
        key=key,
        accounts=list(accounts),
        content_type=whole.content_type,
        limit=limit,
    )
    return in_order(rows, is_new=False)


def skips_of(look: Look, kind: Kind, key: str, accounts: Sequence[str]) -> tuple[int, int]:
    """Skipped plays of a thing, and plays of which it is known whether they were; the short too."""
    query = f"""
        select coalesce(sum(skips.skips), 0), coalesce(sum(skips.known_plays), 0)
        from dim_tracks as tracks
        inner join mart_skips as skips on skips.track_key = tracks.track_key
        where tracks.{COLUMNS[kind].key} = :key and skips.account_id in :accounts
    """  # noqa: S608 # ours
    row = look.rows(query, accounts=list(accounts), key=key)[0]
    return row[0], row[1]
