{%- set day_ms = 86400000 -%}

with recursive

plays as (

    select
        account_id,
        ended_at_ms - ms_played as started_at_ms
    from (
        select
            account_id,
            ms_played,
            {{ to_ms('ended_at') }} as ended_at_ms
        from {{ ref('fct_plays') }}
    ) as facts

),

gaps as (

    select * from {{ ref('stg_open_gaps') }}

),

local_offsets as (

    select * from {{ ref('stg_local_offsets') }}

),

-- Days are counted from 1970-01-01 on the listener's clock. Spotify began in 2006; what claims to
-- be older has no day.
days_of_plays as (

    select
        plays.account_id,
        (plays.started_at_ms + coalesce(local_offsets.offset_ms, 0)) / {{ day_ms }} as local_day,
        count(*) as plays
    from plays
    left join local_offsets
        on
            plays.account_id = local_offsets.account_id
            and plays.started_at_ms >= local_offsets.valid_from_ms
            and plays.started_at_ms < local_offsets.valid_to_ms
    where plays.started_at_ms >= 1136073600000
    group by plays.account_id, local_day

),

days_of_gaps as (

    select
        gaps.account_id,
        gaps.gap_id,
        gaps.max_lost_plays,
        (gaps.open_from_ms + coalesce(at_begin.offset_ms, 0)) / {{ day_ms }} as first_day,
        (gaps.open_to_ms + coalesce(at_end.offset_ms, 0)) / {{ day_ms }} as last_day
    from gaps
    left join local_offsets as at_begin
        on
            gaps.account_id = at_begin.account_id
            and gaps.open_from_ms >= at_begin.valid_from_ms
            and gaps.open_from_ms < at_begin.valid_to_ms
    left join local_offsets as at_end
        on
            gaps.account_id = at_end.account_id
            and gaps.open_to_ms >= at_end.valid_from_ms
            and gaps.open_to_ms < at_end.valid_to_ms

),

calendar as (

    select
        account_id,
        min(first_day) as local_day,
        max(last_day) as last_day
    from (
        select
            account_id,
            local_day as first_day,
            local_day as last_day
        from days_of_plays
        union all
        select
            account_id,
            first_day,
            last_day
        from days_of_gaps
    ) as known_days
    group by account_id

    union all

    select
        account_id,
        local_day + 1 as local_day,
        last_day
    from calendar
    where local_day < last_day

),

-- Parts of one gap on one day share the gap's bound.
lost as (

    select
        account_id,
        local_day,
        count(*) as open_gaps,
        sum(max_lost_plays) as max_lost_plays
    from (
        select distinct
            calendar.account_id,
            calendar.local_day,
            days_of_gaps.gap_id,
            days_of_gaps.max_lost_plays
        from calendar
        inner join days_of_gaps
            on
                calendar.account_id = days_of_gaps.account_id
                and calendar.local_day >= days_of_gaps.first_day
                and calendar.local_day <= days_of_gaps.last_day
    ) as gaps_of_days
    group by account_id, local_day

)

select
    calendar.account_id,
    cast(
        substr({{ to_utc_text('(calendar.local_day * ' ~ day_ms ~ ')') }}, 1, 10)
        as {{ type_string() }}
    ) as local_date,
    cast(coalesce(days_of_plays.plays, 0) as {{ type_bigint() }}) as plays,
    cast(coalesce(lost.open_gaps, 0) as {{ type_bigint() }}) as open_gaps,
    cast(coalesce(lost.max_lost_plays, 0) as {{ type_bigint() }}) as max_lost_plays,
    cast(
        case when lost.open_gaps > 0 then 'plays may be missing' else 'no known loss' end
        as {{ type_string() }}
    ) as coverage
from calendar
left join days_of_plays
    on
        calendar.account_id = days_of_plays.account_id
        and calendar.local_day = days_of_plays.local_day
left join lost
    on
        calendar.account_id = lost.account_id
        and calendar.local_day = lost.local_day
