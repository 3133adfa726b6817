with

account_zones as (

    select * from {{ source('raw', 'account_zones') }}

),

zone_offsets as (

    select * from {{ source('raw', 'zone_offsets') }}

),

-- Both are half-open intervals without overlap, and so is what they have in common.
common as (

    select
        account_zones.account_id,
        account_zones.zone,
        zone_offsets.offset_seconds,
        case
            when account_zones.valid_from > zone_offsets.valid_from then account_zones.valid_from
            else zone_offsets.valid_from
        end as valid_from,
        case
            when account_zones.valid_to < zone_offsets.valid_to then account_zones.valid_to
            else zone_offsets.valid_to
        end as valid_to
    from account_zones
    inner join zone_offsets
        on
            account_zones.zone = zone_offsets.zone
            and account_zones.valid_from < zone_offsets.valid_to
            and account_zones.valid_to > zone_offsets.valid_from

)

select
    account_id,
    valid_from,
    valid_to,
    zone,
    offset_seconds * 1000 as offset_ms,
    {{ to_ms('valid_from') }} as valid_from_ms,
    {{ to_ms('valid_to') }} as valid_to_ms
from common
