with

episodes as (

    select * from {{ ref('int_shown_plays') }}
    where is_counted = 1 and content_type = 'episode'

),

-- The show is what an episode has in the place of an artist.
tracks as (

    select
        track_key,
        artist_key as show_key,
        artist_name as show_name
    from {{ ref('dim_tracks') }}
    where artist_key <> 'unknown'

),

shows as (

    select
        episodes.account_id,
        tracks.show_key,
        max(tracks.show_name) as show_name,
        count(distinct episodes.track_key) as episodes,
        count(*) as plays,
        sum(episodes.ms_played) as ms_played,
        sum(episodes.ms_played * episodes.ms_played_is_estimated) as ms_played_estimated,
        min(episodes.ended_at) as first_played_at,
        max(episodes.ended_at) as last_played_at
    from episodes
    inner join tracks on episodes.track_key = tracks.track_key
    -- In this order no index fits: sorting the few episodes is quicker than following it.
    group by tracks.show_key, episodes.account_id

)

select
    account_id,
    show_key,
    cast(show_name as {{ type_string() }}) as show_name,
    cast(episodes as {{ type_bigint() }}) as episodes,
    cast(plays as {{ type_bigint() }}) as plays,
    cast(ms_played as {{ type_bigint() }}) as ms_played,
    cast(ms_played_estimated as {{ type_bigint() }}) as ms_played_estimated,
    cast(first_played_at as {{ type_string() }}) as first_played_at,
    cast(last_played_at as {{ type_string() }}) as last_played_at,
    cast(
        row_number() over (
            partition by account_id
            order by ms_played desc, plays desc, show_key asc
        ) as {{ type_bigint() }}
    ) as rank_by_time,
    cast(
        row_number() over (
            partition by account_id
            order by plays desc, ms_played desc, show_key asc
        ) as {{ type_bigint() }}
    ) as rank_by_plays
from shows
