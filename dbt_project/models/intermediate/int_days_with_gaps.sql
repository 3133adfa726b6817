{{ config(indexes=[{'columns': ['account_id', 'local_date'], 'unique': true}]) }}

with recursive

gaps as (

    select * from {{ ref('stg_open_gaps') }}

),

local_offsets as (

    select * from {{ ref('stg_local_offsets') }}

),

localized as (

    select
        gaps.*,
        gaps.open_from_ms + coalesce(at_begin.offset_ms, 0) as local_from_ms,
        gaps.open_to_ms + coalesce(at_end.offset_ms, 0) as local_to_ms
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

-- Days are counted, so that no date has to be computed with.
days as (

    select
        account_id,
        gap_id,
        max_lost_plays,
        {{ day_number('local_from_ms') }} as day_number,
        {{ day_number('local_to_ms') }} as last_day_number
    from localized

    union all

    select
        account_id,
        gap_id,
        max_lost_plays,
        day_number + 1 as day_number,
        last_day_number
    from days
    where day_number < last_day_number

),

-- Parts of one gap on one day share the gap's bound.
gaps_of_days as (

    select distinct
        account_id,
        day_number,
        gap_id,
        max_lost_plays
    from days

)

select
    account_id,
    cast(
        substr({{ to_utc_text(begin_of_day('day_number')) }}, 1, 10) as {{ type_string() }}
    ) as local_date,
    cast(count(*) as {{ type_bigint() }}) as open_gaps,
    cast(sum(max_lost_plays) as {{ type_bigint() }}) as max_lost_plays
from gaps_of_days
group by account_id, day_number
