{{
  config(
    indexes=[
      {'columns': ['account_id', 'first_played_on']},
      {'columns': ['is_new_artist', 'artist_key', 'account_id', 'first_played_on']},
    ],
  )
}}

with

-- The aggregate is read twice, each time by its index: what two read as one, SQLite copies before.
track_days as (

    select * from {{ ref('fct_track_days') }}
    where
        content_type = 'track'
        and track_key <> 'unknown'
        and local_date >= (select min(dates.local_date) from {{ ref('dim_dates') }} as dates)

),

days_of_tracks as (

    select * from {{ ref('fct_track_days') }}
    where content_type = 'track'

),

-- No date is missing in it: 27 rows on, four weeks end.
dates as (

    select
        local_date,
        coalesce(lead(local_date, 27) over (order by local_date), '9999-12-31') as last_of_28_days
    from {{ ref('dim_dates') }}

),

-- Both are of one length each, so that the least text has the date of the first play.
first_plays as (

    select
        account_id,
        track_key,
        min(first_played_at || local_date) as first_play,
        sum(plays) as plays
    from track_days
    group by account_id, track_key

),

first_days as (

    select
        first_plays.account_id,
        first_plays.track_key,
        first_plays.plays,
        dates.local_date as first_played_on,
        dates.last_of_28_days,
        substr(first_plays.first_play, 1, 24) as first_played_at
    from first_plays
    inner join dates on substr(first_plays.first_play, 25) = dates.local_date

),

discoveries as (

    select
        first_days.account_id,
        first_days.track_key,
        max(first_days.first_played_on) as first_played_on,
        max(first_days.first_played_at) as first_played_at,
        max(first_days.plays) as plays,
        sum(
            case
                when days.local_date < first_days.first_played_on then 0
                when days.local_date > first_days.last_of_28_days then 0
                else days.plays
            end
        ) as plays_in_28_days
    from first_days
    inner join days_of_tracks as days
        on
            first_days.account_id = days.account_id
            and first_days.track_key = days.track_key
    group by first_days.account_id, first_days.track_key

),

tracks as (

    select * from {{ ref('dim_tracks') }}

)

select
    discoveries.account_id,
    discoveries.track_key,
    tracks.track_uri,
    tracks.track_name,
    tracks.artist_key,
    tracks.artist_name,
    cast(discoveries.first_played_on as {{ type_string() }}) as first_played_on,
    cast(discoveries.first_played_at as {{ type_string() }}) as first_played_at,
    cast(
        case
            when tracks.artist_key = 'unknown' then null
            when
                row_number() over (
                    partition by discoveries.account_id, tracks.artist_key
                    order by discoveries.first_played_at asc, discoveries.track_key asc
                ) = 1
                then 1
            else 0
        end as {{ type_int() }}
    ) as is_new_artist,
    cast(discoveries.plays as {{ type_bigint() }}) as plays,
    cast(discoveries.plays_in_28_days as {{ type_bigint() }}) as plays_in_28_days
from discoveries
inner join tracks on discoveries.track_key = tracks.track_key
