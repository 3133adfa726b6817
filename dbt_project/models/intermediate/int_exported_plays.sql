{%- set columns = [
    'export_plays.row_key',
    'export_plays.account_id',
    'export_plays.variant',
    'export_plays.kind',
    'export_plays.content_type',
    'export_plays.track_uri',
    'export_plays.track_name',
    'export_plays.artist_name',
    'export_plays.album_name',
    'export_plays.title_in_both',
    'export_plays.artist_in_both',
    'export_plays.ts',
    'export_plays.ts_ms',
    'export_plays.player_ended_at_ms',
    'export_plays.ended_at_ms',
    'export_plays.time_is_unreliable',
    'export_plays.ms_played',
    'export_plays.reason_end',
    'export_plays.skipped',
    'export_plays.incognito_mode',
] -%}
{%- set same_play = [
    'track_uri',
    'account_id',
    "case when track_uri is null then coalesce(track_name, '') end",
    "case when track_uri is null then coalesce(artist_name, '') end",
    "case when track_uri is null then coalesce(album_name, '') end",
    "case when kind <> 'extended' then row_key end",
] | join(', ') -%}
{%- set minute = 'substr(ts, 1, 16)' -%}

-- Staging is read by its name wherever an index of raw answers: what two read as one, SQLite would
-- copy before.
with

days as (

    select * from {{ ref('int_touched_days') }}

),

-- By the player's clock in these days, and told of on another.
ended_in_days as (

    select
        late.account_id,
        late.row_key
    from {{ ref('stg_streaming_history') }} as late
    left join days
        on
            late.account_id = days.account_id
            and days.utc_day = {{ day_number('late.player_ended_at_ms') }}
    left join days as days_of_telling
        on
            late.account_id = days_of_telling.account_id
            and days_of_telling.utc_day = {{ day_number('late.ts_ms') }}
    where
        (late.offline = 1 or late.reason_end = 'logout')
        and days.utc_day is not null
        and days_of_telling.utc_day is null

),

source as (

    select
        {{ columns | join(',\n        ') }}
    -- Days first: each is a range of an index of raw.
    from days
    cross join {{ ref('stg_streaming_history') }} as export_plays
    where
        days.account_id = export_plays.account_id
        and export_plays.ts >= days.begins_at
        and export_plays.ts < days.ends_at

    union all

    select
        {{ columns | join(',\n        ') }}
    from {{ ref('stg_streaming_history') }} as export_plays
    where
        (export_plays.account_id, export_plays.row_key) in (
            select
                ended_in_days.account_id,
                ended_in_days.row_key
            from ended_in_days
        )

),

-- Downloads may differ in what they tell beside a row's key. The variant that tells most is taken.
several_variants as (

    select
        account_id,
        row_key
    from source
    group by account_id, row_key
    having count(*) > 1

),

variants as (

    select
        export_plays.account_id,
        export_plays.row_key,
        export_plays.variant,
        row_number() over (
            partition by export_plays.account_id, export_plays.row_key
            order by export_plays.filled_fields desc, export_plays.fields asc
        ) as nth
    from several_variants
    cross join {{ ref('stg_streaming_history') }} as export_plays
    where
        several_variants.account_id = export_plays.account_id
        and several_variants.row_key = export_plays.row_key

),

-- What the account data tells to the minute, the extended history tells better. Names and minute
-- are all that both tell, so the rows yield one by one, the longest first.
account_data as (

    select
        account_id,
        row_key,
        variant,
        title_in_both,
        artist_in_both,
        {{ minute }} as ended_in,
        row_number() over (
            partition by title_in_both, artist_in_both, {{ minute }}, account_id
            order by ms_played desc, row_key asc
        ) as nth
    from source
    where kind <> 'extended'

),

extended_history as (

    select
        title_in_both,
        artist_in_both,
        {{ minute }} as ended_in,
        account_id,
        count(distinct row_key) as plays
    from source
    where
        kind = 'extended'
        and ts >= (select min(account_data.ended_in) from account_data)
    group by title_in_both, artist_in_both, ended_in, account_id

),

told_better as (

    select
        account_id,
        row_key,
        variant
    from variants
    where nth > 1

    union all

    select
        account_data.account_id,
        account_data.row_key,
        account_data.variant
    from account_data
    inner join extended_history
        on
            account_data.account_id = extended_history.account_id
            and account_data.ended_in = extended_history.ended_in
            and account_data.title_in_both = extended_history.title_in_both
            and account_data.artist_in_both = extended_history.artist_in_both
            and account_data.nth <= extended_history.plays

),

single as (

    select source.*
    from source
    left join told_better
        on
            source.account_id = told_better.account_id
            and source.row_key = told_better.row_key
            and source.variant = told_better.variant
    where told_better.row_key is null

),

-- One play may have been written down twice. The account data cannot tell: in it, true repeats
-- look the same.
longest_first as (

    select
        *,
        row_number() over (
            partition by ended_at_ms, {{ same_play }}
            order by ms_played desc, row_key asc
        ) as nth_of_end
    from single

),

spaced as (

    select
        *,
        ended_at_ms - lag(ended_at_ms) over (
            partition by ms_played, {{ same_play }}
            order by ended_at_ms, row_key
        ) as ms_since_same_length
    from longest_first
    where nth_of_end = 1

)

select
    row_key,
    account_id,
    kind,
    cast(content_type as {{ type_string() }}) as content_type,
    cast(track_uri as {{ type_string() }}) as track_uri,
    cast(track_name as {{ type_string() }}) as track_name,
    cast(artist_name as {{ type_string() }}) as artist_name,
    cast(album_name as {{ type_string() }}) as album_name,
    ts,
    cast(ts_ms as {{ type_bigint() }}) as ts_ms,
    cast(player_ended_at_ms as {{ type_bigint() }}) as player_ended_at_ms,
    cast(ended_at_ms as {{ type_bigint() }}) as ended_at_ms,
    cast(time_is_unreliable as {{ type_int() }}) as time_is_unreliable,
    ms_played,
    reason_end,
    skipped,
    incognito_mode
from spaced
where
    ms_since_same_length is null
    or ms_since_same_length >= ms_played - 1000
    or ms_since_same_length >= {{ var('longest_play_ms') }}
