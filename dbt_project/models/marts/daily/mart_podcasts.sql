with

episodes as (

    select * from {{ ref('fct_plays') }}
    where is_counted = 1 and content_type = 'episode' and artist_name is not null

),

shows as (

    select
        account_id,
        artist_name as show_name,
        count(distinct case when track_key <> 'unknown' then track_key end) as episodes,
        count(*) as plays,
        sum(ms_played) as ms_played,
        sum(ms_played * ms_played_is_estimated) as ms_played_estimated,
        min(ended_at) as first_played_at,
        max(ended_at) as last_played_at
    from episodes
    -- In this order no index fits: sorting the few episodes is quicker than following it.
    group by artist_name, account_id

)

select
    account_id,
    show_name,
    cast(episodes as {{ type_bigint() }}) as episodes,
    cast(plays as {{ type_bigint() }}) as plays,
    cast(ms_played as {{ type_bigint() }}) as ms_played,
    cast(ms_played_estimated as {{ type_bigint() }}) as ms_played_estimated,
    cast(first_played_at as {{ type_string() }}) as first_played_at,
    cast(last_played_at as {{ type_string() }}) as last_played_at,
    cast(
        row_number() over (
            partition by account_id
            order by ms_played desc, plays desc, show_name asc
        ) as {{ type_bigint() }}
    ) as rank_by_time,
    cast(
        row_number() over (
            partition by account_id
            order by plays desc, ms_played desc, show_name asc
        ) as {{ type_bigint() }}
    ) as rank_by_plays
from shows
