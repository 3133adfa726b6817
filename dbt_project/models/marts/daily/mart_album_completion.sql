{{ config(indexes=[{'columns': ['account_id', 'completed_on']}]) }}

with

track_days as (

    select * from {{ ref('fct_track_days') }}
    where content_type = 'track' and track_uri is not null

),

plays_of_both as (

    select * from {{ ref('fct_plays') }}
    where source = 'both'

),

listed as (

    select
        row_key,
        played_at,
        track_uri,
        album_uri,
        album_name,
        album_artist_name,
        album_type,
        album_total_tracks,
        disc_number,
        track_number
    from {{ ref('stg_recently_played') }}
    where album_uri is not null and album_total_tracks > 0

),

-- An export can give a play another URI than the API does: its album is the API's. Both parts of
-- the text are of one length, so that the greatest is the newest listing.
listings as (

    select
        track_uri,
        played_at || row_key as listing
    from listed

    union all

    select
        plays_of_both.track_uri,
        listed.played_at || listed.row_key as listing
    from plays_of_both
    inner join listed on plays_of_both.api_row_key = listed.row_key
    where plays_of_both.track_uri <> listed.track_uri

),

newest_listings as (

    select
        track_uri,
        substr(max(listing), 25) as row_key
    from listings
    group by track_uri

),

-- Two releases of a track on one album have one place on it.
places as (

    select
        newest_listings.track_uri,
        listed.album_uri,
        coalesce(
            listed.disc_number || '/' || listed.track_number, newest_listings.track_uri
        ) as place
    from newest_listings
    inner join listed on newest_listings.row_key = listed.row_key

),

-- What was taken down has no title any more: an older listing with one tells more.
album_listings as (

    select
        album_uri,
        substr(
            max(case when album_name <> '' then '1' else '0' end || played_at || row_key), 26
        ) as row_key
    from listed
    group by album_uri

),

tracks_heard as (

    select
        account_id,
        track_uri,
        min(local_date) as first_date
    from track_days
    group by account_id, track_uri

),

albums as (

    select
        album_listings.album_uri,
        listed.album_name,
        listed.album_artist_name,
        listed.album_type,
        listed.album_total_tracks
    from album_listings
    inner join listed on album_listings.row_key = listed.row_key

),

places_heard as (

    select
        tracks_heard.account_id,
        places.album_uri,
        places.place,
        min(tracks_heard.first_date) as first_date,
        max(albums.album_name) as album_name,
        max(albums.album_artist_name) as artist_name,
        max(albums.album_type) as album_type,
        max(albums.album_total_tracks) as total_tracks
    from tracks_heard
    inner join places on tracks_heard.track_uri = places.track_uri
    inner join albums on places.album_uri = albums.album_uri
    group by tracks_heard.account_id, places.album_uri, places.place

),

numbered as (

    select
        *,
        row_number() over (
            partition by account_id, album_uri
            order by first_date asc, place asc
        ) as tracks_so_far
    from places_heard

),

albums_heard as (

    select
        account_id,
        album_uri,
        max(album_name) as album_name,
        max(artist_name) as artist_name,
        max(album_type) as album_type,
        max(total_tracks) as total_tracks,
        count(*) as tracks_played,
        min(first_date) as first_played_on,
        max(case when tracks_so_far = total_tracks then first_date end) as completed_on
    from numbered
    group by account_id, album_uri

)

select
    account_id,
    cast(album_uri as {{ type_string() }}) as album_uri,
    cast(album_name as {{ type_string() }}) as album_name,
    cast(artist_name as {{ type_string() }}) as artist_name,
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
