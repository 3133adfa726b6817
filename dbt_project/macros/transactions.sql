{#
  dbt-sqlite commits the drop of a table before it begins to create the new one: a reader meets
  "no such table" for as long as the model takes, and a kill leaves it gone. A write as the first
  statement of the transaction holds SQLite's write lock over both.
#}

{% macro wait_for_other_writers() %}
  {{ return(adapter.dispatch('wait_for_other_writers', 'spotify')()) }}
{% endmacro %}

{% macro default__wait_for_other_writers() %}{% endmacro %}

{% macro sqlite__wait_for_other_writers() %}
  pragma busy_timeout = 300000
{% endmacro %}


{% macro hold_the_write_lock() %}
  {{ return(adapter.dispatch('hold_the_write_lock', 'spotify')()) }}
{% endmacro %}

{% macro default__hold_the_write_lock() %}{% endmacro %}

{% macro sqlite__hold_the_write_lock() %}
  {# A select here would take a read lock, which SQLite then cannot upgrade. #}
  delete from _write_gate where 0
{% endmacro %}


{#
  Says which load a model has seen, in the transaction that builds it. What compares it with the
  newest load knows that a run died half-way. No model has seen more than the tables that it reads;
  where one of them is not known to have been built, the null ends the build.
#}
{% macro record_watermark() %}
  {% set tables = parents_that_are(['table', 'incremental']) %}
  insert into model_watermarks (model, load_id, built_at, fingerprint)
  select
    '{{ this.identifier }}' as model,
    {% if tables -%}
    (
      select case when count(*) = {{ tables | length }} then min(load_id) end
      from model_watermarks where model in ({{ tables | join(', ') }})
    ),
    {%- else -%}
    (select coalesce(max(load_id), 0) from loads),
    {%- endif %}
    '{{ run_started_at.strftime('%Y-%m-%dT%H:%M:%S.000Z') }}' as built_at,
    {% if model.config.materialized == 'incremental' -%}
    '{{ fingerprint(this.identifier) }}'
    {%- else -%}
    case when {{ is_of_all_days() }} then 'all days' end
    {%- endif %} as fingerprint
  where true
  on conflict (model) do update
  set
    load_id = excluded.load_id,
    built_at = excluded.built_at,
    fingerprint = excluded.fingerprint
{% endmacro %}


{# The names of the models that a model reads and that are materialized so, quoted. #}
{% macro parents_that_are(materialized) %}
  {% set names = [] %}
  {% for node in parents_through_views(model) if execute %}
    {% if node.config.materialized in materialized %}
      {% do names.append("'" ~ node.name ~ "'") %}
    {% endif %}
  {% endfor %}
  {{ return(names | unique | list) }}
{% endmacro %}


{# What a view reads is read by whoever reads the view. #}
{% macro parents_through_views(node) %}
  {% set found = [] %}
  {% for id in node.depends_on.nodes if id in graph.nodes %}
    {% set parent = graph.nodes[id] %}
    {% if parent.config.materialized == 'view' %}
      {% do found.extend(parents_through_views(parent)) %}
    {% else %}
      {% do found.append(parent) %}
    {% endif %}
  {% endfor %}
  {{ return(found) }}
{% endmacro %}
