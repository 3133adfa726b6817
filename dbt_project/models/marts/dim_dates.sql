{{ config(indexes=[{'columns': ['local_date'], 'unique': true}]) }}

with recursive

accounts as (

    select * from {{ ref('dim_accounts') }}

),

-- Days are counted, so that no date has to be computed with.
days as (

    select
        {{ day_number(to_ms("min(first_date) || 'T00:00:00.000Z'")) }} as day_number,
        {{ day_number(to_ms("max(last_date) || 'T00:00:00.000Z'")) }} as last_day_number
    from accounts

    union all

    select
        day_number + 1 as day_number,
        last_day_number
    from days
    where day_number < last_day_number

),

dated as (

    select
        day_number % 7 + 1 as local_weekday,
        substr({{ to_utc_text(begin_of_day('day_number')) }}, 1, 10) as local_date,
        substr(
            {{ to_utc_text(begin_of_day('day_number - day_number % 7')) }}, 1, 10
        ) as week_start
    from days
    where day_number is not null

)

select
    cast(local_date as {{ type_string() }}) as local_date,
    cast(local_weekday as {{ type_int() }}) as local_weekday,
    cast(week_start as {{ type_string() }}) as week_start,
    cast(substr(local_date, 1, 8) || '01' as {{ type_string() }}) as month_start,
    cast(substr(local_date, 1, 5) || '01-01' as {{ type_string() }}) as year_start
from dated
