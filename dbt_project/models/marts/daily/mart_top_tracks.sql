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

-- Names change over the years: those of the period's newest play are shown. One pass over windows;
-- a join back to the days takes SQLite far longer.
counted as (

    select
        track_days.account_id,
        periods.period,
        periods.period_start,
        track_days.track_key,
        track_days.track_uri,
        track_days.track_name,
        track_days.artist_name,
        sum(track_days.plays) over whole_period as plays,
        sum(track_days.ms_played) over whole_period as ms_played,
        sum(track_days.ms_played_estimated) over whole_period as ms_played_estimated,
        min(track_days.first_played_at) over whole_period as first_played_at,
        max(track_days.last_played_at) over whole_period as last_played_at,
        row_number() over (
            partition by
                track_days.account_id,
                periods.period,
                periods.period_start,
                track_days.track_key
            order by track_days.last_played_at desc, track_days.local_date desc
        ) as newest_first
    from track_days
    inner join periods on track_days.local_date = periods.local_date
    window
        whole_period as (
            partition by
                track_days.account_id,
                periods.period,
                periods.period_start,
                track_days.track_key
        )

)

select
    account_id,
    cast(period as {{ type_string() }}) as period,
    cast(period_start as {{ type_string() }}) as period_start,
    track_key,
    track_uri,
    track_name,
    artist_name,
    cast(plays as {{ type_bigint() }}) as plays,
    cast(ms_played as {{ type_bigint() }}) as ms_played,
    cast(ms_played_estimated as {{ type_bigint() }}) as ms_played_estimated,
    cast(first_played_at as {{ type_string() }}) as first_played_at,
    cast(last_played_at as {{ type_string() }}) as last_played_at,
    cast(
        row_number() over (
            partition by account_id, period, period_start
            order by plays desc, ms_played desc, track_key asc
        ) as {{ type_bigint() }}
    ) as rank_by_plays,
    cast(
        row_number() over (
            partition by account_id, period, period_start
            order by ms_played desc, plays desc, track_key asc
        ) as {{ type_bigint() }}
    ) as rank_by_time
from counted
where newest_first = 1
