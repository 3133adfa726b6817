"""Alerts: a failed run is told of where nobody looks at the UI.

`SPOTIFY_ALERT_COMMAND` says how: it gets the message, and mails it, rings or posts it. Whatever
becomes of it is logged and never fails the sensor, or the same run would be told of for ever.
"""

import contextlib
import logging
import os
import shlex
import subprocess

import dagster as dg
import psutil

from spotify_assets.defs.operations.failures import one_line, reasons
from spotify_assets.settings import Settings

ALERT_SECONDS = 30

log = logging.getLogger(__name__)


# Runs of the command line belong to no code location.
@dg.run_failure_sensor(
    monitor_all_code_locations=True, default_status=dg.DefaultSensorStatus.RUNNING
)
def run_failure_alert(context: dg.RunFailureSensorContext) -> dg.SkipReason:
    """Tell of each failed run, of the command line, too: in the log and by the alert command."""
    message = _message(context)
    log.error("%s", message)
    command = shlex.split(Settings.load().alert_command)
    trouble = _tell(command, message) if command else None
    if trouble:  # of the command only its first word: an argument may be a secret address
        log.error("The alert command %s %s", command[0], trouble)
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


def _tell(command: list[str], message: str) -> str | None:
    """Run the command with the message; what went wrong, or None."""
    environment = {
        name: value for name, value in os.environ.items() if name != "SPOTIFY_CLIENT_SECRET"
    }
    try:
        process = subprocess.Popen(
            [*command, message],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except OSError as error:
        return f"cannot be run: {error.strerror}."
    try:
        process.communicate(message.encode(), timeout=ALERT_SECONDS)
    except subprocess.TimeoutExpired:
        _kill(process)
        return f"took over {ALERT_SECONDS} s and was ended."
    return f"ended with {process.returncode}." if process.returncode else None


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """Kill a process with those that it started, such as a script's that hangs in the network."""
    with contextlib.suppress(psutil.Error):
        for each in psutil.Process(process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                each.kill()
    process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):  # the system may not let it go
        process.wait(timeout=1)
