{#
  When an incremental model is made anew, and what is new otherwise. What it has seen stands in
  model_watermarks, written in its own transaction. Where nothing stands there, or it was built by
  another text than today's, it has seen nothing: then everything is new.
#}

{% macro should_full_refresh() %}
  {# dbt's own answers with the flag alone. #}
  {% if not execute or flags.FULL_REFRESH %}
    {{ return(flags.FULL_REFRESH) }}
  {% endif %}
  {% set seen = run_query("select " ~ newest_load_seen_by(this.identifier)) %}
  {{ return(seen.rows[0][0] < 0) }}
{% endmacro %}


{#
  Whether a table holds all days, or the touched ones only, as SQL. A fact that is made anew from the
  touched days alone would be most of it lost, and no later build would know.
#}
{% macro is_of_all_days() -%}
  {% if this.identifier == 'int_touched_days' -%}
    {{ newest_load_seen_by_days() }} < 0
  {%- else -%}
    {{ are_of_all_days(parents_that_are(['table'])) }}
  {%- endif %}
{%- endmacro %}

{% macro are_of_all_days(tables) -%}
  {{ tables | length }} = (
    select count(*) from model_watermarks
    where fingerprint = 'all days' and model in ({{ tables | join(', ') or "''" }})
  )
{%- endmacro %}

{% macro require_all_days() %}
  {% if execute and should_full_refresh() %}
    {% set found = run_query('select ' ~ are_of_all_days(parents_that_are(['table']))) %}
    {% if not found.rows[0][0] %}
      {{ exceptions.raise_compiler_error(
        this.identifier ~ ' has to be made anew, and what it is made of holds some days only. '
        ~ 'Build that, too: --select +' ~ this.identifier
      ) }}
    {% endif %}
  {% endif %}
{% endmacro %}


{#
  The newest load that an incremental model has seen, as SQL; -1 where it is made anew. It is made
  anew after an import, whose rows and spans can change plays of any day: only what polls bring has
  to be cheap.
#}
{% macro newest_load_seen_by(model_name) -%}
  {% set found = adapter.get_relation(this.database, this.schema, model_name) if execute %}
  {% if flags.FULL_REFRESH or not found -%}
    -1
  {%- else -%}
    coalesce((
      select load_id from model_watermarks
      where
        model = '{{ model_name }}'
        and fingerprint = '{{ fingerprint(model_name) }}'
        and not exists ({{ imports_after('model_watermarks.load_id') }})
    ), -1)
  {%- endif %}
{%- endmacro %}


{#
  The newest load of which the touched days are not needed any more. The names of tracks are made of
  exported plays, so where they are made anew, all days are needed.
#}
{% macro newest_load_seen_by_days() -%}
  case
    when {{ newest_load_seen_by('int_track_names') }} < 0 then -1
    else {{ newest_load_seen_by('fct_plays') }}
  end
{%- endmacro %}


{# The imports after a load that brought rows, or that cover a time that no import before covers. #}
{% macro imports_after(load_id) -%}
  select 1 from loads as imports
  where
    imports.source = 'streaming_history'
    and imports.load_id > {{ load_id }}
    and (
      imports.rows_loaded > 0
      or not exists (
        select 1 from loads as before_it
        where
          before_it.account_id = imports.account_id
          and before_it.source = imports.source
          and before_it.load_id < imports.load_id
          and before_it.window_from <= imports.window_from
          and before_it.window_to >= imports.window_to
      )
    )
{%- endmacro %}


{#
  Of all that decides what is in a model: its text, that of the models that it reads, the macros,
  the variables, and what its owner hides where it reads that.
#}
{% macro fingerprint(model_name) %}
  {% if not execute %}{{ return('') }}{% endif %}
  {% set texts = [] %}
  {% set models = ancestors('model.' ~ model.package_name ~ '.' ~ model_name) %}
  {% for id in models %}
    {% do texts.append(id ~ graph.nodes[id].raw_code) %}
  {% endfor %}
  {% for name in context[model.package_name] | sort %}
    {% do texts.append(name ~ context[model.package_name][name].macro.macro_sql) %}
  {% endfor %}
  {% for name in modules.re.findall("var[(]'([a-z_]+)'[)]", texts | join) | unique | sort %}
    {% do texts.append(name ~ var(name)) %}
  {% endfor %}
  {% if 'model.' ~ model.package_name ~ '.int_hidden_tracks' in models %}
    {% do texts.append(what_is_hidden()) %}
  {% endif %}
  {{ return(local_md5(texts | join)) }}
{% endmacro %}


{# The tracks and the playlists that are hidden now, as text: names decide which tracks, too. #}
{% macro what_is_hidden() %}
  {% set texts = [] %}
  {% if adapter.get_relation(this.database, this.schema, 'int_hidden_tracks') %}
    {% set tracks = run_query(
      'select exclusion_id, account_id, track_key from int_hidden_tracks order by 1, 3'
    ) %}
    {% for row in tracks.rows %}{% do texts.append(row.values() | join(' ')) %}{% endfor %}
  {% endif %}
  {% set playlists = run_query(
    "select exclusion_id, account_id, hidden_key from exclusions where kind = 'playlist' order by 1"
  ) %}
  {% for row in playlists.rows %}{% do texts.append(row.values() | join(' ')) %}{% endfor %}
  {{ return(texts | join('; ')) }}
{% endmacro %}


{# A model and all models that it is made of, sorted. #}
{% macro ancestors(model_id) %}
  {% set found = [model_id] %}
  {% for id in graph.nodes[model_id].depends_on.nodes if id in graph.nodes %}
    {% do found.extend(ancestors(id)) %}
  {% endfor %}
  {{ return(found | unique | sort) }}
{% endmacro %}
