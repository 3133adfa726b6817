{#- Two ends fall into one span or into two neighbours, if they are no further apart than this. -#}
{%- set span_ms = var('same_play_across_sources_ms') | int + 60000 -%}

with

api_plays as (

    select * from {{ ref('int_listed_plays') }}

),

export_plays as (

    select * from {{ ref('int_exported_plays') }}

),

api_spans as (

    {{ in_neighbouring_spans('api_plays', span_ms) }}

),

ends as (

    select 0 as by_player
    union all
    select 1 as by_player

),

-- Where `ts` may be late, the end by the player's clock is as good a candidate.
export_spans as (

    select
        export_plays.*,
        case
            when ends.by_player = 1 then export_plays.player_ended_at_ms else export_plays.ts_ms
        end / {{ span_ms }} as span
    from export_plays
    cross join ends
    where ends.by_player = 0 or export_plays.player_ended_at_ms is not null

),

near as (

    select
        api_spans.account_id,
        api_spans.row_key as api_row_key,
        api_spans.played_at,
        api_spans.ended_at_ms,
        export_spans.row_key as export_row_key,
        export_spans.ts_ms,
        export_spans.player_ended_at_ms,
        export_spans.kind,
        case
            when export_spans.ms_played >= {{ var('listed_after_ms') }} then 0 else 1
        end as is_short,
        case
            when export_spans.track_uri = api_spans.track_uri then 1
            when
                export_spans.track_name <> ''
                and export_spans.track_name = api_spans.track_name
                and export_spans.artist_name
                in (api_spans.artist_name, api_spans.album_artist_name)
                then case when export_spans.kind = 'extended' then 2 else 3 end
        end as class
    from export_spans
    -- Not an inner join, which SQLite may turn round: for each play of the API a whole export.
    cross join api_spans
    where
        export_spans.account_id = api_spans.account_id
        and export_spans.span = api_spans.span

),

-- Of the account data the end is known to the minute: anywhere in it is no difference at all.
measured as (

    select distinct
        account_id,
        api_row_key,
        played_at,
        export_row_key,
        class * 2 - 1 + is_short as step,
        case
            when kind <> 'extended'
                then
                    case
                        when ended_at_ms < ts_ms then ts_ms - ended_at_ms
                        when ended_at_ms > ts_ms + 59999 then ts_ms + 59999 - ended_at_ms
                        else 0
                    end
            when abs(player_ended_at_ms - ended_at_ms) < abs(ts_ms - ended_at_ms)
                then player_ended_at_ms - ended_at_ms
            else ts_ms - ended_at_ms
        end as offset_ms
    from near
    where class is not null

),

pairs as (

    select
        account_id,
        api_row_key,
        export_row_key,
        offset_ms,
        step,
        row_number() over (
            order by abs(offset_ms), played_at, export_row_key, api_row_key
        ) as pair,
        dense_rank() over (order by api_row_key) as api_play,
        dense_rank() over (order by export_row_key) as export_play
    from measured
    where abs(offset_ms) <= {{ var('same_play_across_sources_ms') }}

),

{# Of each class the plays that Spotify surely lists come before the shorter ones. #}
{{ mutual_nearest(steps=[1, 2, 3, 4, 5, 6], rounds=3) }}

select
    account_id,
    api_row_key,
    export_row_key,
    cast(offset_ms as {{ type_bigint() }}) as offset_ms,
    cast(
        case
            when step in (1, 2) then 'uri'
            when step in (3, 4) then 'names'
            else 'names_and_minute'
        end as {{ type_string() }}
    ) as matched_by
from pairs
where pair in (select made.pair from made)
