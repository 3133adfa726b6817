with recursive

plays as (

    select * from {{ ref('int_shown_plays') }}

),

weekdays as (

    select 1 as local_weekday

    union all

    select local_weekday + 1 as local_weekday
    from weekdays
    where local_weekday < 7

),

hours as (

    select 0 as local_hour

    union all

    select local_hour + 1 as local_hour
    from hours
    where local_hour < 23

),

-- Of all plays, so that an account has its hours also where nothing of it counts.
judged as (

    select
        account_id,
        local_weekday,
        local_hour,
        ms_played,
        ms_played_is_estimated,
        case when is_counted = 1 and time_is_unreliable = 0 then 1 else 0 end as is_shown
    from plays

),

counted as (

    select
        account_id,
        local_weekday,
        local_hour,
        sum(is_shown) as plays,
        sum(is_shown * ms_played) as ms_played,
        sum(is_shown * ms_played_is_estimated * ms_played) as ms_played_estimated
    from judged
    group by account_id, local_weekday, local_hour

),

accounts as (

    select distinct account_id from counted

),

cells as (

    select
        accounts.account_id,
        weekdays.local_weekday,
        hours.local_hour,
        coalesce(counted.plays, 0) as plays,
        coalesce(counted.ms_played, 0) as ms_played,
        coalesce(counted.ms_played_estimated, 0) as ms_played_estimated
    from accounts
    cross join weekdays
    cross join hours
    left join counted
        on
            accounts.account_id = counted.account_id
            and weekdays.local_weekday = counted.local_weekday
            and hours.local_hour = counted.local_hour

)

select
    account_id,
    cast(local_weekday as {{ type_int() }}) as local_weekday,
    cast(local_hour as {{ type_int() }}) as local_hour,
    cast(plays as {{ type_bigint() }}) as plays,
    cast(ms_played as {{ type_bigint() }}) as ms_played,
    cast(ms_played_estimated as {{ type_bigint() }}) as ms_played_estimated,
    cast(
        row_number() over (
            partition by account_id
            order by plays desc, ms_played desc, local_weekday asc, local_hour asc
        ) as {{ type_bigint() }}
    ) as rank_by_plays
from cells
