with

track_days as (

    select * from {{ ref('fct_track_days') }}

),

-- No date is missing in it, so that dates can be counted instead of computed with.
dates as (

    select
        local_date,
        row_number() over (order by local_date) as date_number
    from {{ ref('dim_dates') }}

),

days_with_gaps as (

    select * from {{ ref('mart_coverage') }}
    where open_gaps > 0

),

days as (

    select
        account_id,
        local_date,
        sum(plays) as plays,
        sum(ms_played) as ms_played,
        sum(ms_played_estimated) as ms_played_estimated
    from track_days
    group by account_id, local_date

),

-- Within a run, a date's number is as much greater than the day's as on the date before.
numbered as (

    select
        days.account_id,
        days.local_date,
        days.plays,
        days.ms_played,
        days.ms_played_estimated,
        dates.date_number,
        dates.date_number - row_number() over (
            partition by days.account_id order by days.local_date
        ) as run
    from days
    inner join dates on days.local_date = dates.local_date

),

runs as (

    select
        account_id,
        min(local_date) as streak_start,
        max(local_date) as streak_end,
        min(date_number) - 1 as number_before,
        max(date_number) + 1 as number_after,
        count(*) as days,
        sum(plays) as plays,
        sum(ms_played) as ms_played,
        sum(ms_played_estimated) as ms_played_estimated
    from numbered
    group by account_id, run

),

numbered_gaps as (

    select
        days_with_gaps.account_id,
        dates.date_number
    from days_with_gaps
    inner join dates on days_with_gaps.local_date = dates.local_date

)

select
    runs.account_id,
    cast(runs.streak_start as {{ type_string() }}) as streak_start,
    cast(runs.streak_end as {{ type_string() }}) as streak_end,
    cast(runs.days as {{ type_bigint() }}) as days,
    cast(runs.plays as {{ type_bigint() }}) as plays,
    cast(runs.ms_played as {{ type_bigint() }}) as ms_played,
    cast(runs.ms_played_estimated as {{ type_bigint() }}) as ms_played_estimated,
    cast(
        row_number() over (
            partition by runs.account_id
            order by runs.days desc, runs.plays desc, runs.streak_start asc
        ) as {{ type_bigint() }}
    ) as streak_rank,
    cast(
        case
            when before_it.account_id is not null or after_it.account_id is not null then 1
            else 0
        end as {{ type_int() }}
    ) as may_be_longer
from runs
left join numbered_gaps as before_it
    on
        runs.account_id = before_it.account_id
        and runs.number_before = before_it.date_number
left join numbered_gaps as after_it
    on
        runs.account_id = after_it.account_id
        and runs.number_after = after_it.date_number
