{#- Read by everything downstream, and at a million rows it takes a third of a minute. -#}
{{ config(materialized='table') }}

{%- set fields = [
    'ts', 'ms_played', 'platform', 'conn_country', 'master_metadata_track_name',
    'master_metadata_album_artist_name', 'master_metadata_album_album_name', 'spotify_track_uri',
    'episode_name', 'episode_show_name', 'spotify_episode_uri', 'audiobook_title',
    'audiobook_uri', 'audiobook_chapter_uri', 'audiobook_chapter_title', 'audiobook_author_name',
    'reason_start', 'reason_end', 'shuffle', 'skipped', 'offline', 'offline_timestamp',
    'incognito_mode',
] -%}
{#- What both packages name alike: of a book, the extended history does not tell the author, and
    what it does not name at all, the account data calls unknown. -#}
{%- set title -%}
coalesce(nullif(master_metadata_track_name, 'Unknown Track'), episode_name, audiobook_title, '')
{%- endset -%}
{%- set artist -%}
coalesce(nullif(master_metadata_album_artist_name, 'Unknown Artist'), episode_show_name, '')
{%- endset -%}
{%- set same_play = [
    'track_uri',
    'account_id',
    "case when track_uri is null then coalesce(track_name, '') end",
    "case when track_uri is null then coalesce(artist_name, '') end",
    "case when track_uri is null then coalesce(album_name, '') end",
    "case when kind <> 'extended' then row_key end",
] | join(', ') -%}
{%- set minute = 'substr(ts, 1, 16)' -%}

with

source as (

    select * from {{ source('raw', 'streaming_history') }}

),

-- Downloads may differ in what they tell beside a row's key. The variant that tells most is taken.
several_variants as (

    select
        account_id,
        row_key
    from {{ source('raw', 'streaming_history') }}
    group by account_id, row_key
    having count(*) > 1

),

variants as (

    select
        history.account_id,
        history.row_key,
        history.variant,
        row_number() over (
            partition by history.account_id, history.row_key
            order by
                {{ filled_columns('history', fields) }} desc,
                {{ canonical_json('history', fields) }} asc
        ) as nth
    from several_variants
    inner join {{ source('raw', 'streaming_history') }} as history
        on
            several_variants.account_id = history.account_id
            and several_variants.row_key = history.row_key

),

-- What the account data tells to the minute, the extended history tells better. Names and minute
-- are all that both tell, so the rows yield one by one, the longest first.
account_data as (

    select
        account_id,
        row_key,
        variant,
        title,
        artist,
        ended_in,
        row_number() over (
            partition by title, artist, ended_in, account_id
            order by ms_played desc, row_key asc
        ) as nth
    from (
        select
            account_id,
            row_key,
            variant,
            ms_played,
            {{ title }} as title,
            {{ artist }} as artist,
            {{ minute }} as ended_in
        from {{ source('raw', 'streaming_history') }}
        where kind <> 'extended'
    ) as named

),

extended_history as (

    select
        {{ title }} as title,
        {{ artist }} as artist,
        {{ minute }} as ended_in,
        account_id,
        count(distinct row_key) as plays
    from {{ source('raw', 'streaming_history') }}
    where
        kind = 'extended'
        and ts >= (select min(account_data.ended_in) from account_data)
    group by title, artist, ended_in, account_id

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
            and account_data.title = extended_history.title
            and account_data.artist = extended_history.artist
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

typed as (

    select
        row_key,
        account_id,
        kind,
        ts,
        ms_played,
        reason_end,
        skipped,
        offline,
        incognito_mode,
        coalesce(
            nullif(spotify_track_uri, ''),
            nullif(spotify_episode_uri, ''),
            nullif(audiobook_chapter_uri, ''),
            nullif(audiobook_uri, '')
        ) as track_uri,
        case
            when kind = 'music' or spotify_track_uri <> '' then 'track'
            when kind = 'podcast' or spotify_episode_uri <> '' then 'episode'
            when kind = 'audiobook' or audiobook_chapter_uri <> '' then 'audiobook'
            when audiobook_uri <> '' then 'audiobook'
            when master_metadata_track_name is not null then 'track'
            when episode_name is not null then 'episode'
            when audiobook_title is not null then 'audiobook'
            else 'track'
        end as content_type,
        coalesce(
            master_metadata_track_name, episode_name, audiobook_chapter_title, audiobook_title
        ) as track_name,
        coalesce(
            master_metadata_album_artist_name, episode_show_name, audiobook_author_name
        ) as artist_name,
        coalesce(master_metadata_album_album_name, audiobook_title) as album_name,
        {{ to_ms('ts') }} as ts_ms,
        case
            when offline = 1 or reason_end = 'logout'
                then
                    offline_timestamp
                    * case when offline_timestamp > 100000000000 then 1 else 1000 end
        end as player_started_at_ms
    from single

),

-- Where `ts` may be hours late, the player's own clock tells when the play began. Spotify began in
-- 2006; what claims to be older, or later than `ts`, is no time.
timed as (

    select
        *,
        case
            when player_started_at_ms >= 1136073600000 and player_started_at_ms <= ts_ms
                then player_started_at_ms + ms_played
        end as player_ended_at_ms,
        case when offline = 1 or reason_end = 'logout' then 1 else 0 end as time_is_unreliable
    from typed

),

ended as (

    select
        *,
        case
            when offline = 1 and player_ended_at_ms is not null then player_ended_at_ms
            else ts_ms
        end as ended_at_ms
    from timed

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
    from ended

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
