"""The sandbox as a server: one Flask app, on a port of 127.0.0.1.

Belongs here: putting the parts together, and serving them. Does not belong here: any endpoint.
"""

from __future__ import annotations

import logging
import os
import socket
import struct
import threading
from collections.abc import Iterable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from flask import Flask, Response, jsonify, request
from flask.json.provider import DefaultJSONProvider
from werkzeug.http import http_date
from werkzeug.serving import WSGIRequestHandler, make_server

from spotify_assets.same_origin import hosts_of, refusal
from spotify_assets.sandbox import (
    accounts,
    admin,
    answer_faults,
    damage,
    pictures,
    switches,
    web_api,
)
from spotify_assets.sandbox.clock import Clock
from spotify_assets.sandbox.faults import Faults
from spotify_assets.sandbox.world import SandboxConfig, World

__all__ = ["Sandbox", "SandboxConfig", "create_app"]

HOST = "127.0.0.1"
LARGEST_BODY_BYTES = 64 * 1024

log = logging.getLogger(__name__)


def create_app(config: SandboxConfig) -> Flask:
    """A Spotify of its own, as a WSGI app. Raises as `World` does."""
    return _app_of(World(config))


def _app_of(world: World) -> Flask:
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY_BYTES
    app.url_map.strict_slashes = False  # clients ask for /me/ too (spotipy does)
    provider = DefaultJSONProvider(app)
    provider.sort_keys = False
    provider.ensure_ascii = False
    provider.mimetype = web_api.JSON_TYPE
    app.json = provider

    @app.before_request
    def refuse_other_origins() -> Response | None:
        hosts = hosts_of(int(request.environ["SERVER_PORT"]), world.config.hosts)
        problem = refusal(request.method, request.headers, hosts)
        return Response(f"{problem}\n", 403, mimetype="text/plain") if problem else None

    @app.errorhandler(RecursionError)
    def refuse_depth(_: RecursionError) -> tuple[Response, int]:
        return jsonify({"error": "the JSON is nested too deeply"}), 400

    answer_faults.install(app, world.faults, world.grants, world.stopping)
    app.register_blueprint(accounts.blueprint(world))
    app.register_blueprint(web_api.blueprint(world))
    app.register_blueprint(pictures.blueprint(world))
    app.register_blueprint(admin.blueprint(world))
    app.register_blueprint(switches.blueprint(world))

    @app.after_request
    def date(response: Response) -> Response:
        if "Date" not in response.headers:
            response.headers["Date"] = http_date(world.clock.now())
        return response

    return app


class Sandbox:
    """A running sandbox. Either `with Sandbox(…) as sandbox:` or `Sandbox(…).serve_forever()`.

    `port` 0 takes a free one; the port is taken at once, so `url` is known before serving.
    Raises OSError when the port is taken by another, and as `World` does.
    """

    def __init__(self, config: SandboxConfig | None = None, port: int = 0) -> None:
        """Make the world up and take the port."""
        self.config = config or SandboxConfig()
        self._world = world = World(self.config)
        self.clock: Clock = world.clock
        self.faults: Faults = world.faults
        # werkzeug ends the process when a port is taken; a socket of our own raises instead.
        with socket.create_server((HOST, port)) as listening:
            self._server = make_server(
                HOST,
                port,
                _app_of(world),
                threaded=True,
                request_handler=_RequestHandler,
                fd=listening.fileno(),
            )
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.05},  # seconds; how long the end of a `with` may take
            name="spotify-sandbox",
            daemon=True,
        )

    @property
    def url(self) -> str:
        """Where it answers, without a slash at the end."""
        return f"http://{HOST}:{self._server.port}"

    @property
    def accounts_url(self) -> str:
        """What stands for https://accounts.spotify.com."""
        return self.url

    @property
    def api_url(self) -> str:
        """What stands for https://api.spotify.com/v1."""
        return f"{self.url}/v1"

    @property
    def rotation(self) -> bool:
        """Whether a refresh brings a new refresh token and kills the old one."""
        return self._world.rotation

    @rotation.setter
    def rotation(self, rotation: bool) -> None:
        self._world.rotation = rotation

    @property
    def not_listed(self) -> tuple[str, ...]:
        """The listeners whom the app's list lacks. Setting it raises ValueError for strangers."""
        return self._world.not_listed

    @not_listed.setter
    def not_listed(self, listeners: Iterable[str]) -> None:
        self._world.not_listed = listeners

    def revoke(self, listener: str) -> None:
        """Take back all that a listener granted to the app. Raises ValueError for a stranger."""
        self._world.revoke(listener)

    def environment(self) -> dict[str, str]:
        """The settings with which a client talks to this sandbox (with PKCE: no secret)."""
        return {
            "SPOTIFY_API_URL": self.api_url,
            "SPOTIFY_ACCOUNTS_URL": self.accounts_url,
            "SPOTIFY_CLIENT_ID": self.config.client_id,
            "SPOTIFY_REDIRECT_URI": self.config.redirect_uris[0],
        }

    def __enter__(self) -> Self:
        """Serve in a thread."""
        self._thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop serving and give the port back."""
        self._world.stopping.set()  # ends the waits of slow answers
        self._server.shutdown()
        self._thread.join()

    def serve_forever(self) -> None:
        """Serve until Ctrl-C, which ends it without an error."""
        with self, suppress(KeyboardInterrupt):
            self._thread.join()


class _RequestHandler(WSGIRequestHandler):
    """Logs method, path and status; never a query, which may hold a code or a state.

    The app dates its answers itself, so the machine's own `Date` is left out.
    """

    timeout = 30  # seconds for a client to send what it began

    def send_response(self, code: int, message: str | None = None) -> None:
        self.log_request(code)
        self.send_response_only(code, message)

    def connection_dropped(
        self, error: BaseException, environ: dict[str, Any] | None = None
    ) -> None:
        """Reset the connection where that is the answer; others have dropped it themselves."""
        if isinstance(error, damage.Reset):
            # To linger for no second makes a close a TCP RST. The socket's own end would come too
            # late: the server first says goodbye with a FIN, and that is what a client would see.
            no_goodbye = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_goodbye)
            os.close(self.connection.detach())
            self.close_connection = True

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        log.info("%s %s %s", self.command, self.path.partition("?")[0], code)

    def log(self, type: str, message: str, *args: Any) -> None:
        """Say nothing else: werkzeug's messages quote the request line."""
