with

dates as (

    select * from {{ ref('dim_dates') }}

)

select
    local_date,
    'week' as period,
    week_start as period_start
from dates

union all

select
    local_date,
    'month' as period,
    month_start as period_start
from dates

union all

select
    local_date,
    'year' as period,
    year_start as period_start
from dates

union all

select
    local_date,
    'all' as period,
    '2006-01-01' as period_start
from dates
