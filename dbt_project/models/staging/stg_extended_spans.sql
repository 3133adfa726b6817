with

loads as (

    select * from {{ source('raw', 'loads') }}

),

export_days as (

    select * from {{ source('raw', 'export_days') }}

)

select
    load_id,
    account_id,
    window_from as span_from,
    window_to as span_to
from loads
where
    source = 'streaming_history'
    and window_from is not null
    -- Only files of the extended history say what they show of each day.
    and exists (
        select 1 from export_days
        where export_days.load_id = loads.load_id
    )
