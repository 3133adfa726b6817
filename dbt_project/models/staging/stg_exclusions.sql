select
    exclusion_id,
    account_id,
    kind,
    hidden_key
from {{ source('raw', 'exclusions') }}
