"""The dashboard's server, until Ctrl-C: on this machine alone, or for others with a password."""

import errno
import socket
from collections.abc import Callable

import uvicorn

from spotify_assets.outputs.dashboard.app import app
from spotify_assets.outputs.dashboard.password import Access
from spotify_assets.same_origin import HTTP_PORT, hosts_of
from spotify_assets.settings import LOOPBACK_HOSTS, Settings, SettingsError

HOST = LOOPBACK_HOSTS[0]
LOCAL = (*LOOPBACK_HOSTS, "localhost")
ALL_ADDRESSES = ("0.0.0.0", "::")  # noqa: S104 # to recognise them


def serve(settings: Settings, port: int, tell: Callable[[str], object], host: str = HOST) -> None:
    """Serve the pages until Ctrl-C or TERM.

    Raises:
        OSError: the port is taken, or not ours to take.
        SettingsError: others could reach the pages, and there is no password, or nobody said under
            which name they ask.
    """
    if host in LOCAL:
        names = [_name(host, port)]
        pages = app(settings, hosts_of(port), settings.hosts)
    else:
        names = _names(settings, host, port)
        # Whoever reaches the port can say that he asks for 127.0.0.1, so no name is this machine's.
        pages = app(settings, (), hosts_of(port, names))
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise OSError(f"We may not listen at {host}, port {port} ({error.strerror}).") from None
        raise OSError(
            f"Port {port} is taken, perhaps by another dashboard. Choose one: --port {port + 1}"
        ) from None
    # By default uvicorn believes whom a proxy names as the client, and guesses count by client.
    config = uvicorn.Config(
        pages,
        lifespan="off",
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        ws="none",  # there are none, and what would speak to them takes memory
    )
    shown = " or ".join(f"http://{name}" for name in names)
    tell(f"Your listening: {shown}  (Ctrl-C ends it)")
    with listening:
        uvicorn.Server(config).run(sockets=[listening])


def _names(settings: Settings, host: str, port: int) -> list[str]:
    """The names under which others ask for the pages at an address that they can reach."""
    if not Access(settings.dashboard_password).is_set():
        raise SettingsError(
            f"At {host} others can reach the dashboard, so it needs a password. "
            "Set one: spotify-assets dashboard --set-password"
        )
    if host in ALL_ADDRESSES:
        if not settings.hosts:
            raise SettingsError(
                f"{host} is no name that a browser asks for. Say under which it does: "
                f"SPOTIFY_ASSETS_HOSTS=laptop.local:{port}"
            )
        return list(settings.hosts)
    return [_name(host, port), *settings.hosts]


def _name(host: str, port: int) -> str:
    """An address as browsers show it, which leave out the port 80."""
    name = f"[{host}]" if ":" in host else host.lower()
    return name if port == HTTP_PORT else f"{name}:{port}"
