with

accounts as (

    select * from {{ ref('dim_accounts') }}

),

dates as (

    select * from {{ ref('dim_dates') }}

),

plays as (

    select * from {{ ref('fct_plays') }}

),

lost as (

    select * from {{ ref('int_days_with_gaps') }}

)

select
    accounts.account_id,
    dates.local_date,
    -- By the index of the fact: a question for some days reads no other.
    cast((
        select count(*) from plays
        where
            plays.account_id = accounts.account_id
            and plays.local_date = dates.local_date
    ) as {{ type_bigint() }}) as plays,
    cast(coalesce(lost.open_gaps, 0) as {{ type_bigint() }}) as open_gaps,
    cast(coalesce(lost.max_lost_plays, 0) as {{ type_bigint() }}) as max_lost_plays,
    cast(
        case when lost.open_gaps > 0 then 'plays may be missing' else 'no known loss' end
        as {{ type_string() }}
    ) as coverage
from accounts
inner join dates
    on
        accounts.first_date <= dates.local_date
        and accounts.last_date >= dates.local_date
left join lost
    on
        accounts.account_id = lost.account_id
        and dates.local_date = lost.local_date
