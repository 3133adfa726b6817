"""Properties that assets of several topics share. What belongs to one asset stays with it."""

import inspect
import warnings
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import dagster as dg

# daily_refresh and daily_backup materialise once a day whether there is news or not, so a quiet
# night is no failure. Two hours are for a machine that slept at the time.
ONCE_A_DAY = dg.FreshnessPolicy.time_window(
    warn_window=timedelta(hours=26), fail_window=timedelta(hours=50)
)


def code_reference(function: Callable[..., Any]) -> dict[str, dg.CodeReferencesMetadataValue]:
    """Metadata that opens a function's code in the UI, for an asset that no code of its own makes.

    `with_source_code_references` finds the others.
    """
    file, line = inspect.getfile(function), inspect.getsourcelines(function)[1]
    label = f"{function.__module__}.{function.__qualname__}"
    with warnings.catch_warnings(action="ignore", category=dg.BetaWarning):
        reference = dg.LocalFileCodeReference(file_path=file, line_number=line, label=label)
        found = dg.CodeReferencesMetadataValue(code_references=[reference])
    return {"dagster/code_references": found}
