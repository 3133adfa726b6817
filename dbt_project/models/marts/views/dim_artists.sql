-- The name depends on the key alone. Both are in one index of the tracks.
select distinct
    artist_key,
    artist_name
from {{ ref('dim_tracks') }}
