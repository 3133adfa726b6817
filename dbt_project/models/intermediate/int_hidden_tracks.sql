{{ config(indexes=[{'columns': ['track_key']}]) }}

with

exclusions as (

    select * from {{ ref('stg_exclusions') }}

),

tracks as (

    select
        *,
        {{ name_key('artist_name') }} as artist_name_key
    from {{ ref('dim_tracks') }}

),

names_of_one_artist as (

    select
        content_type,
        artist_name
    from tracks
    group by content_type, artist_name
    having count(distinct artist_key) = 1

),

-- An artist who was hidden under a name stays so when the API tells the URI, as long as nobody else
-- has the name. Of one who was hidden under a URI, the tracks of which nobody tells it are hidden
-- under the name.
hidden_artists as (

    select
        exclusions.exclusion_id,
        exclusions.account_id,
        tracks.track_key
    from exclusions
    inner join tracks
        on
            exclusions.kind
            = case tracks.content_type when 'track' then 'artist' when 'episode' then 'podcast' end
    left join names_of_one_artist
        on
            tracks.content_type = names_of_one_artist.content_type
            and tracks.artist_name = names_of_one_artist.artist_name
    where
        exclusions.hidden_key = tracks.artist_key
        or (
            exclusions.hidden_key = tracks.artist_name_key
            and names_of_one_artist.artist_name is not null
        )
        or (
            exclusions.hidden_name = tracks.artist_name
            and tracks.artist_key = tracks.artist_name_key
        )

)

select
    exclusion_id,
    account_id,
    track_key
from hidden_artists

union all

select
    exclusions.exclusion_id,
    exclusions.account_id,
    tracks.track_key
from exclusions
inner join tracks
    on exclusions.hidden_key in (
        tracks.album_key, {{ name_key('tracks.album_name', 'tracks.album_artist_name') }}
    )
where exclusions.kind = 'album'

union all

select
    exclusions.exclusion_id,
    exclusions.account_id,
    tracks.track_key
from exclusions
inner join tracks
    on exclusions.hidden_key in (
        tracks.track_key, {{ name_key('tracks.track_name', 'tracks.artist_name') }}
    )
where exclusions.kind = 'track'
