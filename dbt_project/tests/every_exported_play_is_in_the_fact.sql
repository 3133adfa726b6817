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

exported as (

    select
        export_plays.*,
        facts.plays,
        facts.ms_played as ms_of_fact
    from export_plays
    left join facts on export_plays.row_key = facts.export_row_key

),

left_out as (

    select * from exported
    where plays is null

),

explained as (

    select left_out.row_key
    from left_out
    inner join exported
        on
            left_out.account_id = exported.account_id
            and left_out.title_in_both = exported.title_in_both
    where
        left_out.kind <> 'extended'
        and exported.kind = 'extended'
        and (
            (
                left_out.artist_in_both = exported.artist_in_both
                and left_out.ended_in = exported.ended_in
            )
            or (
                left_out.ms_played = exported.ms_played
                and abs(left_out.ended_in - exported.ended_in) <= 1
            )
        )

    union

    -- It gave its title to an extended row that had lost its own.
    select left_out.row_key
    from left_out
    inner join exported
        on
            left_out.account_id = exported.account_id
            and left_out.ended_in = exported.ended_in
            and left_out.ms_played = exported.ms_played
    where
        left_out.kind <> 'extended'
        and exported.kind = 'extended'
        and exported.title_in_both = ''

    union

    select left_out.row_key
    from left_out
    inner join exported
        on
            left_out.account_id = exported.account_id
            and left_out.ts = exported.ts
            and left_out.ms_played = exported.ms_played
            and left_out.row_key <> exported.row_key
    where left_out.kind = 'extended' and exported.kind = 'extended' and left_out.track_uri is null

    union

    select left_out.row_key
    from left_out
    inner join exported
        on
            left_out.account_id = exported.account_id
            and left_out.track_key = exported.track_key
            and left_out.row_key <> exported.row_key
    where
        -- In one order, so that no two rows excuse each other.
        (
            left_out.ended_at_ms = exported.ended_at_ms
            and (-left_out.ms_played, left_out.row_key) > (-exported.ms_played, exported.row_key)
        )
        or (
            left_out.ms_played = exported.ms_played
            and left_out.ended_at_ms > exported.ended_at_ms
            and left_out.ended_at_ms - exported.ended_at_ms < left_out.ms_played
        )

)

select
    exported.row_key,
    exported.plays
from exported
left join explained on exported.row_key = explained.row_key
where
    exported.plays > 1
    or exported.ms_of_fact <> exported.ms_played
    or (exported.plays is null and explained.row_key is null)

union all

select
    facts.export_row_key as row_key,
    facts.plays
from facts
left join export_plays on facts.export_row_key = export_plays.row_key
where export_plays.row_key is null
