{#-
  Days whose plays this build makes anew, and those beside them that it has to read for it.

  What a row can change lies less than a day from its end: which rows are the same play, which pair
  it makes, and the estimate of the play after it (`longest_play_ms` bounds the first and the last).
-#}
{%- set seen = '(select seen.load_id from seen)' -%}
{%- set near_ms = var('same_play_across_sources_ms') -%}
{%- set short_ms = 2 * var('counted_after_ms') | int -%}

-- Staging is read by its name wherever an index of raw answers: what two read as one, SQLite would
-- copy before.
with recursive

seen as (

    select {{ newest_load_seen_by('fct_plays') }} as load_id

),

new_api_plays as (

    select
        account_id,
        track_uri,
        isrc,
        duration_ms,
        ended_at_ms
    from {{ ref('stg_recently_played') }}
    where load_id > {{ seen }}

),

new_export_plays as (

    select
        account_id,
        row_key,
        ts_ms,
        player_ended_at_ms
    from {{ ref('stg_streaming_history') }}
    where load_id > {{ seen }}

),

-- A new variant may take the place of one that ended on another day by its player's clock.
other_variants as (

    select
        variants.account_id,
        {{ day_number('variants.ended_at_ms') }} as utc_day
    from seen
    cross join new_export_plays
    cross join {{ ref('stg_streaming_history') }} as variants
    where
        seen.load_id >= 0
        and new_export_plays.account_id = variants.account_id
        and new_export_plays.row_key = variants.row_key
        and variants.load_id <= seen.load_id

),

-- The API tells that two tracks are one recording: their plays elsewhere may be pairs now.
named_recordings as (

    select distinct
        track_uri,
        isrc
    from new_api_plays
    where isrc <> ''

),

new_recordings as (

    select
        named_recordings.track_uri,
        named_recordings.isrc
    from seen
    cross join named_recordings
    where
        seen.load_id >= 0
        and not exists (
            select 1 from {{ ref('stg_recently_played') }} as api_plays
            where
                api_plays.isrc = named_recordings.isrc
                and api_plays.track_uri = named_recordings.track_uri
                and api_plays.load_id <= seen.load_id
        )

),

same_recordings as (

    select
        api_plays.account_id,
        {{ day_number('api_plays.ended_at_ms') }} as utc_day
    from new_recordings
    cross join {{ ref('stg_recently_played') }} as api_plays
    where
        new_recordings.isrc = api_plays.isrc
        and new_recordings.track_uri <> api_plays.track_uri

),

-- The API tells how long a track is: of one that is short, an export's play may have been half; or
-- not any more, where it is longer than was known.
new_tracks as (

    select
        track_uri,
        max(duration_ms) as duration_ms
    from new_api_plays
    group by track_uri

),

new_lengths as (

    select new_tracks.track_uri
    from seen
    cross join new_tracks
    where
        seen.load_id >= 0
        and not exists (
            select 1 from {{ ref('stg_recently_played') }} as api_plays
            where
                api_plays.track_uri = new_tracks.track_uri
                and api_plays.duration_ms >= new_tracks.duration_ms
                and api_plays.load_id <= seen.load_id
        )
        and (
            new_tracks.duration_ms < {{ short_ms }}
            or exists (
                select 1 from {{ ref('stg_recently_played') }} as api_plays
                where
                    api_plays.track_uri = new_tracks.track_uri
                    and api_plays.duration_ms < {{ short_ms }}
                    and api_plays.load_id <= seen.load_id
            )
        )

),

plays_of_new_lengths as (

    select
        account_id,
        {{ day_number('ended_at_ms') }} as utc_day
    from {{ ref('stg_streaming_history') }}
    where
        ms_played < {{ var('counted_after_ms') }}
        -- Exports have no index by track: they are read once, or not at all.
        and exists (select 1 from new_lengths)
        and track_uri in (select new_lengths.track_uri from new_lengths)

),

changed as (

    select
        account_id,
        {{ day_number('ended_at_ms') }} as utc_day
    from new_api_plays
    union
    select
        account_id,
        {{ day_number('ts_ms') }} as utc_day
    from new_export_plays
    union
    select
        account_id,
        {{ day_number('player_ended_at_ms') }} as utc_day
    from new_export_plays
    where player_ended_at_ms is not null
    union
    select * from other_variants
    union
    select * from same_recordings
    union
    select * from plays_of_new_lengths

),

-- A play that was told of late has two ends, and lies at one of them. Only where the API lists a
-- play near the other, with which it may be a pair, are both days one matter.
late_plays as (

    select
        account_id,
        case when ended_at_ms = ts_ms then player_ended_at_ms else ts_ms end as other_end_ms,
        {{ day_number('ts_ms') }} as told_on,
        {{ day_number('player_ended_at_ms') }} as ended_on
    from {{ ref('stg_streaming_history') }}
    where
        (offline = 1 or reason_end = 'logout')
        and {{ day_number('player_ended_at_ms') }} <> {{ day_number('ts_ms') }}

),

two_ends as (

    select
        account_id,
        told_on,
        ended_on
    from late_plays
    where
        exists (
            select 1 from {{ ref('stg_recently_played') }} as api_plays
            where
                api_plays.account_id = late_plays.account_id
                and api_plays.played_at
                >= {{ to_utc_text('(late_plays.other_end_ms - ' ~ near_ms ~ ')') }}
                and api_plays.played_at
                <= {{ to_utc_text('(late_plays.other_end_ms + ' ~ near_ms ~ ')') }}
        )

),

linked as (

    select
        account_id,
        told_on as utc_day,
        ended_on as other_day
    from two_ends
    union
    select
        account_id,
        ended_on as utc_day,
        told_on as other_day
    from two_ends

),

touched as (

    select
        account_id,
        utc_day
    from changed
    union
    select
        linked.account_id,
        linked.other_day as utc_day
    from touched
    inner join linked
        on
            touched.account_id = linked.account_id
            and linked.utc_day >= touched.utc_day - 2
            and linked.utc_day <= touched.utc_day + 2

),

distances as (

    {% for distance in [-2, -1, 0, 1, 2] %}
    select {{ distance }} as days
    {{ 'union all' if not loop.last }}
    {% endfor %}

),

days as (

    select
        touched.account_id,
        touched.utc_day + distances.days as utc_day,
        max(case when abs(distances.days) < 2 then 1 else 0 end) as is_rewritten
    from touched
    cross join distances
    group by touched.account_id, touched.utc_day + distances.days

)

select
    cast(account_id as {{ type_string() }}) as account_id,
    cast(utc_day as {{ type_bigint() }}) as utc_day,
    cast(
        {{ to_utc_text(begin_of_day('utc_day')) }} as {{ type_string() }}
    ) as begins_at,
    cast(
        {{ to_utc_text(begin_of_day('utc_day + 1')) }} as {{ type_string() }}
    ) as ends_at,
    cast(is_rewritten as {{ type_int() }}) as is_rewritten
from days
