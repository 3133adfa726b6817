{#
  An incremental model replaces slices: days of the fact, dates of the daily aggregate. Deleting by
  key would leave a row whose key is gone, as a play of the API that an export tells by now, or one
  that moved to another day.
#}

{# Plays of the fact in the days that are made anew. #}
{% macro plays_of_touched_days(columns, fact) %}
  select distinct {{ columns }}
  from {{ fact.incorporate(path={'identifier': 'int_touched_days'}) }} as days
  -- Days first: each is a range of an index.
  cross join {{ fact }} as plays
  where
    days.is_rewritten = 1
    and days.account_id = plays.account_id
    and plays.ended_at >= days.begins_at
    and plays.ended_at < days.ends_at
{% endmacro %}


{# The models that hold the fact by day. Each is told of changed dates, and forgets its own. #}
{% macro daily_aggregates() %}
  {{ return(['fct_track_days', 'fct_habit_days']) }}
{% endmacro %}


{# The daily aggregates hear of the dates that plays leave, and of those to which they come. #}
{% macro note_changed_dates() %}
  insert into changed_dates (model, account_id, local_date)
  select
    aggregates.model,
    dates.account_id,
    dates.local_date
  from (
    {{ plays_of_touched_days('plays.account_id, plays.local_date', this) }}
  ) as dates
  cross join (
    {%- for model in daily_aggregates() %}
    select '{{ model }}' as model {{ 'union all' if not loop.last }}
    {%- endfor %}
  ) as aggregates
  where true
  on conflict (model, account_id, local_date) do nothing
{% endmacro %}


{% macro note_dates_before() %}
  {% if is_incremental() %}
    {{ note_changed_dates() }}
  {% else %}
    {# What is made of a fact that is made anew is made anew. #}
    delete from model_watermarks where model in ('{{ daily_aggregates() | join("', '") }}')
  {% endif %}
{% endmacro %}


{% macro delete_touched_days() %}
  {% if is_incremental() %}
    delete from {{ this }}
    where play_id in ({{ plays_of_touched_days('plays.play_id', this) }})
  {% endif %}
{% endmacro %}


{% macro are_changed_dates() -%}
  (account_id, local_date) in (
    select
      account_id,
      local_date
    from changed_dates
    where model = '{{ this.identifier }}'
  )
{%- endmacro %}


{% macro delete_changed_dates() %}
  {% if is_incremental() %}
    delete from {{ this }} where {{ are_changed_dates() }}
  {% endif %}
{% endmacro %}


{% macro forget_changed_dates() %}
  delete from changed_dates where model = '{{ this.identifier }}'
{% endmacro %}


{#
  Tests of the incremental models read what the build wrote, where a refresh asks for no more: one
  test of two million plays takes seconds. The daily run tests everything.
#}
{% macro get_where_subquery(relation) %}
  {% set where = config.get('where') or '1 = 1' %}
  {# Not while parsing: a test that asked then would be parsed anew whenever the answer changes. #}
  {% set is_refresh = execute and env_var('SPOTIFY_ASSETS_TESTS', '') == 'touched days' %}
  {% if is_refresh and relation.identifier == 'fct_plays' %}
    {% set rows = plays_of_touched_days('plays.*', relation) %}
  {% elif is_refresh and relation.identifier in daily_aggregates() %}
    {% set fact = relation.incorporate(path={'identifier': 'fct_plays'}) %}
    {# Dates first: with the rows of these dates as a set, SQLite reads an account whole. #}
    {% set rows %}
      select by_day.*
      from (
        {{ plays_of_touched_days('plays.account_id, plays.local_date', fact) }}
      ) as dates
      cross join {{ relation }} as by_day
      where
        dates.account_id = by_day.account_id
        and dates.local_date = by_day.local_date
    {% endset %}
  {% elif config.get('where') %}
    {% set rows = 'select * from ' ~ relation %}
  {% else %}
    {{ return(relation) }}
  {% endif %}
  {{ return('(select * from (' ~ rows ~ ') as rows_of_model where ' ~ where ~ ') dbt_subquery') }}
{% endmacro %}
