{#
  Times are UTC text with milliseconds, YYYY-MM-DDTHH:MM:SS.mmmZ. Arithmetic is done in integer
  milliseconds since 1970: no floats, so no rounding and the same answer on every database.
#}

{% macro to_ms(text) %}
  {{ return(adapter.dispatch('to_ms', 'spotify')(text)) }}
{% endmacro %}

{% macro sqlite__to_ms(text) -%}
  (cast(strftime('%s', substr({{ text }}, 1, 19)) as integer) * 1000
  + cast(substr({{ text }}, 21, 3) as integer))
{%- endmacro %}


{% macro to_utc_text(ms) %}
  {{ return(adapter.dispatch('to_utc_text', 'spotify')(ms)) }}
{% endmacro %}

{% macro sqlite__to_utc_text(ms) -%}
  {# Floors towards the past also before 1970, where / and % would round towards zero. #}
  (strftime('%Y-%m-%dT%H:%M:%S', ({{ ms }} - (({{ ms }} % 1000) + 1000) % 1000) / 1000, 'unixepoch')
  || printf('.%03dZ', (({{ ms }} % 1000) + 1000) % 1000))
{%- endmacro %}
