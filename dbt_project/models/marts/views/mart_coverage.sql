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

gaps as (

    select * from {{ ref('int_open_gaps') }}

),

-- Parts of one gap on one day share the gap's bound.
gaps_of_days as (

    select distinct
        gaps.account_id,
        dates.local_date,
        gaps.gap_id,
        gaps.max_lost_plays
    from gaps
    inner join dates
        on
            gaps.first_date <= dates.local_date
            and gaps.last_date >= dates.local_date

),

lost as (

    select
        account_id,
        local_date,
        count(*) as open_gaps,
        sum(max_lost_plays) as max_lost_plays
    from gaps_of_days
    group by account_id, local_date

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
