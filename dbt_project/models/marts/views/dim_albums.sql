-- The names depend on the key alone. All are in one index of the tracks.
select distinct
    album_key,
    album_name,
    album_artist_name
from {{ ref('dim_tracks') }}
