{# Keys of tracks, artists and albums: a URI, else a name, else 'unknown'. #}

{#
  A key made of names; null where there is no title. The length of the title stands in front, so that
  no two pairs of names make one key, and no name makes a URI or the word 'unknown'.
#}
{% macro name_key(title, artist=none) -%}
  (length(nullif({{ title }}, '')) || ' characters: ' || {{ title }}
  {%- if artist is not none %} || ', ' || coalesce({{ artist }}, ''){% endif %})
{%- endmacro %}


{% macro track_key(track_uri, track_name, artist_name) -%}
  coalesce({{ track_uri }}, {{ name_key(track_name, artist_name) }}, 'unknown')
{%- endmacro %}


{#
  A value and who gave it, as one text: the greatest text has the best known value. The rank of the
  source comes first, then the time (24 characters), then the row. Null where the value is empty.
#}
{% macro ranked_value(value, rank, at, row_key) -%}
  ({{ rank }} || {{ at }} || substr({{ row_key }}, 1, 20) || nullif({{ value }}, ''))
{%- endmacro %}

{% macro value_of(ranked_value) -%}
  substr({{ ranked_value }}, 46)
{%- endmacro %}


{% macro rank_of_api() %}'3'{% endmacro %}

{% macro rank_of_export() %}'2'{% endmacro %}

{#
  An export names the artist of the album. For a compilation that is Spotify's artist
  0LyfQWJT6nXafLPZqxe9Of, whose name is translated; these are the translations that were seen.
#}
{% macro rank_of_exported_artist(artist_name) -%}
  case
    when {{ artist_name }} in ('Various Artists', 'Blandade Artister', 'Çeşitli Sanatçılar') then '1'
    else {{ rank_of_export() }}
  end
{%- endmacro %}
