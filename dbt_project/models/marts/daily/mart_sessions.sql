{{
  config(
    indexes=[
      {'columns': ['account_id', 'local_date']},
      {'columns': ['account_id', 'rank_by_length']},
    ],
  )
}}

with

plays as (

    select * from {{ ref('int_shown_plays') }}
    where time_is_unreliable = 0 and ms_played > 0

),

-- By the fact's index: what two read as one, SQLite copies before.
plays_by_end as (

    select * from {{ ref('int_shown_plays') }}
    where time_is_unreliable = 0 and ms_played > 0

),

-- `heard_until`: the latest end of all that began before.
in_order as (

    select
        account_id,
        play_id,
        local_date,
        local_started_at,
        started_at,
        max(ended_at) over (
            partition by account_id
            order by started_at asc, ended_at asc, play_id asc
            rows between unbounded preceding and 1 preceding
        ) as heard_until
    from plays

),

judged as (

    select
        *,
        case
            when started_at <= heard_until then 0
            when
                {{ to_ms('started_at') }} - {{ to_ms('heard_until') }}
                <= {{ var('session_gap_ms') }}
                then 0
            else 1
        end as begins_session
    from in_order

),

first_plays as (

    select
        account_id,
        play_id as session_id,
        local_date,
        local_started_at,
        started_at,
        coalesce(
            lead(started_at) over (partition by account_id order by started_at),
            '9999-12-31T23:59:59.999Z'
        ) as next_started_at
    from judged
    where begins_session = 1

),

-- All that a session's plays have in common with no other's is that they end after it began and
-- before the next one does.
summed as (

    select
        first_plays.account_id,
        first_plays.session_id,
        max(first_plays.local_date) as local_date,
        max(first_plays.local_started_at) as local_started_at,
        max(first_plays.started_at) as started_at,
        max(plays_by_end.ended_at) as ended_at,
        count(*) as plays,
        sum(plays_by_end.is_counted) as counted_plays,
        count(distinct case
            when plays_by_end.content_type = 'track' and plays_by_end.track_key <> 'unknown'
                then plays_by_end.track_key
        end) as tracks,
        sum(plays_by_end.ms_played) as ms_played,
        sum(
            case
                when plays_by_end.ms_played_is_estimated = 1 then plays_by_end.ms_played
                else 0
            end
        ) as ms_played_estimated
    -- Sessions first: each is a range of the index.
    from first_plays
    cross join plays_by_end
    where
        first_plays.account_id = plays_by_end.account_id
        and plays_by_end.ended_at > first_plays.started_at
        and plays_by_end.ended_at < first_plays.next_started_at
    group by first_plays.account_id, first_plays.session_id

),

measured as (

    select
        *,
        {{ to_ms('ended_at') }} - {{ to_ms('started_at') }} as length_ms
    from summed

)

select
    account_id,
    cast(session_id as {{ type_string() }}) as session_id,
    cast(local_date as {{ type_string() }}) as local_date,
    cast(local_started_at as {{ type_string() }}) as local_started_at,
    cast(started_at as {{ type_string() }}) as started_at,
    cast(ended_at as {{ type_string() }}) as ended_at,
    cast(plays as {{ type_bigint() }}) as plays,
    cast(counted_plays as {{ type_bigint() }}) as counted_plays,
    cast(tracks as {{ type_bigint() }}) as tracks,
    cast(ms_played as {{ type_bigint() }}) as ms_played,
    cast(ms_played_estimated as {{ type_bigint() }}) as ms_played_estimated,
    cast(length_ms as {{ type_bigint() }}) as length_ms,
    cast(
        row_number() over (
            partition by account_id
            order by length_ms desc, plays desc, session_id asc
        ) as {{ type_bigint() }}
    ) as rank_by_length
from measured
