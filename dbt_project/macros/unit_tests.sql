{#
  What a view computes has no type on SQLite. Cast to one that it does not know, a text given in a
  unit test would become a number.
#}
{% macro sqlite__safe_cast(field, type) -%}
  {{ field if type == 'UNKNOWN' else 'cast(' ~ field ~ ' as ' ~ type ~ ')' }}
{%- endmacro %}
