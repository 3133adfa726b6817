with

plays as (

    select * from {{ ref('stg_recently_played') }}

),

placed as (

    select
        *,
        -- Of several plays with the same end none is the predecessor of another.
        ended_at_ms - max(ended_at_ms) over (
            partition by account_id
            order by ended_at_ms
            range between unbounded preceding and 1 preceding
        ) as ms_since_previous_end
    from plays

),

-- The API tells when a play ended, not how long it lasted: at most the whole track, and no longer
-- than since the play before it.
estimated as (

    select
        *,
        case
            when ms_since_previous_end < duration_ms then ms_since_previous_end
            else duration_ms
        end as ms_played
    from placed

)

select
    cast(substr(row_key, 1, 20) as {{ type_string() }}) as play_id,
    account_id,
    track_uri,
    cast(
        case when track_uri like 'spotify:episode:%' then 'episode' else 'track' end
        as {{ type_string() }}
    ) as content_type,
    track_name,
    artist_name,
    album_name,
    cast(
        {{ to_utc_text('(ended_at_ms - ms_played)') }} as {{ type_string() }}
    ) as started_at,
    played_at as ended_at,
    cast(ms_played as {{ type_bigint() }}) as ms_played,
    cast(1 as {{ type_int() }}) as ms_played_is_estimated,
    cast(0 as {{ type_int() }}) as time_is_unreliable,
    cast(null as {{ type_int() }}) as skipped,
    cast(0 as {{ type_int() }}) as incognito,
    cast(1 as {{ type_int() }}) as is_counted,
    cast('api' as {{ type_string() }}) as source,
    played_at as api_played_at,
    cast(null as {{ type_string() }}) as export_ended_at
from estimated
