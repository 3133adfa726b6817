with

days as (

    select * from {{ ref('mart_listening_by_day') }}

),

dates as (

    select * from {{ ref('dim_dates') }}

),

plays as (

    select * from {{ ref('int_shown_plays') }}
    where is_counted = 1 and time_is_unreliable = 0

),

top_tracks as (

    select * from {{ ref('mart_top_tracks') }}
    where period = 'year'

),

top_artists as (

    select * from {{ ref('mart_top_artists') }}
    where period = 'year'

),

top_albums as (

    select * from {{ ref('mart_top_albums') }}
    where period = 'year' and rank_by_plays = 1

),

streaks as (

    select * from {{ ref('mart_streaks') }}

),

ranked_days as (

    select
        days.*,
        dates.year_start,
        row_number() over (
            partition by days.account_id, dates.year_start
            order by days.plays desc, days.ms_played desc, days.local_date asc
        ) as busiest_first
    from days
    inner join dates on days.local_date = dates.local_date

),

years as (

    select
        account_id,
        year_start,
        sum(plays) as plays,
        sum(ms_played) as ms_played,
        sum(ms_played_estimated) as ms_played_estimated,
        sum(case when plays > 0 then 1 else 0 end) as days_with_plays,
        max(case when busiest_first = 1 then local_date end) as busiest_date,
        max(case when busiest_first = 1 then plays end) as busiest_date_plays,
        max(case when busiest_first = 1 then ms_played end) as busiest_date_ms_played,
        max(is_at_least) as is_at_least
    from ranked_days
    group by account_id, year_start
    having sum(plays) > 0

),

track_years as (

    select
        *,
        row_number() over (
            partition by account_id, track_key order by period_start asc
        ) as nth_year
    from top_tracks

),

tracks as (

    select
        account_id,
        period_start,
        count(*) as tracks,
        sum(case when nth_year = 1 then 1 else 0 end) as new_tracks,
        max(case when rank_by_plays = 1 then track_key end) as top_track_key,
        max(case when rank_by_plays = 1 then track_name end) as top_track_name,
        max(case when rank_by_plays = 1 then artist_name end) as top_track_artist_name,
        max(case when rank_by_plays = 1 then plays end) as top_track_plays
    from track_years
    group by account_id, period_start

),

artist_years as (

    select
        *,
        row_number() over (
            partition by account_id, artist_key order by period_start asc
        ) as nth_year
    from top_artists

),

artists as (

    select
        account_id,
        period_start,
        count(*) as artists,
        sum(case when nth_year = 1 then 1 else 0 end) as new_artists,
        max(case when rank_by_plays = 1 then artist_key end) as top_artist_key,
        max(case when rank_by_plays = 1 then artist_name end) as top_artist_name,
        max(case when rank_by_plays = 1 then plays end) as top_artist_plays
    from artist_years
    group by account_id, period_start

),

-- A streak over New Year is one in each of the two years, by its days there.
streaks_of_years as (

    select
        streaks.account_id,
        dates.year_start,
        streaks.streak_start,
        min(dates.local_date) as first_date,
        count(*) as days
    from streaks
    inner join dates
        on
            streaks.streak_start <= dates.local_date
            and streaks.streak_end >= dates.local_date
    group by streaks.account_id, dates.year_start, streaks.streak_start

),

ranked_streaks as (

    select
        *,
        row_number() over (
            partition by account_id, year_start order by days desc, first_date asc
        ) as longest_first
    from streaks_of_years

),

hours as (

    select
        account_id,
        local_hour,
        substr(local_date, 1, 4) || '-01-01' as year_start,
        count(*) as plays,
        sum(ms_played) as ms_played
    from plays
    group by account_id, substr(local_date, 1, 4) || '-01-01', local_hour

),

ranked_hours as (

    select
        *,
        row_number() over (
            partition by account_id, year_start
            order by plays desc, ms_played desc, local_hour asc
        ) as most_active_first
    from hours

)

select
    years.account_id,
    cast(substr(years.year_start, 1, 4) as {{ type_int() }}) as year,
    cast(years.plays as {{ type_bigint() }}) as plays,
    cast(coalesce(tracks.tracks, 0) as {{ type_bigint() }}) as tracks,
    cast(coalesce(artists.artists, 0) as {{ type_bigint() }}) as artists,
    cast(years.ms_played as {{ type_bigint() }}) as ms_played,
    cast(years.ms_played_estimated as {{ type_bigint() }}) as ms_played_estimated,
    cast(
        case
            when years.ms_played > 0
                then years.ms_played_estimated * 1000 / years.ms_played
        end as {{ type_int() }}
    ) as estimated_per_1000,
    cast(years.days_with_plays as {{ type_int() }}) as days_with_plays,
    cast(years.busiest_date as {{ type_string() }}) as busiest_date,
    cast(years.busiest_date_plays as {{ type_bigint() }}) as busiest_date_plays,
    cast(years.busiest_date_ms_played as {{ type_bigint() }}) as busiest_date_ms_played,
    cast(tracks.top_track_key as {{ type_string() }}) as top_track_key,
    cast(tracks.top_track_name as {{ type_string() }}) as top_track_name,
    cast(tracks.top_track_artist_name as {{ type_string() }}) as top_track_artist_name,
    cast(tracks.top_track_plays as {{ type_bigint() }}) as top_track_plays,
    cast(artists.top_artist_key as {{ type_string() }}) as top_artist_key,
    cast(artists.top_artist_name as {{ type_string() }}) as top_artist_name,
    cast(artists.top_artist_plays as {{ type_bigint() }}) as top_artist_plays,
    cast(top_albums.album_key as {{ type_string() }}) as top_album_key,
    cast(top_albums.album_name as {{ type_string() }}) as top_album_name,
    cast(top_albums.album_artist_name as {{ type_string() }}) as top_album_artist_name,
    cast(top_albums.plays as {{ type_bigint() }}) as top_album_plays,
    cast(coalesce(tracks.new_tracks, 0) as {{ type_bigint() }}) as new_tracks,
    cast(coalesce(artists.new_artists, 0) as {{ type_bigint() }}) as new_artists,
    cast(ranked_streaks.first_date as {{ type_string() }}) as longest_streak_start,
    cast(ranked_streaks.days as {{ type_int() }}) as longest_streak_days,
    cast(ranked_hours.local_hour as {{ type_int() }}) as most_active_hour,
    cast(years.is_at_least as {{ type_int() }}) as is_at_least
from years
left join tracks
    on
        years.account_id = tracks.account_id
        and years.year_start = tracks.period_start
left join artists
    on
        years.account_id = artists.account_id
        and years.year_start = artists.period_start
left join top_albums
    on
        years.account_id = top_albums.account_id
        and years.year_start = top_albums.period_start
left join ranked_streaks
    on
        years.account_id = ranked_streaks.account_id
        and years.year_start = ranked_streaks.year_start
        and ranked_streaks.longest_first = 1
left join ranked_hours
    on
        years.account_id = ranked_hours.account_id
        and years.year_start = ranked_hours.year_start
        and ranked_hours.most_active_first = 1
