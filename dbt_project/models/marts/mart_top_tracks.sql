with

facts as (

    select * from {{ ref('fct_plays') }}
    where is_counted = 1 and content_type = 'track'

),

-- Some sources tell no URI: files of the listener's own, the account data. What has neither URI
-- nor title cannot be told from others.
plays as (

    select
        *,
        coalesce(
            track_uri,
            length(track_name) || ' characters: ' || track_name || ', ' || coalesce(artist_name, '')
        ) as track_key
    from facts
    where track_uri is not null or track_name is not null

),

-- A track's names can change over the years: the newest ones are shown.
named as (

    select
        account_id,
        track_key,
        track_uri,
        track_name,
        artist_name,
        row_number() over (
            partition by account_id, track_key
            order by ended_at desc, play_id asc
        ) as newest_first
    from plays

),

counted as (

    select
        account_id,
        track_key,
        cast(count(*) as {{ type_bigint() }}) as plays,
        cast(sum(ms_played) as {{ type_bigint() }}) as ms_played,
        cast(
            sum(case when ms_played_is_estimated = 1 then ms_played else 0 end)
            as {{ type_bigint() }}
        ) as ms_played_estimated,
        cast(min(ended_at) as {{ type_string() }}) as first_played_at,
        cast(max(ended_at) as {{ type_string() }}) as last_played_at
    from plays
    group by account_id, track_key

)

select
    counted.account_id,
    cast(counted.track_key as {{ type_string() }}) as track_key,
    named.track_uri,
    named.track_name,
    named.artist_name,
    counted.plays,
    counted.ms_played,
    counted.ms_played_estimated,
    counted.first_played_at,
    counted.last_played_at,
    cast(
        row_number() over (
            partition by counted.account_id
            order by counted.plays desc, counted.ms_played desc, counted.track_key asc
        ) as {{ type_bigint() }}
    ) as track_rank
from counted
inner join named
    on
        counted.account_id = named.account_id
        and counted.track_key = named.track_key
        and named.newest_first = 1
