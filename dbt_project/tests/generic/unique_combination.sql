{#- The grain of a model: no two rows share these columns. -#}
{% test unique_combination(model, columns) %}

    select {{ columns | join(', ') }}
    from {{ model }}
    group by {{ columns | join(', ') }}
    having count(*) > 1

{% endtest %}
