{{ config(indexes=[{'columns': ['track_key']}]) }}

with

exclusions as (

    select * from {{ ref('stg_exclusions') }}

),

tracks as (

    select * from {{ ref('dim_tracks') }}

)

-- What was hidden under its name stays so when the API tells its URI.
select
    exclusions.exclusion_id,
    exclusions.account_id,
    tracks.track_key
from exclusions
inner join tracks
    on case
        when exclusions.kind = 'artist' and tracks.content_type = 'track'
            then exclusions.hidden_key in (
                tracks.artist_key, {{ name_key('tracks.artist_name') }}
            )
        when exclusions.kind = 'podcast' and tracks.content_type = 'episode'
            then exclusions.hidden_key in (
                tracks.artist_key, {{ name_key('tracks.artist_name') }}
            )
        when exclusions.kind = 'album'
            then exclusions.hidden_key in (
                tracks.album_key, {{ name_key('tracks.album_name', 'tracks.album_artist_name') }}
            )
        when exclusions.kind = 'track'
            then exclusions.hidden_key in (
                tracks.track_key, {{ name_key('tracks.track_name', 'tracks.artist_name') }}
            )
    end
