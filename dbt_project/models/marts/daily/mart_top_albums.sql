{{
  config(
    indexes=[
      {'columns': ['account_id', 'period', 'period_start', 'rank_by_plays']},
      {'columns': ['account_id', 'period', 'period_start', 'rank_by_time']},
    ],
  )
}}

with

plays as (

    select * from {{ ref('fct_plays') }}
    where
        is_counted = 1
        and content_type = 'track'
        and album_name is not null and artist_name is not null

),

periods as (

    select * from {{ ref('dim_date_periods') }}

),

-- By day first, which leaves less to join with four periods.
album_track_days as (

    select
        account_id,
        local_date,
        album_name,
        artist_name,
        track_key,
        count(*) as plays,
        sum(ms_played) as ms_played,
        sum(case when ms_played_is_estimated = 1 then ms_played else 0 end) as ms_played_estimated,
        min(ended_at) as first_played_at,
        max(ended_at) as last_played_at
    from plays
    group by account_id, local_date, album_name, artist_name, track_key

),

counted as (

    select
        days.account_id,
        periods.period,
        periods.period_start,
        days.album_name,
        days.artist_name,
        sum(days.plays) as plays,
        count(distinct case when days.track_key <> 'unknown' then days.track_key end) as tracks,
        sum(days.ms_played) as ms_played,
        sum(days.ms_played_estimated) as ms_played_estimated,
        min(days.first_played_at) as first_played_at,
        max(days.last_played_at) as last_played_at
    from album_track_days as days
    inner join periods on days.local_date = periods.local_date
    group by
        days.account_id,
        periods.period,
        periods.period_start,
        days.album_name,
        days.artist_name

)

select
    account_id,
    cast(period as {{ type_string() }}) as period,
    cast(period_start as {{ type_string() }}) as period_start,
    album_name,
    artist_name,
    cast(plays as {{ type_bigint() }}) as plays,
    cast(tracks as {{ type_bigint() }}) as tracks,
    cast(ms_played as {{ type_bigint() }}) as ms_played,
    cast(ms_played_estimated as {{ type_bigint() }}) as ms_played_estimated,
    cast(first_played_at as {{ type_string() }}) as first_played_at,
    cast(last_played_at as {{ type_string() }}) as last_played_at,
    cast(
        row_number() over (
            partition by account_id, period, period_start
            order by plays desc, ms_played desc, album_name asc, artist_name asc
        ) as {{ type_bigint() }}
    ) as rank_by_plays,
    cast(
        row_number() over (
            partition by account_id, period, period_start
            order by ms_played desc, plays desc, album_name asc, artist_name asc
        ) as {{ type_bigint() }}
    ) as rank_by_time
from counted
