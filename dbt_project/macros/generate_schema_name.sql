{# One schema for all: on SQLite a schema is a database file, and dbt would look for one of tests. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
  {{ target.schema }}
{%- endmacro %}
