with

source as (

    select * from {{ source('raw', 'open_gaps') }}

)

select
    gap_id,
    account_id,
    open_from,
    open_to,
    max_lost_plays,
    cause,
    {{ to_ms('open_from') }} as open_from_ms,
    {{ to_ms('open_to') }} as open_to_ms
from source
