with

plays as (

    select * from {{ ref('fct_plays') }}
    where is_counted = 1 and content_type = 'track' and artist_name is not null

),

counted as (

    select
        account_id,
        artist_name,
        cast(count(*) as {{ type_bigint() }}) as plays,
        cast(
            count(distinct track_uri)
            + count(distinct case when track_uri is null then coalesce(track_name, '') end)
            as {{ type_bigint() }}
        ) as tracks,
        cast(sum(ms_played) as {{ type_bigint() }}) as ms_played,
        cast(
            sum(case when ms_played_is_estimated = 1 then ms_played else 0 end)
            as {{ type_bigint() }}
        ) as ms_played_estimated,
        cast(min(ended_at) as {{ type_string() }}) as first_played_at,
        cast(max(ended_at) as {{ type_string() }}) as last_played_at
    from plays
    group by account_id, artist_name

)

select
    account_id,
    artist_name,
    plays,
    tracks,
    ms_played,
    ms_played_estimated,
    first_played_at,
    last_played_at,
    cast(
        row_number() over (
            partition by account_id
            order by plays desc, ms_played desc, artist_name asc
        ) as {{ type_bigint() }}
    ) as artist_rank
from counted
