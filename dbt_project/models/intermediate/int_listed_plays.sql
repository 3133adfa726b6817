with

days as (

    select * from {{ ref('int_touched_days') }}

),

api_plays as (

    select * from {{ ref('stg_recently_played') }}

),

listed as (

    select api_plays.*
    -- Days first: each is a range of the key of raw.
    from days
    cross join api_plays
    where
        days.account_id = api_plays.account_id
        and api_plays.played_at >= days.begins_at
        and api_plays.played_at < days.ends_at

),

-- Spotify may list one play twice with different times; raw keeps both rows.
spaced as (

    select
        *,
        ended_at_ms - lag(ended_at_ms) over (
            partition by account_id, track_uri
            order by ended_at_ms, row_key
        ) as ms_since_same_track
    from listed

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
    duration_ms,
    context_type,
    context_uri,
    cast(ended_at_ms as {{ type_bigint() }}) as ended_at_ms
from spaced
where
    ms_since_same_track is null
    or ms_since_same_track >= {{ var('listed_after_ms') }}
