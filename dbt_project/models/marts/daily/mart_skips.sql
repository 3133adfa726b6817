{{ config(indexes=[{'columns': ['account_id', 'rank_by_skips']}]) }}

with

plays as (

    select * from {{ ref('fct_plays') }}
    where skipped is not null and content_type = 'track' and track_key <> 'unknown'

),

-- By the fact's index: what two read as one, SQLite copies before.
plays_by_end as (

    select * from {{ ref('fct_plays') }}
    where skipped is not null and content_type = 'track'

),

tracks as (

    select
        account_id,
        track_key,
        count(*) as known_plays,
        sum(skipped) as skips,
        sum(case when skipped = 1 then ms_played else 0 end) as ms_played_of_skips,
        max(ended_at) as last_ended_at
    from plays
    group by account_id, track_key

),

-- Names change over the years: those of the newest play are shown.
named as (

    select
        tracks.account_id,
        tracks.track_key,
        tracks.known_plays,
        tracks.skips,
        tracks.ms_played_of_skips,
        plays_by_end.track_uri,
        plays_by_end.track_name,
        plays_by_end.artist_name,
        row_number() over (
            partition by tracks.account_id, tracks.track_key
            order by plays_by_end.play_id
        ) as newest_first
    from tracks
    inner join plays_by_end
        on
            tracks.account_id = plays_by_end.account_id
            and tracks.last_ended_at = plays_by_end.ended_at
            and tracks.track_key = plays_by_end.track_key

)

select
    account_id,
    track_key,
    track_uri,
    track_name,
    artist_name,
    cast(known_plays as {{ type_bigint() }}) as known_plays,
    cast(skips as {{ type_bigint() }}) as skips,
    cast(skips * 1000 / known_plays as {{ type_bigint() }}) as skips_per_1000,
    cast(ms_played_of_skips as {{ type_bigint() }}) as ms_played_of_skips,
    cast(
        row_number() over (
            partition by account_id
            order by skips desc, ms_played_of_skips desc, track_key asc
        ) as {{ type_bigint() }}
    ) as rank_by_skips
from named
where newest_first = 1
