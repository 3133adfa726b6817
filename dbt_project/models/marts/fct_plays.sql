{{
  config(
    materialized='incremental',
    pre_hook=[
      "{{ require_all_days() }}", "{{ note_dates_before() }}", "{{ delete_touched_days() }}"
    ],
    post_hook="{{ note_changed_dates() }}",
    indexes=[
      {'columns': ['play_id'], 'unique': true},
      {'columns': ['account_id', 'ended_at']},
      {'columns': ['account_id', 'local_date']},
      {'columns': [
        'account_id', 'track_key', 'is_counted', 'content_type', 'local_hour',
        'time_is_unreliable', 'context_type',
      ]},
    ],
  )
}}

with

api_plays as (

    select * from {{ ref('int_listed_plays') }}

),

export_plays as (

    select * from {{ ref('int_exported_plays') }}

),

pairs as (

    select * from {{ ref('int_plays_matched') }}

),

touched_days as (

    select
        account_id,
        utc_day
    from {{ ref('int_touched_days') }}
    where is_rewritten = 1

),

local_offsets as (

    select * from {{ ref('stg_local_offsets') }}

),

-- What an export tells is better than what the API tells, but for the names: an export has the
-- album's artist. After a take-down the API tells none. The account data has the end to the minute
-- only.
exported as (

    select
        export_plays.account_id,
        export_plays.content_type,
        export_plays.ms_played,
        export_plays.time_is_unreliable,
        export_plays.ts as export_ended_at,
        api_plays.played_at as api_played_at,
        api_plays.row_key as api_row_key,
        export_plays.row_key as export_row_key,
        export_plays.reason_end,
        api_plays.duration_ms,
        export_plays.platform,
        export_plays.country,
        export_plays.shuffle,
        api_plays.context_type,
        api_plays.context_uri,
        pairs.matched_by,
        substr(coalesce(api_plays.row_key, export_plays.row_key), 1, 20) as play_id,
        coalesce(export_plays.track_uri, api_plays.track_uri) as track_uri,
        coalesce(nullif(api_plays.track_name, ''), export_plays.track_name) as track_name,
        coalesce(nullif(api_plays.artist_name, ''), export_plays.artist_name) as artist_name,
        coalesce(nullif(api_plays.album_name, ''), export_plays.album_name) as album_name,
        case
            when export_plays.kind <> 'extended' and api_plays.row_key is not null
                then api_plays.ended_at_ms
            else export_plays.ended_at_ms
        end as ended_at_ms,
        case
            when
                export_plays.skipped = 1
                or export_plays.reason_end in ('fwdbtn', 'backbtn', 'endplay', 'unknown')
                then 1
            when export_plays.skipped = 0 or export_plays.reason_end <> '' then 0
        end as skipped,
        coalesce(export_plays.incognito_mode, 0) as incognito,
        case when api_plays.row_key is null then 'export' else 'both' end as source
    from export_plays
    left join pairs on export_plays.row_key = pairs.export_row_key
    left join api_plays on pairs.api_row_key = api_plays.row_key

),

plays as (

    select
        account_id,
        content_type,
        ms_played,
        time_is_unreliable,
        export_ended_at,
        api_played_at,
        api_row_key,
        export_row_key,
        reason_end,
        play_id,
        track_uri,
        track_name,
        artist_name,
        album_name,
        duration_ms,
        platform,
        country,
        shuffle,
        context_type,
        context_uri,
        matched_by,
        ended_at_ms,
        skipped,
        incognito,
        source
    from exported

    union all

    select
        api_plays.account_id,
        case when api_plays.track_uri like 'spotify:episode:%' then 'episode' else 'track' end
            as content_type,
        null as ms_played,
        0 as time_is_unreliable,
        null as export_ended_at,
        api_plays.played_at as api_played_at,
        api_plays.row_key as api_row_key,
        null as export_row_key,
        null as reason_end,
        substr(api_plays.row_key, 1, 20) as play_id,
        api_plays.track_uri,
        api_plays.track_name,
        api_plays.artist_name,
        api_plays.album_name,
        api_plays.duration_ms,
        null as platform,
        null as country,
        null as shuffle,
        api_plays.context_type,
        api_plays.context_uri,
        null as matched_by,
        api_plays.ended_at_ms,
        null as skipped,
        0 as incognito,
        'api' as source
    from api_plays
    left join pairs on api_plays.row_key = pairs.api_row_key
    where pairs.api_row_key is null

),

placed as (

    select
        *,
        cast({{ day_number('ended_at_ms') }} as {{ type_bigint() }}) as utc_day,
        -- Of several plays with the same end none is the predecessor of another.
        ended_at_ms - max(ended_at_ms) over (
            partition by account_id
            order by ended_at_ms
            range between {{ var('longest_play_ms') }} preceding and 1 preceding
        ) as ms_since_previous_end
    from plays

),

-- The API tells when a play ended, not how long it lasted: at most the whole track, and no longer
-- than since the play before it. Of a track without a length the least that Spotify lists is taken.
estimated as (

    select
        *,
        case
            when ms_played is not null then ms_played
            when
                ms_since_previous_end < coalesce(duration_ms, {{ var('listed_after_ms') }})
                then ms_since_previous_end
            else coalesce(duration_ms, {{ var('listed_after_ms') }})
        end as known_ms_played
    from placed

),

timed as (

    select
        estimated.*,
        estimated.ended_at_ms - estimated.known_ms_played as started_at_ms,
        substr(
            {{ to_utc_text('(estimated.ended_at_ms - estimated.known_ms_played)') }}, 1, 4
        ) as year_of_start
    from estimated
    inner join touched_days
        on
            estimated.account_id = touched_days.account_id
            and estimated.utc_day = touched_days.utc_day

),

-- A year has two or three offsets, and a lifetime a hundred to look through for each play.
offsets_of_years as (

    select
        years.account_id,
        years.year_of_start,
        local_offsets.offset_ms,
        local_offsets.valid_from_ms,
        local_offsets.valid_to_ms
    from (
        select distinct
            account_id,
            year_of_start
        from timed
    ) as years
    inner join local_offsets
        on
            years.account_id = local_offsets.account_id
            and years.year_of_start >= substr(local_offsets.valid_from, 1, 4)
            and years.year_of_start <= substr(local_offsets.valid_to, 1, 4)

),

-- A play belongs wholly to the clock that its listener had at its start. Before there were plays
-- there are no offsets: what claims to be so old has the days of UTC.
localized as (

    select
        timed.*,
        coalesce(offsets_of_years.offset_ms, 0) as offset_ms,
        timed.started_at_ms + coalesce(offsets_of_years.offset_ms, 0) as local_started_at_ms
    from timed
    left join offsets_of_years
        on
            timed.account_id = offsets_of_years.account_id
            and timed.year_of_start = offsets_of_years.year_of_start
            and timed.started_at_ms >= offsets_of_years.valid_from_ms
            and timed.started_at_ms < offsets_of_years.valid_to_ms

)

select
    cast(play_id as {{ type_string() }}) as play_id,
    cast(account_id as {{ type_string() }}) as account_id,
    cast(track_uri as {{ type_string() }}) as track_uri,
    cast(content_type as {{ type_string() }}) as content_type,
    cast(
        {{ track_key('track_uri', 'track_name', 'artist_name') }} as {{ type_string() }}
    ) as track_key,
    cast(nullif(track_name, '') as {{ type_string() }}) as track_name,
    cast(nullif(artist_name, '') as {{ type_string() }}) as artist_name,
    cast(nullif(album_name, '') as {{ type_string() }}) as album_name,
    cast({{ to_utc_text('started_at_ms') }} as {{ type_string() }}) as started_at,
    cast({{ to_utc_text('ended_at_ms') }} as {{ type_string() }}) as ended_at,
    cast(
        {{ to_local_text('local_started_at_ms', 'offset_ms') }} as {{ type_string() }}
    ) as local_started_at,
    cast(
        substr({{ to_utc_text('local_started_at_ms') }}, 1, 10) as {{ type_string() }}
    ) as local_date,
    cast({{ hour_of_day('local_started_at_ms') }} as {{ type_int() }}) as local_hour,
    cast({{ weekday('local_started_at_ms') }} as {{ type_int() }}) as local_weekday,
    cast(known_ms_played as {{ type_bigint() }}) as ms_played,
    cast(case when source = 'api' then 1 else 0 end as {{ type_int() }}) as ms_played_is_estimated,
    cast(time_is_unreliable as {{ type_int() }}) as time_is_unreliable,
    cast(skipped as {{ type_int() }}) as skipped,
    cast(nullif(reason_end, '') as {{ type_string() }}) as reason_end,
    cast(incognito as {{ type_int() }}) as incognito,
    cast(platform as {{ type_string() }}) as platform,
    cast(country as {{ type_string() }}) as country,
    cast(shuffle as {{ type_int() }}) as shuffle,
    cast(nullif(context_type, '') as {{ type_string() }}) as context_type,
    cast(nullif(context_uri, '') as {{ type_string() }}) as context_uri,
    cast(
        case
            when source <> 'api'
                then case when ms_played >= {{ var('counted_after_ms') }} then 1 else 0 end
            -- An extended export has every play of its span, so this is an echo of one of them.
            when
                known_ms_played < 1000
                and exists (
                    select 1 from {{ ref('stg_extended_spans') }} as spans
                    where
                        spans.account_id = localized.account_id
                        and spans.span_from <= localized.api_played_at
                        and spans.span_to >= localized.api_played_at
                )
                then 0
            else 1
        end as {{ type_int() }}
    ) as is_counted,
    cast(source as {{ type_string() }}) as source,
    cast(matched_by as {{ type_string() }}) as matched_by,
    cast(api_played_at as {{ type_string() }}) as api_played_at,
    cast(export_ended_at as {{ type_string() }}) as export_ended_at,
    cast(api_row_key as {{ type_string() }}) as api_row_key,
    cast(export_row_key as {{ type_string() }}) as export_row_key
from localized
