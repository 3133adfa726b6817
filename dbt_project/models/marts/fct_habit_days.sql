{{
  config(
    materialized='incremental',
    pre_hook="{{ delete_changed_dates() }}",
    post_hook="{{ forget_changed_dates() }}",
    indexes=[
      {'columns': [
        'account_id', 'habit', 'local_date', 'value', 'plays', 'ms_played', 'ms_played_estimated',
      ]},
      {'columns': ['account_id', 'local_date']},
    ],
  )
}}
{%- set habits = {
    'content': "content_type",
    'hour': "case when time_is_unreliable = 0 then substr(local_started_at, 12, 2) end",
    'device': device('platform'),
    'country': "country",
    'shuffle': "case shuffle when 1 then 'shuffled' when 0 then 'in order' end",
    'context': "context_type",
    'skip': "case skipped when 1 then 'skipped' when 0 then 'heard' end",
} %}

{%- for habit, value in habits.items() %}
{% if not loop.first %}
union all

{% endif -%}
select
    account_id,
    local_date,
    cast('{{ habit }}' as {{ type_string() }}) as habit,
    cast(coalesce({{ value }}, 'unknown') as {{ type_string() }}) as value,
    cast(count(*) as {{ type_bigint() }}) as plays,
    cast(sum(ms_played) as {{ type_bigint() }}) as ms_played,
    cast(
        sum(case when ms_played_is_estimated = 1 then ms_played else 0 end)
        as {{ type_bigint() }}
    ) as ms_played_estimated
from {{ ref('int_shown_plays') }}
where
    {% if habit == 'skip' -%}
    skipped is not null and content_type = 'track'
    {%- else -%}
    is_counted = 1
    {%- endif %}
    {% if is_incremental() -%}
    and {{ are_changed_dates() }}
    {%- endif %}
group by account_id, local_date, coalesce({{ value }}, 'unknown')
{%- endfor %}
