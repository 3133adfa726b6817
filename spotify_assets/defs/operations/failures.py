"""Why a run failed, in lines that a person can read. Dagster has the whole errors in its log."""

from collections.abc import Iterable

import dagster as dg

LONGEST_REASON = 400  # characters; dbt's errors are pages


def reasons(failed_steps: Iterable[dg.DagsterEvent]) -> list[str]:
    """One line for each step that failed: its name and what it said."""
    lines = []
    for event in failed_steps:
        error = event.step_failure_data.error
        while error is not None and error.cause is not None:
            error = error.cause
        failure = event.step_failure_data.user_failure_data
        text = (failure and failure.description) or (error and error.message) or "no reason given"
        lines.append(f"{event.step_key}: {one_line(text)}")
    return lines


def one_line(text: str) -> str:
    """A text without line breaks and control characters, and not too long."""
    printable = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(printable.split())[:LONGEST_REASON]
