{{ config(meta={'dagster': {'ref': {'name': 'fct_plays'}}}) }}

-- Models lose no play and add none: what is staged is in the fact once, and two that are a pair
-- are one.
with

counts as (

    select
        (select count(*) from {{ ref('stg_recently_played') }}) as api_plays,
        (select count(*) from {{ ref('stg_streaming_history') }}) as export_plays,
        (select count(*) from {{ ref('int_plays_matched') }}) as pairs,
        (select count(*) from {{ ref('fct_plays') }}) as facts

)

select
    api_plays,
    export_plays,
    pairs,
    facts
from counts
where facts <> api_plays + export_plays - pairs
