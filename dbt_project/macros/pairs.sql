{#
  Plays with the number of the span of time in which they ended, and those of the two beside it. A
  join of it with the span of another play finds all ends that are at most one span apart.
#}
{% macro in_neighbouring_spans(plays, span_ms) -%}
    {% for distance in [-1, 0, 1] %}
    select
        *,
        ended_at_ms / {{ span_ms }} + {{ distance }} as span
    from {{ plays }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
{%- endmacro %}


{#
  CTEs that choose pairs from `pairs` (columns pair, api_play, export_play, step), step by step. In
  each round a pair is made where each play is the other's nearest that is free: `pair` is the rank
  of the pair by distance, so "nearest" is the least number of a side. Plays of a pair that was made
  are out of later rounds. The last CTE is `made`, one row per pair that was made.
#}
{% macro mutual_nearest(steps, rounds) %}
chosen_0 as (

    select
        pair,
        api_play,
        export_play,
        step,
        0 as is_made,
        0 as api_play_is_taken,
        0 as export_play_is_taken
    from pairs

),

{%- set names = [] %}
{%- for step in steps %}
{%- for round in range(rounds) %}
{%- set previous = 'chosen_' ~ names | length %}
{%- set name = 'chosen_' ~ (names | length + 1) %}
{%- do names.append(name) %}

nearest_of_{{ name }} as (

    select
        pair,
        api_play,
        export_play,
        step,
        min(case when step = {{ step }} then pair end) over (
            partition by api_play
        ) as nearest_of_api_play,
        min(case when step = {{ step }} then pair end) over (
            partition by export_play
        ) as nearest_of_export_play
    from {{ previous }}
    where api_play_is_taken = 0 and export_play_is_taken = 0

),

made_of_{{ name }} as (

    select
        pair,
        api_play,
        export_play,
        step,
        case
            when pair = nearest_of_api_play and pair = nearest_of_export_play then 1
            else 0
        end as is_made
    from nearest_of_{{ name }}

),

{{ name }} as (

    select
        pair,
        api_play,
        export_play,
        step,
        is_made,
        max(is_made) over (partition by api_play) as api_play_is_taken,
        max(is_made) over (partition by export_play) as export_play_is_taken
    from made_of_{{ name }}

),
{%- endfor %}
{%- endfor %}

made as (

    {% for name in names %}
    select pair from {{ name }}
    where is_made = 1
    {{ 'union all' if not loop.last }}
    {% endfor %}

)
{% endmacro %}
