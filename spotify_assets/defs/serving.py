"""The Dagster UI and its daemon, as a child of the command that asks for them."""

import errno
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable
from typing import Any

from spotify_assets import timetable
from spotify_assets.defs import child
from spotify_assets.defs.models.project import dbt_project
from spotify_assets.defs.refreshing import open_instance
from spotify_assets.settings import CHECKOUT, LOOPBACK_HOSTS, Settings, SettingsError

# `dagster dev` advises its own successor at each start, which is not the reader's to follow.
QUIET = {"PYTHONWARNINGS": "ignore:Function `dev_command` is superseded"}

STOP_AGAIN_SECONDS = 3
PORTS_APART, LAST_PORT = 30, 65_535
LOCAL = (*LOOPBACK_HOSTS, "localhost")


def check_port(port: int, host: str = LOOPBACK_HOSTS[0]) -> None:
    """Raise OSError if the port is taken, with what to do."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise OSError(f"We may not listen at {host}, port {port} ({error.strerror}).") from None
        raise OSError(
            f"Port {port} is taken, perhaps by another Dagster UI. Choose another: "
            f"spotify-assets dev --port {port + 1}"
        ) from None


def check_host(settings: Settings, host: str) -> None:
    """Raise SettingsError where others could reach the UI and nobody said under which name."""
    if host not in LOCAL and not settings.hosts:
        raise SettingsError(
            f"At {host} others can reach the UI, which asks for no password and can run programs. "
            "Say under which names it is asked for: SPOTIFY_ASSETS_HOSTS=laptop.local:3000"
        )


def dashboard_port(port: int) -> int:
    """Where the dashboard is while the UI is at a port: 3030 beside 3000."""
    return port + PORTS_APART if port + PORTS_APART <= LAST_PORT else port - PORTS_APART


def serve(
    settings: Settings,
    port: int,
    tell: Callable[[str], object],
    host: str = LOOPBACK_HOSTS[0],
) -> None:
    """Run `dagster dev`, and the dashboard beside it, until Ctrl-C.

    Not in the checkout: it lets the `.env` of its working directory override the environment, and
    our settings are complete already.

    Raises:
        OSError: the port is taken, a daemon is at work already, or `dagster dev` ended by itself.
        SettingsError: others could reach the UI.
        ModelsError: dbt cannot read the models, so that Dagster would show and run nothing.
    """
    check_host(settings, host)
    check_port(port, host)
    if timetable.daemon_is_running(settings):
        raise OSError(
            f"Dagster is at work on {settings.data} already. Its UI is at the port that it was "
            "started with; end it with Ctrl-C there."
        )
    with open_instance(settings):  # created here, before several processes of dagster's try at once
        pass
    dbt_project()
    command = child.command("dagster", "dev", "-w", str(CHECKOUT / "workspace.yaml"))
    address = f"[{host}]" if ":" in host else host
    shown = f"http://{address}:{port}"
    if host not in LOCAL:
        shown += f", which browsers ask for as {' or '.join(settings.hosts)}"
    tell(f"The Dagster UI: {shown}  (Ctrl-C ends it)")
    # A shell's background job ignores Ctrl-C, and dagster would take that for its TERM, too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    where: Any = {
        "cwd": settings.dagster_storage,
        "env": {**os.environ, **settings.environment(), **QUIET},
    }
    # For this machine alone, wherever the UI listens.
    beside = ("dashboard", "--port", str(dashboard_port(port)))
    dashboard = subprocess.Popen(child.command("spotify_assets.cli", *beside), **where)
    served = subprocess.Popen([*command, "--host", host, "--port", str(port)], **where)

    def stop(*_: object) -> None:
        # Again and again, since dagster loses a TERM that comes while it starts its services.
        served.terminate()
        again = threading.Timer(STOP_AGAIN_SECONDS, stop)
        again.daemon = True
        again.start()

    # Ctrl-C reaches the child by itself, a service manager's TERM does not.
    signal.signal(signal.SIGTERM, stop)
    try:
        code = served.wait()
    except KeyboardInterrupt:
        code = -abs(served.wait())
    finally:
        dashboard.terminate()
        dashboard.wait()
    if code > 0:
        raise OSError(f"dagster dev ended with code {code}; its output says why.")
