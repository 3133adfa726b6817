{{
  config(
    indexes=[{'columns': ['account_id', 'rank_by_skips']}, {'columns': ['track_key']}]
  )
}}

with

plays as (

    select * from {{ ref('int_shown_plays') }}
    where skipped is not null and content_type = 'track' and track_key <> 'unknown'

),

tracks as (

    select * from {{ ref('dim_tracks') }}

),

counted as (

    select
        account_id,
        track_key,
        count(*) as known_plays,
        sum(skipped) as skips,
        sum(case when skipped = 1 then ms_played else 0 end) as ms_played_of_skips
    from plays
    group by account_id, track_key

)

select
    counted.account_id,
    counted.track_key,
    tracks.track_uri,
    tracks.track_name,
    tracks.artist_key,
    tracks.artist_name,
    cast(counted.known_plays as {{ type_bigint() }}) as known_plays,
    cast(counted.skips as {{ type_bigint() }}) as skips,
    cast(counted.skips * 1000 / counted.known_plays as {{ type_bigint() }}) as skips_per_1000,
    cast(counted.ms_played_of_skips as {{ type_bigint() }}) as ms_played_of_skips,
    cast(
        row_number() over (
            partition by counted.account_id
            order by
                counted.skips desc, counted.ms_played_of_skips desc, counted.track_key asc
        ) as {{ type_bigint() }}
    ) as rank_by_skips
from counted
inner join tracks on counted.track_key = tracks.track_key
