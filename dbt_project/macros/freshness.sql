{# SQLite has no type for times: what it answers is text, with which dbt cannot tell an age. #}
{% macro sqlite__collect_freshness_custom_sql(source, loaded_at_query) %}
  {% set found = default__collect_freshness_custom_sql(source, loaded_at_query) %}
  {% set times = [] %}
  {% for text in found.table.rows[0] %}
    {# None, of a source that was never loaded, is older than every limit. #}
    {% do times.append(modules.datetime.datetime.fromisoformat(text) if text else none) %}
  {% endfor %}
  {{ return(namespace(response=found.response, table=[times])) }}
{% endmacro %}
