"""Run the owner's alert command (`SPOTIFY_ALERT_COMMAND`) with a message.

What goes wrong with it is logged and never raised: an alert must not fail what it reports.
"""

import contextlib
import logging
import os
import shlex
import subprocess

from spotify_assets.settings import Settings

ALERT_SECONDS = 30

log = logging.getLogger(__name__)


def alert(settings: Settings, message: str) -> None:
    """Run the alert command with a message as last argument and on standard input; wait for it."""
    command = shlex.split(settings.alert_command)
    trouble = _tell(command, message) if command else None
    if trouble:  # of the command only its first word: an argument may be a secret address
        log.error("The alert command %s %s", command[0], trouble)


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
    import psutil

    with contextlib.suppress(psutil.Error):
        for each in psutil.Process(process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                each.kill()
    process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):  # the system may not let it go
        process.wait(timeout=1)
