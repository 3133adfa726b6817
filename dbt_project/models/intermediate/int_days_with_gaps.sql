{{ config(indexes=[{'columns': ['account_id', 'local_date'], 'unique': true}]) }}

with recursive

gaps as (

    select * from {{ ref('stg_open_gaps') }}

),

localized as (

    select
        gaps.account_id,
        gaps.gap_id,
        gaps.max_lost_plays,
        gaps.open_from_ms + coalesce((
            select local_offsets.offset_ms
            from {{ ref('stg_local_offsets') }} as local_offsets
            where
                local_offsets.account_id = gaps.account_id
                and local_offsets.valid_from <= gaps.open_from
                and local_offsets.valid_to > gaps.open_from
        ), 0) as local_from_ms,
        gaps.open_to_ms + coalesce((
            select local_offsets.offset_ms
            from {{ ref('stg_local_offsets') }} as local_offsets
            where
                local_offsets.account_id = gaps.account_id
                and local_offsets.valid_from <= gaps.open_to
                and local_offsets.valid_to > gaps.open_to
        ), 0) as local_to_ms
    from gaps

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
