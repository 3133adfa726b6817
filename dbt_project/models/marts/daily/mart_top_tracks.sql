{{
  config(
    indexes=[
      {'columns': ['account_id', 'period', 'period_start', 'rank_by_plays']},
      {'columns': ['account_id', 'period', 'period_start', 'rank_by_time']},
    ],
  )
}}

with

track_days as (

    select * from {{ ref('fct_track_days') }}
    where content_type = 'track' and track_key <> 'unknown'

),

periods as (

    select * from {{ ref('dim_date_periods') }}

),

tracks as (

    select * from {{ ref('dim_tracks') }}

),

counted as (

    select
        track_days.account_id,
        periods.period,
        periods.period_start,
        track_days.track_key,
        sum(track_days.plays) as plays,
        sum(track_days.ms_played) as ms_played,
        sum(track_days.ms_played_estimated) as ms_played_estimated,
        min(track_days.first_played_at) as first_played_at,
        max(track_days.last_played_at) as last_played_at
    from track_days
    inner join periods on track_days.local_date = periods.local_date
    group by
        track_days.account_id,
        periods.period,
        periods.period_start,
        track_days.track_key

)

select
    counted.account_id,
    cast(counted.period as {{ type_string() }}) as period,
    cast(counted.period_start as {{ type_string() }}) as period_start,
    counted.track_key,
    tracks.track_uri,
    tracks.track_name,
    tracks.artist_key,
    tracks.artist_name,
    cast(counted.plays as {{ type_bigint() }}) as plays,
    cast(counted.ms_played as {{ type_bigint() }}) as ms_played,
    cast(counted.ms_played_estimated as {{ type_bigint() }}) as ms_played_estimated,
    cast(counted.first_played_at as {{ type_string() }}) as first_played_at,
    cast(counted.last_played_at as {{ type_string() }}) as last_played_at,
    cast(
        row_number() over (
            partition by counted.account_id, counted.period, counted.period_start
            order by counted.plays desc, counted.ms_played desc, counted.track_key asc
        ) as {{ type_bigint() }}
    ) as rank_by_plays,
    cast(
        row_number() over (
            partition by counted.account_id, counted.period, counted.period_start
            order by counted.ms_played desc, counted.plays desc, counted.track_key asc
        ) as {{ type_bigint() }}
    ) as rank_by_time
from counted
inner join tracks on counted.track_key = tracks.track_key
