{{ config(meta={'dagster': {'ref': {'name': 'fct_plays'}}}, tags=['slow']) }}

-- Every row of an export is one play of the fact with its length, except rows of the account data
-- that the extended history tells better, rows without a URI of which another download has it, and
-- what another row tells: the same track that ended with it and lasted longer, or that lasted as
-- long and ended while it played.
with

export_plays as (

    select distinct
        account_id,
        row_key,
        kind,
        ts,
        track_uri,
        track_key,
        ms_played,
        ended_at_ms,
        title_in_both,
        artist_in_both,
        ts_ms / 60000 as ended_in
    from (
        select
            *,
            coalesce(track_uri, title_in_both || ', ' || artist_in_both) as track_key
        from {{ ref('stg_streaming_history') }}
    ) as keyed

),

facts as (

    select
        export_row_key,
        max(ms_played) as ms_played,
        count(*) as plays
    from {{ ref('fct_plays') }}
    where export_row_key is not null
    group by export_row_key

),

told as (

    select
        export_plays.*,
        facts.plays,
        facts.ms_played as ms_of_fact
    from export_plays
    left join facts on export_plays.row_key = facts.export_row_key

),

left_out as (

    select * from told
    where plays is null

),

explained as (

    select left_out.row_key
    from left_out
    inner join told
        on
            left_out.account_id = told.account_id
            and left_out.title_in_both = told.title_in_both
    where
        left_out.kind <> 'extended'
        and told.kind = 'extended'
        and (
            (left_out.artist_in_both = told.artist_in_both and left_out.ended_in = told.ended_in)
            or (
                left_out.ms_played = told.ms_played
                and abs(left_out.ended_in - told.ended_in) <= 1
            )
        )

    union

    select left_out.row_key
    from left_out
    inner join told
        on
            left_out.account_id = told.account_id
            and left_out.ts = told.ts
            and left_out.ms_played = told.ms_played
            and left_out.row_key <> told.row_key
    where left_out.kind = 'extended' and told.kind = 'extended' and left_out.track_uri is null

    union

    select left_out.row_key
    from left_out
    inner join told
        on
            left_out.account_id = told.account_id
            and left_out.track_key = told.track_key
            and left_out.row_key <> told.row_key
    where
        -- In one order, so that no two rows excuse each other.
        (
            left_out.ended_at_ms = told.ended_at_ms
            and (-left_out.ms_played, left_out.row_key) > (-told.ms_played, told.row_key)
        )
        or (
            left_out.ms_played = told.ms_played
            and left_out.ended_at_ms > told.ended_at_ms
            and left_out.ended_at_ms - told.ended_at_ms < left_out.ms_played
        )

)

select
    told.row_key,
    told.plays
from told
left join explained on told.row_key = explained.row_key
where
    told.plays > 1
    or told.ms_of_fact <> told.ms_played
    or (told.plays is null and explained.row_key is null)

union all

select
    facts.export_row_key as row_key,
    facts.plays
from facts
left join export_plays on facts.export_row_key = export_plays.row_key
where export_plays.row_key is null
