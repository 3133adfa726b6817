{{
  config(
    materialized='incremental',
    pre_hook="{{ delete_changed_dates() }}",
    post_hook="{{ forget_changed_dates() }}",
    indexes=[
      {'columns': [
        'account_id', 'local_date', 'track_key', 'content_type', 'plays', 'ms_played',
        'ms_played_estimated',
      ]},
      {'columns': [
        'account_id', 'track_key', 'content_type', 'local_date', 'plays', 'ms_played',
        'ms_played_estimated',
      ]},
    ],
  )
}}

with

plays as (

    select * from {{ ref('int_shown_plays') }}
    where
        is_counted = 1
        {% if is_incremental() -%}
        and {{ are_changed_dates() }}
        {%- endif %}

),

-- Names change over the years: those of the day's last play are shown.
numbered as (

    select
        *,
        row_number() over (
            partition by account_id, local_date, content_type, track_key
            order by ended_at desc, play_id asc
        ) as newest_first
    from plays

)

select
    account_id,
    local_date,
    track_key,
    content_type,
    cast(
        max(case when newest_first = 1 then track_uri end) as {{ type_string() }}
    ) as track_uri,
    cast(
        max(case when newest_first = 1 then track_name end) as {{ type_string() }}
    ) as track_name,
    cast(
        max(case when newest_first = 1 then artist_name end) as {{ type_string() }}
    ) as artist_name,
    cast(
        max(case when newest_first = 1 then album_name end) as {{ type_string() }}
    ) as album_name,
    cast(count(*) as {{ type_bigint() }}) as plays,
    cast(sum(ms_played) as {{ type_bigint() }}) as ms_played,
    cast(
        sum(case when ms_played_is_estimated = 1 then ms_played else 0 end)
        as {{ type_bigint() }}
    ) as ms_played_estimated,
    cast(min(ended_at) as {{ type_string() }}) as first_played_at,
    cast(max(ended_at) as {{ type_string() }}) as last_played_at
from numbered
group by account_id, local_date, content_type, track_key
