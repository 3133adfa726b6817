{%- set fields = [
    'ts', 'ms_played', 'platform', 'conn_country', 'master_metadata_track_name',
    'master_metadata_album_artist_name', 'master_metadata_album_album_name', 'spotify_track_uri',
    'episode_name', 'episode_show_name', 'spotify_episode_uri', 'audiobook_title',
    'audiobook_uri', 'audiobook_chapter_uri', 'audiobook_chapter_title', 'audiobook_author_name',
    'reason_start', 'reason_end', 'shuffle', 'skipped', 'offline', 'offline_timestamp',
    'incognito_mode',
] -%}

with

source as (

    select * from {{ source('raw', 'streaming_history') }}

),

typed as (

    select
        *,
        coalesce(
            nullif(spotify_track_uri, ''),
            nullif(spotify_episode_uri, ''),
            nullif(audiobook_chapter_uri, ''),
            -- All chapters have the URI of their book; a title tells them apart, and it does not.
            case when audiobook_chapter_title <> '' then null else nullif(audiobook_uri, '') end
        ) as track_uri,
        case
            when spotify_track_uri <> '' then 'track'
            when spotify_episode_uri <> '' then 'episode'
            when audiobook_chapter_uri <> '' or audiobook_uri <> '' then 'audiobook'
            -- As in the contract: what has these names is no track, whatever else it has.
            when episode_name <> '' or episode_show_name <> '' then 'episode'
            when audiobook_title <> '' or audiobook_chapter_title <> '' then 'audiobook'
            when audiobook_author_name <> '' then 'audiobook'
            else 'track'
        end as content_type,
        {{ to_ms('ts') }} as ts_ms,
        case
            when offline = 1 or reason_end = 'logout'
                then
                    offline_timestamp
                    * case when offline_timestamp > 100000000000 then 1 else 1000 end
        end as player_started_at_ms
    from source

),

-- Where `ts` may be hours late, the player's own clock tells when the play began. Spotify began in
-- 2006; what claims to be older, or later than `ts`, is no time.
timed as (

    select
        *,
        case
            when player_started_at_ms >= 1136073600000 and player_started_at_ms <= ts_ms
                then player_started_at_ms + ms_played
        end as player_ended_at_ms
    from typed

)

select
    account_id,
    row_key,
    variant,
    kind,
    content_type,
    track_uri,
    coalesce(
        nullif(master_metadata_track_name, ''),
        nullif(episode_name, ''),
        nullif(audiobook_chapter_title, ''),
        audiobook_title
    ) as track_name,
    coalesce(
        nullif(master_metadata_album_artist_name, ''),
        nullif(episode_show_name, ''),
        audiobook_author_name
    ) as artist_name,
    coalesce(nullif(master_metadata_album_album_name, ''), audiobook_title) as album_name,
    -- What both packages name alike: of a book, the extended history does not tell the author, and
    -- what it does not name at all, the account data calls unknown.
    coalesce(
        nullif(nullif(master_metadata_track_name, 'Unknown Track'), ''),
        nullif(episode_name, ''),
        audiobook_title,
        ''
    ) as title_in_both,
    coalesce(
        nullif(nullif(master_metadata_album_artist_name, 'Unknown Artist'), ''),
        episode_show_name,
        ''
    ) as artist_in_both,
    ts,
    ts_ms,
    player_ended_at_ms,
    case
        when offline = 1 and player_ended_at_ms is not null then player_ended_at_ms
        else ts_ms
    end as ended_at_ms,
    case when offline = 1 or reason_end = 'logout' then 1 else 0 end as time_is_unreliable,
    ms_played,
    reason_end,
    skipped,
    offline,
    incognito_mode,
    nullif(platform, '') as platform,
    nullif(nullif(conn_country, ''), 'ZZ') as country,
    shuffle,
    {{ filled_columns(fields) }} as filled_fields,
    cast({{ canonical_json(fields + ['unread']) }} as {{ type_string() }}) as fields,
    load_id
from timed
