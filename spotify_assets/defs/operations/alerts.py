"""Alerts: a failed run is told of where nobody looks at the UI.

`SPOTIFY_ALERT_COMMAND` says how: it gets the message, and mails it, rings or posts it. Whatever
becomes of it is logged and never fails the sensor, or the same run would be told of for ever.
"""

import logging

import dagster as dg

from spotify_assets.alerting import alert
from spotify_assets.defs.operations.failures import one_line, reasons
from spotify_assets.settings import Settings

log = logging.getLogger(__name__)


# Runs of the command line belong to no code location.
@dg.run_failure_sensor(
    monitor_all_code_locations=True,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "For each run that failed: logs which and why, and runs SPOTIFY_ALERT_COMMAND with that "
        "message."
    ),
)
def run_failure_sensor(context: dg.RunFailureSensorContext) -> dg.SkipReason:
    """Tell of each failed run, of the command line, too: in the log and by the alert command."""
    message = _message(context)
    log.error("%s", message)
    alert(Settings.load(), message)
    # An answer ends the tick, so that the next failed run has a tick of its own: Dagster cuts a
    # tick off at 60 s, and would repeat those alerts that it already gave.
    return dg.SkipReason(message)


def _message(context: dg.RunFailureSensorContext) -> str:
    run = context.dagster_run
    steps = reasons(context.get_step_failure_events())
    why = one_line("; ".join(steps) or context.failure_event.message or "no reason given")
    return (
        f"The run {run.run_id[:8]} of {run.job_name} failed: {why} "
        "| Next: open it under Runs in the Dagster UI (spotify-assets dev)."
    )
