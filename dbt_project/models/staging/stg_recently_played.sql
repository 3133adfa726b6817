with

source as (

    select * from {{ source('raw', 'recently_played') }}

)

select
    row_key,
    account_id,
    played_at,
    track_uri,
    track_name,
    artist_name,
    artist_uri,
    album_name,
    album_uri,
    album_artist_name,
    album_type,
    album_total_tracks,
    disc_number,
    track_number,
    isrc,
    duration_ms,
    context_type,
    context_uri,
    load_id,
    {{ to_ms('played_at') }} as ended_at_ms
from source
