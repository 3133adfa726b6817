-- Models lose no play: every staged play is in the fact, once, and nothing else is.
select
    staged.plays as staged_plays,
    facts.plays as fact_plays
from (select count(*) as plays from {{ ref('stg_recently_played') }}) as staged
cross join (select count(*) as plays from {{ ref('fct_plays') }}) as facts
where staged.plays <> facts.plays
