{{ config(indexes=[{'columns': ['account_id', 'local_date']}]) }}

with

days as (

    select * from {{ ref('mart_listening_by_day') }}

),

-- Every day of the calendar is a row, so that rows are days.
summed as (

    select
        account_id,
        local_date,
        plays,
        ms_played,
        row_number() over (partition by account_id order by local_date) as days_so_far,
        sum(plays) over last_7_days as plays_7,
        sum(ms_played) over last_7_days as ms_played_7,
        max(is_at_least) over last_7_days as is_at_least_7,
        sum(plays) over last_28_days as plays_28,
        sum(ms_played) over last_28_days as ms_played_28,
        max(is_at_least) over last_28_days as is_at_least_28
    from days
    window
        last_7_days as (
            partition by account_id order by local_date rows between 6 preceding and current row
        ),
        last_28_days as (
            partition by account_id order by local_date rows between 27 preceding and current row
        )

)

select
    account_id,
    cast(local_date as {{ type_string() }}) as local_date,
    plays,
    ms_played,
    cast(
        case when days_so_far >= 7 then plays_7 * 1000 / 7 end as {{ type_bigint() }}
    ) as plays_per_1000_days_of_7,
    cast(
        case when days_so_far >= 7 then ms_played_7 / 7 end as {{ type_bigint() }}
    ) as ms_per_day_of_7,
    cast(
        case when days_so_far >= 7 then is_at_least_7 end as {{ type_int() }}
    ) as is_at_least_of_7,
    cast(
        case when days_so_far >= 28 then plays_28 * 1000 / 28 end as {{ type_bigint() }}
    ) as plays_per_1000_days_of_28,
    cast(
        case when days_so_far >= 28 then ms_played_28 / 28 end as {{ type_bigint() }}
    ) as ms_per_day_of_28,
    cast(
        case when days_so_far >= 28 then is_at_least_28 end as {{ type_int() }}
    ) as is_at_least_of_28
from summed
