{{ config(indexes=[{'columns': ['account_id', 'returned_on']}]) }}

with

track_days as (

    select * from {{ ref('fct_track_days') }}
    where content_type = 'track'

),

tracks as (

    select
        track_key,
        artist_key,
        artist_name
    from {{ ref('dim_tracks') }}
    where artist_key <> 'unknown'

),

-- No date is missing in it, so that dates can be counted instead of computed with.
dates as (

    select
        local_date,
        row_number() over (order by local_date) as date_number
    from {{ ref('dim_dates') }}

),

artist_days as (

    select
        track_days.account_id,
        tracks.artist_key,
        track_days.local_date,
        max(tracks.artist_name) as artist_name,
        sum(track_days.plays) as plays
    from track_days
    inner join tracks on track_days.track_key = tracks.track_key
    -- In this order no index fits: sorting is quicker than following one.
    group by tracks.artist_key, track_days.account_id, track_days.local_date

),

in_order as (

    select
        artist_days.account_id,
        artist_days.artist_key,
        artist_days.artist_name,
        artist_days.local_date,
        dates.date_number,
        lag(artist_days.local_date) over artist_by_date as away_since,
        lag(dates.date_number) over artist_by_date as away_since_number,
        sum(artist_days.plays) over artist_by_date - artist_days.plays as plays_before,
        sum(artist_days.plays) over (
            partition by artist_days.account_id, artist_days.artist_key
        ) as plays
    from artist_days
    inner join dates on artist_days.local_date = dates.local_date
    window
        artist_by_date as (
            partition by artist_days.account_id, artist_days.artist_key
            order by artist_days.local_date
        )

)

select
    account_id,
    artist_key,
    cast(artist_name as {{ type_string() }}) as artist_name,
    cast(local_date as {{ type_string() }}) as returned_on,
    cast(away_since as {{ type_string() }}) as away_since,
    cast(date_number - away_since_number - 1 as {{ type_bigint() }}) as days_away,
    cast(plays_before as {{ type_bigint() }}) as plays_before,
    cast(plays - plays_before as {{ type_bigint() }}) as plays_since
from in_order
where date_number - away_since_number > {{ var('absent_after_days') }}
