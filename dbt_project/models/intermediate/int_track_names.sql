{{
  config(
    materialized='incremental',
    unique_key='track_key',
    pre_hook="{{ require_all_days() }}",
    indexes=[{'columns': ['track_key'], 'unique': true}],
  )
}}
{%- set api = [rank_of_api(), 'played_at', 'row_key'] -%}
{%- set export = [rank_of_export(), 'ts', 'row_key'] -%}
{%- set exported_artist = [rank_of_exported_artist('artist_name'), 'ts', 'row_key'] -%}

-- Only the rows of new pages are read, by an index. Raw rows never go away, so the best of the
-- known names and the new ones is the best of all.
with

new_names as (

    select
        track_uri as track_key,
        track_uri,
        case when track_uri like 'spotify:episode:%' then 'episode' else 'track' end
            as content_type,
        {{ ranked_value('track_name', *api) }} as ranked_track_name,
        {{ ranked_value('artist_name', *api) }} as ranked_artist_name,
        {{ ranked_value('artist_uri', *api) }} as ranked_artist_uri,
        {{ ranked_value('album_name', *api) }} as ranked_album_name,
        {{ ranked_value('album_artist_name', *api) }} as ranked_album_artist_name,
        {{ ranked_value('album_uri', *api) }} as ranked_album_uri
    from {{ ref('stg_recently_played') }}
    where load_id > {{ newest_load_seen_by('int_track_names') }}

    {% if not is_incremental() %}
    -- After an import all names are made anew, so a refresh reads no exported plays. In them the
    -- names that one download lacks are filled from another.
    union all

    select
        {{ track_key('track_uri', 'track_name', 'artist_name') }} as track_key,
        track_uri,
        content_type,
        {{ ranked_value('track_name', *export) }} as ranked_track_name,
        {{ ranked_value('artist_name', *exported_artist) }} as ranked_artist_name,
        null as ranked_artist_uri,
        {{ ranked_value('album_name', *export) }} as ranked_album_name,
        {{ ranked_value('artist_name', *export) }} as ranked_album_artist_name,
        null as ranked_album_uri
    from {{ ref('int_exported_plays') }}
    {%- endif %}

),

all_names as (

    select * from new_names
    {%- if is_incremental() %}

    union all

    select * from {{ this }}
    where track_key in (select new_names.track_key from new_names)
    {%- endif %}

),

best_names as (

    select
        track_key,
        max(track_uri) as track_uri,
        max(content_type) as content_type,
        max(ranked_track_name) as ranked_track_name,
        max(ranked_artist_name) as ranked_artist_name,
        max(ranked_artist_uri) as ranked_artist_uri,
        max(ranked_album_name) as ranked_album_name,
        max(ranked_album_artist_name) as ranked_album_artist_name,
        max(ranked_album_uri) as ranked_album_uri
    from all_names
    group by track_key

)

-- Rows without a URI and a title have one key, and nothing else in common.
select
    cast(track_key as {{ type_string() }}) as track_key,
    cast(track_uri as {{ type_string() }}) as track_uri,
    cast(content_type as {{ type_string() }}) as content_type,
    cast(
        case when track_key <> 'unknown' then ranked_track_name end as {{ type_string() }}
    ) as ranked_track_name,
    cast(
        case when track_key <> 'unknown' then ranked_artist_name end as {{ type_string() }}
    ) as ranked_artist_name,
    cast(
        case when track_key <> 'unknown' then ranked_artist_uri end as {{ type_string() }}
    ) as ranked_artist_uri,
    cast(
        case when track_key <> 'unknown' then ranked_album_name end as {{ type_string() }}
    ) as ranked_album_name,
    cast(
        case when track_key <> 'unknown' then ranked_album_artist_name end as {{ type_string() }}
    ) as ranked_album_artist_name,
    cast(
        case when track_key <> 'unknown' then ranked_album_uri end as {{ type_string() }}
    ) as ranked_album_uri
from best_names
