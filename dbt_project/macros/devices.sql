{#
  The kind of device of a platform, which exports write in many words until 2023 and in one since.
  What runs in a speaker, a car or a television calls itself a partner of Spotify's.
#}
{% macro device(platform) -%}
  case
    when {{ platform }} is null or lower({{ platform }}) in ('', 'not_applicable') then null
    {%- for words, kind in [
      (['partner', 'cast', 'sonos', 'tv', 'playstation', 'xbox'], 'speaker, TV, car'),
      (['web'], 'web player'),
      (['ios', 'iphone', 'ipad'], 'iPhone, iPad'),
      (['android'], 'Android'),
      (['windows'], 'Windows'),
      (['os x', 'osx', 'macos'], 'Mac'),
      (['linux'], 'Linux'),
    ] %}
    {%- for word in words %}
    when lower({{ platform }}) like '%{{ word }}%' then '{{ kind }}'
    {%- endfor %}
    {%- endfor %}
    else 'other'
  end
{%- endmacro %}
