"""The door for Spotify's answer: the redirect URI, served on the loopback while a login waits.

Knows HTTP and the page that the person sees. What an answer is good for is `login`'s part.
"""

import errno
import html
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import unquote, urlsplit

from spotify_assets.settings import LOOPBACK_HOSTS
from spotify_assets.spotify.errors import LoginFailed

POLL_SECONDS = 0.05  # how long the end of a login waits for its server
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
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "Referrer-Policy": "no-referrer",  # the address holds the code
}

# Takes the final address; returns whether it connected, what to say, and what to do once it is
# said.
Take = Callable[[str], tuple[bool, str, Callable[[], None]]]


@contextmanager
def served(redirect_uri: str, take: Take) -> Iterator[None]:
    """Serve the redirect URI until the end of the block, where we can.

    An address that is not on the loopback is somebody else's to serve: then nothing is done here.

    Raises:
        LoginFailed: the address cannot work, or its port is taken.
    """
    try:
        parts = urlsplit(redirect_uri)
        port = parts.port
    except ValueError as error:
        raise LoginFailed(
            f"SPOTIFY_REDIRECT_URI is {redirect_uri!r}: {error}. Use one like "
            "http://127.0.0.1:8765/callback, here and in the app's settings."
        ) from None
    if parts.hostname == "localhost":
        raise LoginFailed(
            f"Spotify no longer accepts localhost: use {_on_loopback(redirect_uri)} as "
            "SPOTIFY_REDIRECT_URI and in the app's settings."
        )
    if parts.scheme != "http" or parts.hostname not in LOOPBACK_HOSTS or not port:
        yield
        return

    # Flask costs 0.3 s of start-up that no other command should pay.
    from flask import Flask, Response, abort, request
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        """Writes no request line: it would hold the code."""

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None: ...

        def log(self, type: str, message: str, *args: object) -> None: ...

    app = Flask(__name__)

    @app.get("/", defaults={"path": ""})
    @app.get("/<path:path>")
    def _callback(path: str) -> Response:
        # Not a route of its own: a redirect URI's path may hold what a route takes for a variable.
        if f"/{path}" != unquote(parts.path or "/"):
            abort(404)
        connected, text, then = take(request.url)
        title = "Connected" if connected else "Not connected"
        page = PAGE.format(title=title, text=html.escape(text))
        response = Response(page, 200 if connected else 400, HEADERS)
        # Not before it was sent: the process may end as soon as the login has.
        response.call_on_close(then)
        return response

    listener = _listen(parts.hostname, port)
    # Threaded, since browsers open connections ahead and say nothing on them.
    server = make_server(
        parts.hostname,
        port,
        app,
        threaded=True,
        request_handler=Quiet,
        fd=listener.fileno(),
    )
    thread = threading.Thread(target=server.serve_forever, args=(POLL_SECONDS,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        listener.close()


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
