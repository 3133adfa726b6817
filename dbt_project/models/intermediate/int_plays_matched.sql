{#-
  `played_at` is not always the end: it can be the start of the play, or late by a pause. What
  `int_near_pairs` leaves over is paired here where the API's time is between the row's start and its
  end, or not far outside. An extended export has every play of its span, so a play of the API in
  the span must be one of its rows; outside of a span it may be a play of its own.
-#}
{%- set moved_ms = var('same_play_moved_ms') -%}
{%- set look_back_ms = var('longest_look_back_ms') -%}
{#- Two times fall into one span or into two neighbours, if they may be one play. -#}
{%- set span_ms = moved_ms | int + look_back_ms | int -%}

with

near_pairs as (

    select * from {{ ref('int_near_pairs') }}

),

api_plays as (

    select api_plays.*
    from {{ ref('int_listed_plays') }} as api_plays
    left join near_pairs on api_plays.row_key = near_pairs.api_row_key
    where near_pairs.api_row_key is null

),

export_plays as (

    select
        export_plays.*,
        case
            when export_plays.ms_played > {{ look_back_ms }} then {{ look_back_ms }}
            else export_plays.ms_played
        end as look_back_ms
    from {{ ref('int_exported_plays') }} as export_plays
    left join near_pairs on export_plays.row_key = near_pairs.export_row_key
    -- The account data leaves plays out, so a play of the API need not be one of its rows.
    where near_pairs.export_row_key is null and export_plays.kind = 'extended'

),

extended_spans as (

    select * from {{ ref('stg_extended_spans') }}

),

api_spans as (

    {{ in_neighbouring_spans('api_plays', span_ms) }}

),

export_ends as (

    select
        account_id,
        row_key,
        track_uri,
        track_name,
        artist_name,
        look_back_ms,
        ms_played,
        ts_ms as end_ms,
        ts_ms / {{ span_ms }} as span
    from export_plays

    union all

    select
        account_id,
        row_key,
        track_uri,
        track_name,
        artist_name,
        look_back_ms,
        ms_played,
        player_ended_at_ms as end_ms,
        player_ended_at_ms / {{ span_ms }} as span
    from export_plays
    where player_ended_at_ms is not null

),

possible as (

    select
        api_spans.account_id,
        api_spans.row_key as api_row_key,
        api_spans.played_at,
        export_ends.row_key as export_row_key,
        export_ends.end_ms - api_spans.ended_at_ms as offset_ms,
        case
            when export_ends.ms_played >= {{ var('listed_after_ms') }} then 0 else 1
        end as is_short,
        case
            when export_ends.track_uri = api_spans.track_uri then 1
            when
                export_ends.track_name <> ''
                and export_ends.track_name = api_spans.track_name
                and export_ends.artist_name
                in (api_spans.artist_name, api_spans.album_artist_name)
                then 2
        end as class
    -- The few plays of the API first: SQLite keeps this order of a cross join.
    from api_spans
    cross join export_ends
    where
        export_ends.account_id = api_spans.account_id
        and export_ends.span = api_spans.span
        and api_spans.ended_at_ms
        >= export_ends.end_ms - export_ends.look_back_ms - {{ moved_ms }}
        and api_spans.ended_at_ms <= export_ends.end_ms + {{ moved_ms }}
        and (
            (
                api_spans.ended_at_ms >= export_ends.end_ms - export_ends.look_back_ms
                and api_spans.ended_at_ms <= export_ends.end_ms
            )
            or exists (
                select 1 from extended_spans
                where
                    extended_spans.account_id = api_spans.account_id
                    and extended_spans.span_from <= api_spans.played_at
                    and extended_spans.span_to >= api_spans.played_at
            )
        )

),

nearest_end as (

    select
        *,
        row_number() over (
            partition by api_row_key, export_row_key
            order by abs(offset_ms), offset_ms
        ) as nth
    from possible
    where class is not null

),

pairs as (

    select
        account_id,
        api_row_key,
        export_row_key,
        offset_ms,
        class * 2 - 1 + is_short as step,
        row_number() over (
            order by abs(offset_ms), played_at, export_row_key, api_row_key
        ) as pair,
        dense_rank() over (order by api_row_key) as api_play,
        dense_rank() over (order by export_row_key) as export_play
    from nearest_end
    where nth = 1

),

{# Of each class the plays that Spotify surely lists come before the shorter ones. #}
{{ mutual_nearest(steps=[1, 2, 3, 4], rounds=2) }}

select
    account_id,
    api_row_key,
    export_row_key,
    offset_ms,
    matched_by
from near_pairs

union all

select
    account_id,
    api_row_key,
    export_row_key,
    cast(offset_ms as {{ type_bigint() }}) as offset_ms,
    cast(
        case when step in (1, 2) then 'uri_moved' else 'names_moved' end as {{ type_string() }}
    ) as matched_by
from pairs
where pair in (select made.pair from made)
