{{ config(indexes=[{'columns': ['account_id', 'completed_on']}]) }}

with

-- Interludes are shorter than a counted play: they are heard when they were played to their end.
plays as (

    select * from {{ ref('int_shown_plays') }}
    where
        content_type = 'track'
        and ms_played > 0
        and (is_counted = 1 or reason_end = 'trackdone')

),

tracks as (

    select * from {{ ref('dim_tracks') }}

),

album_names as (

    select * from {{ ref('dim_albums') }}

),

listed as (

    select
        row_key,
        played_at,
        track_uri,
        album_uri,
        album_name,
        album_type,
        album_total_tracks,
        disc_number,
        track_number
    from {{ ref('stg_recently_played') }}
    where album_uri is not null and album_total_tracks > 0

),

-- Both parts of the text are of one length, so the greatest text is the newest listing. An album
-- that was taken down has no title: an older listing that has one says more.
album_listings as (

    select
        album_uri,
        substr(
            max(case when album_name <> '' then '1' else '0' end || played_at || row_key), 26
        ) as row_key
    from listed
    group by album_uri

),

albums as (

    select
        album_listings.album_uri as album_key,
        album_names.album_name,
        album_names.album_artist_name,
        listed.album_type,
        listed.album_total_tracks as total_tracks
    from album_listings
    inner join listed on album_listings.row_key = listed.row_key
    inner join album_names on album_listings.album_uri = album_names.album_key

),

track_listings as (

    select
        track_uri,
        album_uri,
        substr(max(played_at || row_key), 25) as row_key
    from listed
    group by track_uri, album_uri

),

-- Two releases of a track on one album have one place on it.
places as (

    select
        track_listings.track_uri as track_key,
        track_listings.album_uri as album_key,
        listed.disc_number || '/' || listed.track_number as place
    from track_listings
    inner join listed on track_listings.row_key = listed.row_key

),

-- For tracks that the API never listed under their URI, such as a release that only an export has.
places_by_title as (

    select
        places.album_key,
        tracks.track_name,
        min(places.place) as place
    from places
    inner join tracks on places.track_key = tracks.track_key
    group by places.album_key, tracks.track_name

),

tracks_heard as (

    select
        account_id,
        track_key,
        min(local_date) as first_date
    from plays
    group by account_id, track_key

),

placed as (

    select
        tracks_heard.account_id,
        tracks_heard.first_date,
        tracks.album_key,
        coalesce(
            places.place,
            places_by_title.place,
            {{ name_key('tracks.track_name') }},
            tracks.track_key
        ) as place
    from tracks_heard
    inner join tracks on tracks_heard.track_key = tracks.track_key
    left join places
        on
            tracks.track_key = places.track_key
            and tracks.album_key = places.album_key
    left join places_by_title
        on
            tracks.album_key = places_by_title.album_key
            and tracks.track_name = places_by_title.track_name

),

places_heard as (

    select
        account_id,
        album_key,
        place,
        min(first_date) as first_date
    from placed
    group by account_id, album_key, place

),

numbered as (

    select
        places_heard.account_id,
        places_heard.album_key,
        places_heard.first_date,
        albums.album_name,
        albums.album_artist_name,
        albums.album_type,
        albums.total_tracks,
        row_number() over (
            partition by places_heard.account_id, places_heard.album_key
            order by places_heard.first_date asc, places_heard.place asc
        ) as tracks_so_far
    from places_heard
    inner join albums on places_heard.album_key = albums.album_key

),

albums_heard as (

    select
        account_id,
        album_key,
        max(album_name) as album_name,
        max(album_artist_name) as album_artist_name,
        max(album_type) as album_type,
        max(total_tracks) as total_tracks,
        count(*) as tracks_played,
        min(first_date) as first_played_on,
        max(case when tracks_so_far = total_tracks then first_date end) as completed_on
    from numbered
    group by account_id, album_key

)

select
    account_id,
    cast(album_key as {{ type_string() }}) as album_key,
    cast(album_name as {{ type_string() }}) as album_name,
    cast(album_artist_name as {{ type_string() }}) as album_artist_name,
    cast(album_type as {{ type_string() }}) as album_type,
    cast(total_tracks as {{ type_bigint() }}) as total_tracks,
    cast(tracks_played as {{ type_bigint() }}) as tracks_played,
    cast(
        case
            when tracks_played >= total_tracks then 1000
            else tracks_played * 1000 / total_tracks
        end as {{ type_int() }}
    ) as completed_per_1000,
    cast(first_played_on as {{ type_string() }}) as first_played_on,
    cast(completed_on as {{ type_string() }}) as completed_on
from albums_heard
