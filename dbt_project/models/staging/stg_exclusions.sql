select
    exclusion_id,
    account_id,
    kind,
    hidden_key,
    name as hidden_name
from {{ source('raw', 'exclusions') }}
