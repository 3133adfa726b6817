select
    account_id,
    display_name
from {{ source('raw', 'account_names') }}
