{{ config(materialized='view') }}

-- No CTE: so SQLite reads the fact by its indexes, as if it were named in the view's place.
select
    plays.play_id,
    plays.account_id,
    plays.track_uri,
    plays.content_type,
    plays.track_key,
    plays.track_name,
    plays.artist_name,
    plays.album_name,
    plays.started_at,
    plays.ended_at,
    plays.local_started_at,
    plays.local_date,
    plays.local_hour,
    plays.local_weekday,
    plays.ms_played,
    plays.ms_played_is_estimated,
    plays.time_is_unreliable,
    plays.skipped,
    plays.reason_end,
    plays.incognito,
    plays.platform,
    plays.country,
    plays.shuffle,
    plays.context_type,
    plays.context_uri,
    plays.is_counted,
    plays.source,
    plays.matched_by,
    plays.api_played_at,
    plays.export_ended_at,
    plays.api_row_key,
    plays.export_row_key
from {{ ref('fct_plays') }} as plays
where
    not exists (
        select 1 from {{ ref('int_hidden_tracks') }} as hidden
        where
            hidden.track_key = plays.track_key
            and (hidden.account_id is null or hidden.account_id = plays.account_id)
    )
    and not exists (
        select 1 from {{ ref('stg_exclusions') }} as exclusions
        where
            exclusions.kind = 'playlist'
            and exclusions.hidden_key = plays.context_uri
            and (exclusions.account_id is null or exclusions.account_id = plays.account_id)
    )
