{{ config(meta={'dagster': {'ref': {'name': 'fct_plays'}}}) }}

-- Models lose no play and add none: what is staged is in the fact, once.
with

staged as (

    select count(*) as plays from {{ ref('stg_recently_played') }}

),

facts as (

    select count(*) as plays from {{ ref('fct_plays') }}

)

select
    staged.plays as staged_plays,
    facts.plays as fact_plays
from staged
cross join facts
where staged.plays <> facts.plays
