with

plays as (

    select * from {{ ref('fct_plays') }}

),

gaps as (

    select * from {{ ref('int_days_with_gaps') }}

),

names as (

    select * from {{ ref('stg_account_names') }}

),

-- Spotify began in 2006; what claims to be older has no day.
days as (

    select
        account_id,
        min(local_date) as first_date,
        max(local_date) as last_date
    from plays
    where local_date >= '2006-01-01'
    group by account_id

    union all

    select
        account_id,
        min(local_date) as first_date,
        max(local_date) as last_date
    from gaps
    group by account_id

)

select
    days.account_id,
    cast(coalesce(max(names.display_name), days.account_id) as {{ type_string() }})
        as display_name,
    cast(min(days.first_date) as {{ type_string() }}) as first_date,
    cast(max(days.last_date) as {{ type_string() }}) as last_date
from days
left join names on days.account_id = names.account_id
group by days.account_id
