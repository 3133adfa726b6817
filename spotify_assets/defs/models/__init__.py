"""The dbt project as assets."""

import importlib
import sys

# Importing dbt takes two of the five seconds of loading the definitions. dagster-dbt imports it if
# it is installed, and works without it. Here dbt runs in another process, so this one hides it: for
# Python, a module that is None in sys.modules is not installed.
if "dbt.version" not in sys.modules:
    sys.modules["dbt.version"] = None  # type: ignore[assignment]  # typeshed knows modules only
    importlib.import_module("dagster_dbt")
    del sys.modules["dbt.version"]
