{#
  dbt-sqlite makes no index, whatever a model's `indexes` say, and asks for them of incremental models
  only. Those of tables are made by a hook, in the transaction that builds the table.
#}

{% macro sqlite__get_create_index_sql(relation, index_dict) -%}
  create {{ 'unique ' if index_dict.unique }}index
  {{ relation.identifier }}_by_{{ index_dict.columns | join('_') }}
  on {{ relation.identifier }} ({{ index_dict.columns | join(', ') }})
{%- endmacro %}


{% macro create_indexes_of_table() %}
  {% if execute and model.config.materialized == 'table' %}
    {% do create_indexes(this) %}
  {% endif %}
{% endmacro %}
