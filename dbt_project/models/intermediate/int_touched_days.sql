{#-
  Days whose plays this build makes anew, and those beside them that it has to read for it.

  An import makes the fact anew from all days. Otherwise only pages of the API are new. What a play
  of the API can change lies less than a day from it: the rows that it may pair with, and the
  estimate of the play after it.
-#}
{%- set seen = '(select seen.load_id from seen)' -%}
{%- set moved_ms = var('same_play_moved_ms') -%}
{%- set look_back_ms = var('longest_look_back_ms') -%}

-- SQLite materialises a CTE that is used twice and then cannot use raw's indexes, so staging is
-- named wherever it is read.
with recursive

seen as (

    select {{ newest_load_seen_by_days() }} as load_id

),

changed as (

    select
        account_id,
        {{ day_number('ended_at_ms') }} as utc_day
    from {{ ref('stg_recently_played') }}
    where load_id > {{ seen }}
    union
    select
        export_plays.account_id,
        {{ day_number('export_plays.ts_ms') }} as utc_day
    from seen
    cross join {{ ref('stg_streaming_history') }} as export_plays
    where seen.load_id < 0
    union
    select
        export_plays.account_id,
        {{ day_number('export_plays.player_ended_at_ms') }} as utc_day
    from seen
    cross join {{ ref('stg_streaming_history') }} as export_plays
    where seen.load_id < 0 and export_plays.player_ended_at_ms is not null

),

-- Offline and logout rows have two possible ends, and lie at one of them.
late_plays as (

    select
        account_id,
        track_uri,
        track_name,
        case
            when ms_played > {{ look_back_ms }} then {{ look_back_ms }}
            else ms_played
        end as ms_before_end,
        case when ended_at_ms = ts_ms then player_ended_at_ms else ts_ms end as other_end_ms,
        {{ day_number('ts_ms') }} as told_on,
        {{ day_number('player_ended_at_ms') }} as ended_on
    from {{ ref('stg_streaming_history') }}
    where
        (offline = 1 or reason_end = 'logout')
        and {{ day_number('player_ended_at_ms') }} <> {{ day_number('ts_ms') }}

),

-- Where the API lists the track near the other end, the two may be one play: then both days are
-- rebuilt together.
two_ends as (

    select
        account_id,
        told_on,
        ended_on
    from late_plays
    where
        exists (
            select 1 from {{ ref('stg_recently_played') }} as api_plays
            where
                api_plays.account_id = late_plays.account_id
                and api_plays.played_at >= {{ to_utc_text(
                    '(late_plays.other_end_ms - late_plays.ms_before_end - ' ~ moved_ms ~ ')'
                ) }}
                and api_plays.played_at
                <= {{ to_utc_text('(late_plays.other_end_ms + ' ~ moved_ms ~ ')') }}
                and (
                    api_plays.track_uri = late_plays.track_uri
                    or api_plays.track_name = late_plays.track_name
                )
        )

),

linked as (

    select
        account_id,
        told_on as utc_day,
        ended_on as other_day
    from two_ends
    union
    select
        account_id,
        ended_on as utc_day,
        told_on as other_day
    from two_ends

),

touched as (

    select
        account_id,
        utc_day
    from changed
    union
    select
        linked.account_id,
        linked.other_day as utc_day
    from touched
    inner join linked
        on
            touched.account_id = linked.account_id
            and linked.utc_day >= touched.utc_day - 2
            and linked.utc_day <= touched.utc_day + 2

),

distances as (

    {% for distance in [-2, -1, 0, 1, 2] %}
    select {{ distance }} as days
    {{ 'union all' if not loop.last }}
    {% endfor %}

),

days as (

    select
        touched.account_id,
        touched.utc_day + distances.days as utc_day,
        max(case when abs(distances.days) < 2 then 1 else 0 end) as is_rewritten
    from touched
    cross join distances
    group by touched.account_id, touched.utc_day + distances.days

)

select
    cast(account_id as {{ type_string() }}) as account_id,
    cast(utc_day as {{ type_bigint() }}) as utc_day,
    cast(
        {{ to_utc_text(begin_of_day('utc_day')) }} as {{ type_string() }}
    ) as begins_at,
    cast(
        {{ to_utc_text(begin_of_day('utc_day + 1')) }} as {{ type_string() }}
    ) as ends_at,
    cast(is_rewritten as {{ type_int() }}) as is_rewritten
from days
