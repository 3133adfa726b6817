{{
  config(
    materialized='incremental',
    unique_key='track_key',
    indexes=[
      {'columns': ['track_key'], 'unique': true},
      {'columns': ['artist_key', 'artist_name']},
      {'columns': ['album_key', 'album_name', 'album_artist_name']},
    ],
  )
}}
{%- set columns = [
    'track_key', 'track_uri', 'content_type', 'track_name', 'artist_key', 'artist_name',
    'album_key', 'album_name', 'album_artist_name',
] -%}

with

names as (

    select
        track_key,
        track_uri,
        content_type,
        ranked_track_name,
        ranked_artist_name,
        ranked_album_name,
        ranked_album_artist_name,
        {{ value_of('ranked_track_name') }} as track_name,
        {{ value_of('ranked_artist_name') }} as artist_name,
        {{ value_of('ranked_artist_uri') }} as artist_uri,
        {{ value_of('ranked_album_name') }} as album_name,
        coalesce({{ value_of('ranked_album_artist_name') }}, '') as album_artist_name,
        {{ value_of('ranked_album_uri') }} as album_uri
    from {{ ref('int_track_names') }}

),

-- Exports have no URIs of artists and albums. Where the API has only one artist of a name, it is
-- the same artist; where it has several, nobody knows which of them.
artists_of_one_uri as (

    select
        content_type,
        artist_name,
        min(artist_uri) as artist_uri
    from names
    where artist_uri is not null and ranked_artist_name >= {{ rank_of_api() }}
    group by content_type, artist_name
    having min(artist_uri) = max(artist_uri)

),

albums_of_one_uri as (

    select
        content_type,
        album_name,
        album_artist_name,
        min(album_uri) as album_uri
    from names
    where album_uri is not null and ranked_album_name >= {{ rank_of_api() }}
    group by content_type, album_name, album_artist_name
    having min(album_uri) = max(album_uri)

),

-- Spotify may give a track of a compilation another URI later.
tracks_of_one_artist as (

    select
        content_type,
        track_name,
        album_name,
        album_artist_name,
        min(artist_uri) as artist_uri
    from names
    where artist_uri is not null and ranked_track_name >= {{ rank_of_api() }}
    group by content_type, track_name, album_name, album_artist_name
    having min(artist_uri) = max(artist_uri)

),

keyed as (

    select
        names.*,
        coalesce(
            names.artist_uri,
            tracks_of_one_artist.artist_uri,
            artists_of_one_uri.artist_uri,
            {{ name_key('names.artist_name') }},
            'unknown'
        ) as artist_key,
        coalesce(
            names.album_uri,
            albums_of_one_uri.album_uri,
            {{ name_key('names.album_name', 'names.album_artist_name') }},
            'unknown'
        ) as album_key
    from names
    left join tracks_of_one_artist
        on
            names.ranked_artist_name < {{ rank_of_export() }}
            and names.content_type = tracks_of_one_artist.content_type
            and names.track_name = tracks_of_one_artist.track_name
            and names.album_name = tracks_of_one_artist.album_name
            and names.album_artist_name = tracks_of_one_artist.album_artist_name
    left join artists_of_one_uri
        on
            names.content_type = artists_of_one_uri.content_type
            and names.artist_name = artists_of_one_uri.artist_name
    left join albums_of_one_uri
        on
            names.content_type = albums_of_one_uri.content_type
            and names.album_name = albums_of_one_uri.album_name
            and names.album_artist_name = albums_of_one_uri.album_artist_name

),

artists as (

    select
        artist_key,
        {{ value_of('max(ranked_artist_name)') }} as artist_name
    from keyed
    group by artist_key

),

albums as (

    select
        album_key,
        {{ value_of('max(ranked_album_name)') }} as album_name,
        {{ value_of('max(ranked_album_artist_name)') }} as album_artist_name
    from keyed
    where album_key <> 'unknown'
    group by album_key

),

tracks as (

    select
        cast(keyed.track_key as {{ type_string() }}) as track_key,
        cast(keyed.track_uri as {{ type_string() }}) as track_uri,
        cast(keyed.content_type as {{ type_string() }}) as content_type,
        cast(keyed.track_name as {{ type_string() }}) as track_name,
        cast(keyed.artist_key as {{ type_string() }}) as artist_key,
        cast(artists.artist_name as {{ type_string() }}) as artist_name,
        cast(keyed.album_key as {{ type_string() }}) as album_key,
        cast(albums.album_name as {{ type_string() }}) as album_name,
        cast(albums.album_artist_name as {{ type_string() }}) as album_artist_name
    from keyed
    inner join artists on keyed.artist_key = artists.artist_key
    left join albums on keyed.album_key = albums.album_key

)

select {{ columns | join(', ') }} from tracks
{%- if is_incremental() %}

-- Only rows that changed are written. All names are read for it, which takes less time than finding
-- out which tracks share an artist or an album with a new row.
except

select {{ columns | join(', ') }} from {{ this }}
{%- endif %}
