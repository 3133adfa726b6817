"""The dashboard's server: on this machine alone, until Ctrl-C."""

import errno
import socket
from collections.abc import Callable

import uvicorn

from spotify_assets.outputs.dashboard.app import app
from spotify_assets.same_origin import hosts_of
from spotify_assets.settings import LOOPBACK_HOSTS, Settings

HOST = LOOPBACK_HOSTS[0]


def serve(settings: Settings, port: int, tell: Callable[[str], object]) -> None:
    """Serve the pages until Ctrl-C or TERM.

    Raises:
        OSError: the port is taken, or not ours to take.
    """
    try:
        listening = socket.create_server((HOST, port))
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise OSError(f"We may not listen at port {port} ({error.strerror}).") from None
        raise OSError(
            f"Port {port} is taken, perhaps by another dashboard. Choose one: --port {port + 1}"
        ) from None
    pages = app(settings, hosts_of(port, settings.hosts))
    config = uvicorn.Config(pages, lifespan="off", log_level="warning", server_header=False)
    tell(f"Your listening: http://{HOST}:{port}  (Ctrl-C ends it)")
    with listening:
        uvicorn.Server(config).run(sockets=[listening])
