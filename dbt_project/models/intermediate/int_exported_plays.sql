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
    'export_plays.platform',
    'export_plays.country',
    'export_plays.shuffle',
] -%}
{#- Which rows can be one play: of one URI, or of the same names where there is none. A book's URI
  stands for all of its chapters. -#}
{%- set names = ['track_name', 'artist_name', 'album_name'] -%}
{%- set all_names = names + ['title_in_both', 'artist_in_both'] -%}
{%- set same_track = [
    'account_id',
    'content_type',
    'track_uri',
    "case when track_uri is null or content_type = 'audiobook' then coalesce(track_name, '') end",
    "case when track_uri is null then coalesce(artist_name, '') end",
    "case when track_uri is null then coalesce(album_name, '') end",
] | join(', ') -%}
{#- In this order a row of the account data looks for the row of the extended history that tells the
  same play. What both have to have in common, and how many minutes the extended row is later. -#}
{%- set yields = [
    (['title_in_both', 'ms_played'], 0),
    (['title_in_both', 'ms_played'], 1),
    (['title_in_both', 'ms_played'], -1),
    (['title_in_both', 'artist_in_both'], 0),
] -%}

-- SQLite materialises a CTE that is used twice and then cannot use raw's indexes, so staging is
-- named wherever it is read.
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
        export_plays.title_in_both,
        export_plays.artist_in_both,
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

best as (

    select source.*
    from source
    left join variants
        on
            source.account_id = variants.account_id
            and source.row_key = variants.row_key
            and source.variant = variants.variant
    where coalesce(variants.nth, 1) = 1

),

-- A later download may lack the URI, the names or both of an old play: then the rows have two keys.
-- Such a row is the same play as one that ended in the same second after the same time, if they
-- differ in no name that both tell.
without_uri as (

    select
        account_id,
        row_key,
        content_type,
        ts,
        ms_played,
        {{ all_names | join(',\n        ') }},
        {{ filled_columns(names) }} as filled_names
    from best
    where kind = 'extended' and track_uri is null and ms_played > 0

),

same_second as (

    select
        without_uri.account_id,
        without_uri.row_key,
        {%- for name in all_names %}
        without_uri.{{ name }},
        {%- endfor %}
        alike.row_key as alike_row_key,
        row_number() over (
            partition by without_uri.account_id, without_uri.row_key
            order by
                case when alike.track_uri is null then 1 else 0 end,
                {{ filled_columns(names, 'alike') }} desc,
                alike.row_key
        ) as nth
    from without_uri
    cross join {{ ref('stg_streaming_history') }} as alike
    where
        without_uri.account_id = alike.account_id
        and without_uri.ts = alike.ts
        and without_uri.ms_played = alike.ms_played
        and without_uri.row_key <> alike.row_key
        and alike.kind = 'extended'
        and (
            without_uri.content_type = alike.content_type
            or without_uri.filled_names = 0
            or {{ filled_columns(names, 'alike') }} = 0
        )
        {%- for name in names %}
        and (
            without_uri.{{ name }} = alike.{{ name }}
            or coalesce(without_uri.{{ name }}, '') = ''
            or coalesce(alike.{{ name }}, '') = ''
        )
        {%- endfor %}
        -- Of two rows without a URI the one with fewer names yields, so that one of them stays.
        and (
            alike.track_uri is not null
            or without_uri.filled_names < {{ filled_columns(names, 'alike') }}
            or (
                without_uri.filled_names = {{ filled_columns(names, 'alike') }}
                and without_uri.row_key > alike.row_key
            )
        )

),

-- What they tell, the row that stays may lack.
their_names as (

    select
        account_id,
        alike_row_key as row_key,
        {%- for name in names %}
        max({{ name }}) as {{ name }},
        {%- endfor %}
        max(title_in_both) as title_in_both,
        max(artist_in_both) as artist_in_both
    from same_second
    where nth = 1
    group by account_id, alike_row_key

),

extended as (

    select
        best.row_key,
        best.account_id,
        best.kind,
        best.content_type,
        best.track_uri,
        {%- for name in all_names %}
        coalesce(nullif(best.{{ name }}, ''), their_names.{{ name }}, best.{{ name }})
            as {{ name }},
        {%- endfor %}
        best.ts,
        best.ts_ms,
        best.player_ended_at_ms,
        best.ended_at_ms,
        best.time_is_unreliable,
        best.ms_played,
        best.reason_end,
        best.skipped,
        best.incognito_mode,
        best.platform,
        best.country,
        best.shuffle
    from best
    left join their_names
        on
            best.account_id = their_names.account_id
            and best.row_key = their_names.row_key
    left join same_second
        on
            best.account_id = same_second.account_id
            and best.row_key = same_second.row_key
            and same_second.nth = 1
    where best.kind = 'extended' and same_second.row_key is null

),

-- One play may have been written down twice.
longest_first as (

    select
        *,
        row_number() over (
            partition by ended_at_ms, {{ same_track }}
            order by ms_played desc, row_key asc
        ) as nth_of_end
    from extended

),

spaced as (

    select
        *,
        ended_at_ms - lag(ended_at_ms) over (
            partition by ms_played, {{ same_track }}
            order by ended_at_ms, row_key
        ) as ms_since_same_length
    from longest_first
    where nth_of_end = 1

),

told_once as (

    select *
    from spaced
    where ms_since_same_length is null or ms_since_same_length >= ms_played - 1000

),

late_enough as (

    select
        *,
        ts_ms / 60000 as ended_in
    from told_once
    where
        ts_ms / 60000 >= (
            select min(best.ts_ms) / 60000 - 1 from best
            where best.kind <> 'extended'
        )

),

-- What the account data tells to the minute, the extended history tells better. Each row of the one
-- yields to a row of the other, the longest first; under whatever names a download tells it.
taken_0 as (

    select
        1 as is_account_data,
        account_id,
        row_key,
        title_in_both,
        artist_in_both,
        ms_played,
        ts_ms / 60000 as ended_in,
        0 as has_no_title,
        0 as is_taken
    from best
    where kind <> 'extended'
    union
    select
        0 as is_account_data,
        account_id,
        row_key,
        title_in_both,
        artist_in_both,
        ms_played,
        ended_in,
        case when title_in_both = '' then 1 else 0 end as has_no_title,
        0 as is_taken
    from late_enough
    union
    select
        0 as is_account_data,
        late_enough.account_id,
        late_enough.row_key,
        variants.title_in_both,
        variants.artist_in_both,
        late_enough.ms_played,
        late_enough.ended_in,
        case when late_enough.title_in_both = '' then 1 else 0 end as has_no_title,
        0 as is_taken
    from late_enough
    inner join variants
        on
            late_enough.account_id = variants.account_id
            and late_enough.row_key = variants.row_key

),

{%- for columns, minutes in yields %}
{%- set together = ['account_id', 'ended_in + is_account_data * ' ~ minutes] + columns %}

ranked_{{ loop.index }} as (

    select
        *,
        dense_rank() over (
            partition by is_account_data, {{ together | join(', ') }}
            order by ms_played desc, row_key asc
        ) as nth
    from taken_{{ loop.index0 }}
    where is_taken = 0

),

counted_{{ loop.index }} as (

    select
        *,
        max(case when is_account_data = 0 then nth else 0 end) over (
            partition by {{ together | join(', ') }}
        ) as extended_rows,
        max(case when is_account_data = 1 then nth else 0 end) over (
            partition by {{ together | join(', ') }}
        ) as account_rows
    from ranked_{{ loop.index }}

),

taken_{{ loop.index }} as (

    select
        is_account_data,
        account_id,
        row_key,
        title_in_both,
        artist_in_both,
        ms_played,
        ended_in,
        has_no_title,
        max(case when nth <= extended_rows and nth <= account_rows then 1 else 0 end) over (
            partition by account_id, row_key
        ) as is_taken
    from counted_{{ loop.index }}

),
{%- endfor %}

left_over as (

    select * from taken_{{ yields | length }}
    where is_taken = 0

),

-- Where a track is taken down, the extended history loses its names. The account data keeps them.
without_title as (

    select
        *,
        dense_rank() over (
            partition by is_account_data, account_id, ended_in, ms_played
            order by row_key
        ) as nth
    from left_over
    where is_account_data = 1 or has_no_title = 1

),

their_titles as (

    select
        max(case when is_account_data = 0 then row_key end) as row_key,
        max(case when is_account_data = 1 then row_key end) as account_row_key
    from without_title
    group by account_id, ended_in, ms_played, nth
    having min(is_account_data) <> max(is_account_data)

),

plays as (

    select
        told_once.row_key,
        told_once.account_id,
        told_once.kind,
        told_once.content_type,
        told_once.track_uri,
        {%- for name in names %}
        coalesce(nullif(told_once.{{ name }}, ''), titled.{{ name }}) as {{ name }},
        {%- endfor %}
        told_once.ts,
        told_once.ts_ms,
        told_once.player_ended_at_ms,
        told_once.ended_at_ms,
        told_once.time_is_unreliable,
        told_once.ms_played,
        told_once.reason_end,
        told_once.skipped,
        told_once.incognito_mode,
        told_once.platform,
        told_once.country,
        told_once.shuffle
    from told_once
    left join their_titles on told_once.row_key = their_titles.row_key
    left join best as titled on their_titles.account_row_key = titled.row_key

    union all

    select
        row_key,
        account_id,
        kind,
        content_type,
        track_uri,
        track_name,
        artist_name,
        album_name,
        ts,
        ts_ms,
        player_ended_at_ms,
        ended_at_ms,
        time_is_unreliable,
        ms_played,
        reason_end,
        skipped,
        incognito_mode,
        platform,
        country,
        shuffle
    from best
    where
        row_key in (
            select left_over.row_key from left_over
            where left_over.is_account_data = 1
        )
        and row_key not in (select their_titles.account_row_key from their_titles)

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
    incognito_mode,
    cast(platform as {{ type_string() }}) as platform,
    cast(country as {{ type_string() }}) as country,
    shuffle
from plays
