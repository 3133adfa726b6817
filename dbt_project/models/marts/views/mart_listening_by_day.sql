with

coverage as (

    select * from {{ ref('mart_coverage') }}

),

track_days as (

    select * from {{ ref('fct_track_days') }}

)

-- Grouped last and by plain columns: so a condition on account and date reaches the aggregate's
-- index, and a question for some days reads no other.
select
    coverage.account_id,
    coverage.local_date,
    cast(coalesce(sum(track_days.plays), 0) as {{ type_bigint() }}) as plays,
    cast(
        count(
            case
                when track_days.content_type = 'track' and track_days.track_key <> 'unknown' then 1
            end
        ) as {{ type_bigint() }}
    ) as tracks,
    cast(coalesce(sum(track_days.ms_played), 0) as {{ type_bigint() }}) as ms_played,
    cast(
        coalesce(sum(track_days.ms_played_estimated), 0) as {{ type_bigint() }}
    ) as ms_played_estimated,
    cast(
        case when max(coverage.open_gaps) > 0 then 1 else 0 end as {{ type_int() }}
    ) as is_at_least,
    cast(max(coverage.max_lost_plays) as {{ type_bigint() }}) as max_lost_plays
from coverage
left join track_days
    on
        coverage.account_id = track_days.account_id
        and coverage.local_date = track_days.local_date
group by coverage.account_id, coverage.local_date
