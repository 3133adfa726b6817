"""The callback server: takes Spotify's redirect on the loopback while a login waits.

Belongs here: HTTP and the page that the person sees. What the redirect means is `login`'s part.
"""

import errno
import html
import logging
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from spotify_assets.same_origin import HTTP_PORT, refusal
from spotify_assets.settings import LOOPBACK_HOSTS
from spotify_assets.spotify.errors import LoginFailed

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.05  # the longest time that a stopped server goes on accepting
REQUEST_SECONDS = 10  # the longest pause within a request, and within the delivery of a page
PAGE_SECONDS = 5  # the longest time that the end of a login waits for its page's delivery
MOST_CONNECTIONS = 50  # browsers open a handful ahead, and say nothing on them
PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}: spotify-assets</title>
<style>
  :root {{ color-scheme: light dark }}
  body {{ font: 1.125rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 15vh auto;
         padding: 0 1rem; overflow-wrap: anywhere }}
</style>
<h1>{title}</h1><p>{text}</p><p>You can close this page.</p></html>"""
HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "Referrer-Policy": "no-referrer",  # the address holds the code
}

# Takes the final address; waits for the login's end; returns whether it connected, and what the
# page says.
HandleRedirect = Callable[[str], tuple[bool, str]]


@contextmanager
def served(redirect_uri: str, handle_redirect: HandleRedirect) -> Iterator[None]:
    """Serve the redirect URI during the block, if it is on the loopback.

    The end of the block waits for pages that are being delivered, at most PAGE_SECONDS. A redirect
    URI elsewhere is served by someone else: then this does nothing.

    Raises:
        LoginFailed: the address cannot work, or its port is taken.
    """
    try:
        address = urlsplit(redirect_uri)
        port = address.port
    except ValueError as error:
        raise LoginFailed(
            f"SPOTIFY_REDIRECT_URI is {redirect_uri!r}: {error}. Use one like "
            "http://127.0.0.1:8765/callback, here and in the app's settings."
        ) from None
    if address.hostname == "localhost":
        raise LoginFailed(
            f"Spotify no longer accepts localhost: use {_on_loopback(redirect_uri)} as "
            "SPOTIFY_REDIRECT_URI and in the app's settings."
        )
    if address.scheme != "http" or address.hostname not in LOOPBACK_HOSTS or not port:
        yield
        return

    server = _Server(_listen(address.hostname, port), address, handle_redirect)
    thread = threading.Thread(target=server.serve_forever, args=(POLL_SECONDS,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.wait_for_pages()
        server.server_close()


class _Server(ThreadingHTTPServer):
    """One thread per connection, so that a silent client keeps no other from its answer."""

    def __init__(
        self, listener: socket.socket, address: SplitResult, handle_redirect: HandleRedirect
    ) -> None:
        super().__init__(listener.getsockname(), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.path = unquote(address.path or "/")
        host = f"[{address.hostname}]" if ":" in (address.hostname or "") else address.hostname
        self.hosts = {f"{host}:{address.port}"}
        if address.port == HTTP_PORT:  # which browsers leave out
            self.hosts.add(f"{host}")
        self.handle_redirect = handle_redirect
        self._lock = threading.Condition()
        self._silent: dict[Any, None] = {}  # connections without a request yet, oldest first
        self._pages = 0  # are being delivered

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection; drop the longest silent one where there are too many."""
        with self._lock:
            self._silent[request] = None
            if len(self._silent) > MOST_CONNECTIONS:
                oldest = next(iter(self._silent))
                del self._silent[oldest]
                _hang_up(oldest)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._silent.pop(request, None)
        super().shutdown_request(request)

    @contextmanager
    def delivering(self, request: Any) -> Iterator[None]:
        """Let the end of the login wait until this page is sent, or cannot be sent."""
        with self._lock:
            self._silent.pop(request, None)
            self._pages += 1
        try:
            yield
        finally:
            with self._lock:
                self._pages -= 1
                self._lock.notify_all()

    def wait_for_pages(self) -> None:
        with self._lock:
            self._lock.wait_for(lambda: not self._pages, PAGE_SECONDS)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that has gone away. Name other errors, without their text."""
        error = sys.exception()
        if not isinstance(error, OSError):
            logger.error("The callback server could not answer: %s", type(error).__name__)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = REQUEST_SECONDS

    def do_GET(self) -> None:
        if refusal("GET", self.headers, self.server.hosts):
            self.send_error(HTTPStatus.FORBIDDEN)
        elif _path(self.path) != self.server.path:
            self.send_error(HTTPStatus.NOT_FOUND)
        else:
            with self.server.delivering(self.connection):
                self._show(*self.server.handle_redirect(self.path))

    def _show(self, connected: bool, text: str) -> None:
        title = "Connected" if connected else "Not connected"
        page = PAGE.format(title=title, text=html.escape(text)).encode()
        self.send_response(HTTPStatus.OK if connected else HTTPStatus.BAD_REQUEST)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer with the status alone: the messages quote the request line, with its code."""
        super().send_error(code)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: the request line holds the code."""

    def version_string(self) -> str:
        return "spotify-assets"


def _path(target: str) -> str | None:
    try:
        return unquote(urlsplit(target).path or "/")
    except ValueError:  # half an IPv6 address
        return None


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError):  # the client may be faster
        connection.shutdown(socket.SHUT_RDWR)  # wakes the thread that reads it


def _on_loopback(redirect_uri: str) -> str:
    return redirect_uri.replace("localhost", LOOPBACK_HOSTS[0], 1)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            problem = f"Port {port} is taken"
        else:
            problem = f"We may not listen at {host}, port {port} ({error.strerror})"
        raise LoginFailed(
            f"{problem}, so Spotify's answer could not reach us. End what uses it, or change "
            "SPOTIFY_REDIRECT_URI here and in the app's settings."
        ) from None
