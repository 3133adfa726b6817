"""What keeps plays: raw tables, the one writer, loads, and questions about them.

Knows pages and contracts. Knows nothing of Dagster; what is a play, a session or a chart is
decided in the dbt project.
"""
