{#
  A row of an export can differ between downloads in what it tells beside its key. These two say
  which of its variants tells most, and order those that tell equally much.
#}

{# How many of these columns a row of a relation fills. #}
{% macro filled_columns(columns, relation=none) -%}
  (
  {%- for column in columns %}
  {{- ' + ' if not loop.first }}case when {{ relation ~ '.' if relation }}{{ column }} is null then 0 else 1 end
  {%- endfor -%}
  )
{%- endmacro %}


{# What a row fills of these columns as JSON text: keys sorted, no nulls, no spaces. #}
{% macro canonical_json(columns) %}
  {{ return(adapter.dispatch('canonical_json', 'spotify')(columns)) }}
{% endmacro %}

{% macro default__canonical_json(columns) -%}
  cast(json_object(
  {%- for column in columns | sort %}
  {{- ', ' if not loop.first }}key '{{ column }}' value {{ column }}
  {%- endfor %} absent on null) as {{ type_string() }})
{%- endmacro %}

{% macro sqlite__canonical_json(columns) -%}
  {# A merge patch drops what is null in it. #}
  json_patch('{}', json_object(
  {%- for column in columns | sort %}
  {{- ', ' if not loop.first }}'{{ column }}', {{ column }}
  {%- endfor %}))
{%- endmacro %}
