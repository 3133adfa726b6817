with

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

)

select
    gap_id,
    account_id,
    open_from,
    max_lost_plays,
    cast(substr({{ to_utc_text('local_from_ms') }}, 1, 10) as {{ type_string() }}) as first_date,
    cast(substr({{ to_utc_text('local_to_ms') }}, 1, 10) as {{ type_string() }}) as last_date
from localized
