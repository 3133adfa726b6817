{#- A number that is not null lies within a range; its ends belong to it. -#}
{% test within(model, column_name, from_value, to_value=none) %}

    select {{ column_name }}
    from {{ model }}
    where
        {{ column_name }} < {{ from_value }}
        or {{ column_name }} > {{ column_name if to_value is none else to_value }}

{% endtest %}
