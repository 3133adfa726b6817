with

plays as (

    select * from {{ ref('fct_plays') }}

),

spans as (

    select * from {{ ref('stg_extended_spans') }}

),

listed as (

    select
        plays.account_id,
        plays.source,
        case
            when
                exists (
                    select 1 from spans
                    where
                        spans.account_id = plays.account_id
                        and spans.span_from <= plays.api_played_at
                        and spans.span_to >= plays.api_played_at
                )
                then 1
            else 0
        end as is_in_span
    from plays
    where plays.api_played_at is not null

),

counts as (

    select
        account_id,
        sum(case when source = 'both' then 1 else 0 end) as plays_of_both,
        sum(is_in_span) as api_plays_in_spans,
        sum(case when source = 'api' then is_in_span else 0 end) as api_plays_single
    from listed
    group by account_id

),

-- Rows of the account data have no second, and a moved time is no end.
offsets as (

    select
        account_id,
        {{ to_ms('export_ended_at') }} - {{ to_ms('api_played_at') }} as offset_ms
    from plays
    where matched_by in ('uri', 'names') and time_is_unreliable = 0

),

ranked_offsets as (

    select
        account_id,
        offset_ms,
        row_number() over (partition by account_id order by offset_ms) - 1 as place,
        count(*) over (partition by account_id) as pairs
    from offsets

),

quantiles as (

    select
        account_id,
        max(pairs) as pairs_measured,
        max(case when place = pairs / 2 then offset_ms end) as offset_median_ms,
        max(case when place = pairs / 20 then offset_ms end) as offset_p05_ms,
        max(case when place = pairs * 19 / 20 then offset_ms end) as offset_p95_ms
    from ranked_offsets
    group by account_id

),

spacings as (

    select
        account_id,
        {{ to_ms('api_played_at') }} - lag({{ to_ms('api_played_at') }}) over (
            partition by account_id
            order by api_played_at, play_id
        ) as spacing_ms
    from plays
    where api_played_at is not null

),

ranked_spacings as (

    select
        account_id,
        spacing_ms,
        row_number() over (partition by account_id order by spacing_ms) - 1 as place,
        count(*) over (partition by account_id) as spacings
    from spacings
    where spacing_ms > 0

),

half_spacings as (

    select
        account_id,
        max(spacing_ms) / 2 as half_spacing_ms
    from ranked_spacings
    where place = spacings / 2
    group by account_id

)

select
    counts.account_id,
    cast(counts.plays_of_both as {{ type_bigint() }}) as plays_of_both,
    cast(counts.api_plays_in_spans as {{ type_bigint() }}) as api_plays_in_spans,
    cast(counts.api_plays_single as {{ type_bigint() }}) as api_plays_single,
    cast(coalesce(quantiles.pairs_measured, 0) as {{ type_bigint() }}) as pairs_measured,
    cast(quantiles.offset_median_ms as {{ type_bigint() }}) as offset_median_ms,
    cast(quantiles.offset_p05_ms as {{ type_bigint() }}) as offset_p05_ms,
    cast(quantiles.offset_p95_ms as {{ type_bigint() }}) as offset_p95_ms,
    cast(half_spacings.half_spacing_ms as {{ type_bigint() }}) as half_spacing_ms
from counts
left join quantiles on counts.account_id = quantiles.account_id
left join half_spacings on counts.account_id = half_spacings.account_id
