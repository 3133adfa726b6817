-- Each sum by itself and by the aggregate's index: a question reads the days that it asks for.
{% set is_of_the_day = (
    'track_days.account_id = coverage.account_id and track_days.local_date = coverage.local_date'
) -%}

with

coverage as (

    select * from {{ ref('mart_coverage') }}

)

select
    account_id,
    local_date,
    cast((
        select coalesce(sum(track_days.plays), 0)
        from {{ ref('fct_track_days') }} as track_days
        where {{ is_of_the_day }}
    ) as {{ type_bigint() }}) as plays,
    cast((
        select count(*)
        from {{ ref('fct_track_days') }} as track_days
        where
            {{ is_of_the_day }}
            and track_days.content_type = 'track'
            and track_days.track_key <> 'unknown'
    ) as {{ type_bigint() }}) as tracks,
    cast((
        select coalesce(sum(track_days.ms_played), 0)
        from {{ ref('fct_track_days') }} as track_days
        where {{ is_of_the_day }}
    ) as {{ type_bigint() }}) as ms_played,
    cast((
        select coalesce(sum(track_days.ms_played_estimated), 0)
        from {{ ref('fct_track_days') }} as track_days
        where {{ is_of_the_day }}
    ) as {{ type_bigint() }}) as ms_played_estimated,
    cast(case when open_gaps > 0 then 1 else 0 end as {{ type_int() }}) as is_at_least,
    max_lost_plays
from coverage
