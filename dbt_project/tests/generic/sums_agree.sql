{#-
  Sums of a model over groups of its rows are those of the shown plays that belong in it, no
  more and no less. Each column of `sums` has its part of one play. The condition `plays` can name
  `artist_key` and `album_key`. By period, plays are summed by day first, which leaves less to join
  with four periods.
-#}
{% test sums_agree(model, plays, by=['account_id'], sums=none) %}

{{ config(tags=['slow']) }}
{%- set sums = sums or {
    'plays': '1',
    'ms_played': 'ms_played',
    'ms_played_estimated': 'ms_played * ms_played_is_estimated',
} %}
{%- set parts = [] %}
{%- for column, part in sums.items() %}
{%- do parts.append('sum(' ~ part ~ ') as ' ~ column) %}
{%- endfor %}
{%- set has_keys = 'artist_key' in plays or 'album_key' in plays %}
{%- set by_of_plays = ['account_id', 'local_date'] if 'period' in by else by %}

    with

    plays as (

        select
            plays.*,
            {% if has_keys -%}
            coalesce(tracks.artist_key, 'missing') as artist_key,
            coalesce(tracks.album_key, 'missing') as album_key,
            {%- endif %}
            cast(substr(plays.local_date, 1, 4) as {{ type_int() }}) as year
        from {{ ref('int_shown_plays') }} as plays
        {% if has_keys -%}
        left join {{ ref('dim_tracks') }} as tracks on plays.track_key = tracks.track_key
        {%- endif %}

    ),

    sums_of_plays as (

        select
            {{ by_of_plays | join(', ') }},
            {{ parts | join(', ') }}
        from plays
        where {{ plays }}
        group by {{ by_of_plays | join(', ') }}

    ),

    differences as (

        select
            {{ by | join(', ') }},
            {{ sums | join(', ') }}
        from {{ model }}

        union all

        select
            {{ by | join(', ') }},
            -{{ sums | join(', -') }}
        from sums_of_plays
        {% if 'period' in by %}
        inner join {{ ref('dim_date_periods') }} using (local_date)
        {% endif %}

    )

    select
        {{ by | join(', ') }},
        sum({{ sums | join('), sum(') }})
    from differences
    group by {{ by | join(', ') }}
    having sum({{ sums | join(') <> 0 or sum(') }}) <> 0

{% endtest %}
