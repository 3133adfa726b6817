{{ config(meta={'dagster': {'ref': {'name': 'fct_plays'}}}) }}

-- Each source's plays are in the fact under that source's name, and the time that exports tell is
-- the fact's time.
with

staged as (

    select
        'api' as origin,
        account_id,
        count(*) as plays,
        0 as ms_played
    from {{ ref('stg_recently_played') }}
    group by account_id

    union all

    select
        'export' as origin,
        account_id,
        count(*) as plays,
        sum(ms_played) as ms_played
    from {{ ref('stg_streaming_history') }}
    group by account_id

),

facts as (

    select
        'api' as origin,
        account_id,
        count(*) as plays,
        0 as ms_played
    from {{ ref('fct_plays') }}
    where source in ('api', 'both')
    group by account_id

    union all

    select
        'export' as origin,
        account_id,
        count(*) as plays,
        sum(ms_played) as ms_played
    from {{ ref('fct_plays') }}
    where source in ('export', 'both')
    group by account_id

)

select
    origin,
    account_id,
    sum(plays) as plays_too_many,
    sum(ms_played) as ms_too_many
from (
    select * from facts
    union all
    select
        origin,
        account_id,
        -plays as plays,
        -ms_played as ms_played
    from staged
) as differences
group by origin, account_id
having sum(plays) <> 0 or sum(ms_played) <> 0
