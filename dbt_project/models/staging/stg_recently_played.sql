with

source as (

    select * from {{ source('raw', 'recently_played') }}

),

timed as (

    select
        row_key,
        account_id,
        played_at,
        track_uri,
        track_name,
        artist_name,
        album_name,
        album_artist_name,
        isrc,
        duration_ms,
        {{ to_ms('played_at') }} as ended_at_ms
    from source

),

-- Spotify may list one play twice with slightly different ends; raw keeps both.
spaced as (

    select
        *,
        ended_at_ms - lag(ended_at_ms) over (
            partition by account_id, track_uri
            order by ended_at_ms, row_key
        ) as ms_since_same_track
    from timed

)

select
    row_key,
    account_id,
    played_at,
    track_uri,
    track_name,
    artist_name,
    album_name,
    album_artist_name,
    isrc,
    duration_ms,
    ended_at_ms
from spaced
where
    ms_since_same_track is null
    or ms_since_same_track > {{ var('same_play_within_ms') }}
