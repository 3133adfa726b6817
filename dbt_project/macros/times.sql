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


{# Days since Monday, 0001-01-01: whole numbers that no time on the calendar makes negative. #}
{% macro day_number(ms) -%}
  (({{ ms }}) + 62135596800000) / 86400000
{%- endmacro %}


{# The first instant of such a day, as ms since 1970. #}
{% macro begin_of_day(day) -%}
  (({{ day }}) * 86400000 - 62135596800000)
{%- endmacro %}


{# Hour of the day, 0 to 23, and ISO's day of the week, Monday 1, of what is so many ms after 1970. #}
{% macro hour_of_day(ms) -%}
  ((({{ ms }}) + 62135596800000) / 3600000) % 24
{%- endmacro %}

{% macro weekday(ms) -%}
  ({{ day_number(ms) }}) % 7 + 1
{%- endmacro %}


{# A clock's time with its offset, YYYY-MM-DDTHH:MM:SS.mmm+HH:MM. #}
{% macro to_local_text(ms, offset_ms) %}
  {{ return(adapter.dispatch('to_local_text', 'spotify')(ms, offset_ms)) }}
{% endmacro %}

{% macro sqlite__to_local_text(ms, offset_ms) -%}
  (substr({{ to_utc_text(ms) }}, 1, 23)
  || printf(
    '%s%02d:%02d',
    case when {{ offset_ms }} < 0 then '-' else '+' end,
    abs({{ offset_ms }}) / 3600000,
    abs({{ offset_ms }}) / 60000 % 60
  ))
{%- endmacro %}
