{{ config(meta={'dagster': {'ref': {'name': 'fct_plays'}}}, tags=['slow']) }}

-- Every row of the API is one play of the fact, except those less than 30 s after another row of
-- their track.
with

api_plays as (

    select * from {{ ref('stg_recently_played') }}

),

facts as (

    select
        api_row_key,
        count(*) as plays
    from {{ ref('fct_plays') }}
    where api_row_key is not null
    group by api_row_key

)

select
    api_plays.row_key,
    facts.plays
from api_plays
left join facts on api_plays.row_key = facts.api_row_key
where
    facts.plays > 1
    or (
        facts.plays is null
        and not exists (
            select 1 from api_plays as earlier
            where
                earlier.account_id = api_plays.account_id
                and earlier.track_uri = api_plays.track_uri
                and earlier.played_at < api_plays.played_at
                and earlier.played_at
                > {{ to_utc_text("(api_plays.ended_at_ms - " ~ var('listed_after_ms') ~ ")") }}
        )
    )

union all

select
    facts.api_row_key as row_key,
    facts.plays
from facts
left join api_plays on facts.api_row_key = api_plays.row_key
where api_plays.row_key is null
