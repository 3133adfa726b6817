"""The dbt project as assets."""

import sys

# dagster-dbt imports dbt where it finds it, half the time of loading the definitions, and does
# without where it does not. Dagster's process needs nothing of it: dbt runs in one of its own.
if "dbt.version" not in sys.modules:
    sys.modules["dbt.version"] = None  # type: ignore[assignment]  # not to be found, says Python
    import dagster_dbt  # noqa: F401

    del sys.modules["dbt.version"]
