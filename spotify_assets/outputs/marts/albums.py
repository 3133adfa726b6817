"""Which albums stand for what is shown, since covers are theirs."""

from collections.abc import Sequence

from spotify_assets.outputs.marts.look import Kind, Look


def albums_of(look: Look, kind: Kind, keys: Sequence[str]) -> dict[str, list[str]]:
    """The albums whose covers stand for these tracks, albums or artists, the best first.

    Of an artist, the own albums come before those of others, then the most played ones of all
    accounts. What has no album is left out.
    """
    if kind is Kind.ALBUMS:
        return {key: [key] for key in keys}
    if kind is Kind.PODCASTS or not keys:
        return {}
    query = {
        Kind.TRACKS: """
            select track_key, album_key from dim_tracks
            where track_key in :keys and content_type = 'track' and album_key <> 'unknown'
        """,
        Kind.ARTISTS: """
            with albums as (
                select
                    artist_key, album_key,
                    max(case when album_artist_name = artist_name then 1 else 0 end) as is_own
                from dim_tracks
                where
                    artist_key in :keys and content_type = 'track' and album_key <> 'unknown'
                group by artist_key, album_key
            ),
            popular as (
                select album_key, sum(plays) as plays
                from mart_top_albums
                where account_id in (select account_id from dim_accounts) and period = 'all'
                group by album_key
            )
            select albums.artist_key, albums.album_key
            from albums left join popular on albums.album_key = popular.album_key
            order by albums.is_own desc, coalesce(popular.plays, 0) desc, albums.album_key
        """,
    }[kind]
    found: dict[str, list[str]] = {}
    for key, album_key in look.rows(query, keys=list(keys)):
        found.setdefault(key, []).append(album_key)
    return found


def uri_of_album(look: Look, key: str) -> str | None:
    """The Spotify URI of an album, or of a track on it where only tracks have one."""
    if key.startswith("spotify:"):
        return key
    query = """
        select min(track_uri) from dim_tracks
        where album_key = :key and track_uri like 'spotify:track:%'
    """
    return next((uri for (uri,) in look.rows(query, key=key)), None)
