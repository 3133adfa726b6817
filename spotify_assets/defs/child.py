"""Dagster's own processes as this project starts them: `python -m … PARENT MODULE ARGUMENTS`.

Each ends when the process that started it has ended, also by kill -9. The web server answers only
requests of its own pages and of programs. Dagster has no settings for these two.
"""

import os
import runpy
import signal
import sys
import threading
import time
from collections.abc import Collection
from typing import Any

from spotify_assets.same_origin import Headers, hosts_of, refusal
from spotify_assets.settings import Settings

THIS = "spotify_assets.defs.child"
LOOK_SECONDS = 1
# So often a process gets a TERM, a second apart, before it is ended without one.
TIMES_ASKED = 20
READS = ("GET", "HEAD", "OPTIONS")
JSON = "application/json"


def command(module: str, *arguments: str) -> list[str]:
    """The words that run a module of Dagster's as a child of this process."""
    return [sys.executable, "-m", THIS, str(os.getpid()), module, *arguments]


class OwnRequestsOnly:
    """ASGI middleware: what another origin's page sends is refused, and does not reach Dagster.

    Dagster takes a query or a mutation from the address of a GET, from a form and from plain text,
    which any page may send anywhere. Its own pages send JSON.
    """

    def __init__(self, app: Any, hosts: Collection[str]) -> None:
        self.app, self.hosts = app, hosts

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer, or pass the request on."""
        from starlette.datastructures import Headers as RequestHeaders
        from starlette.responses import PlainTextResponse
        from starlette.websockets import WebSocketClose

        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers, method = RequestHeaders(scope=scope), scope.get("method", "GET")
        problem = refusal(method, headers, self.hosts) or _not_in_json(scope, method, headers)
        if problem is None:
            await self.app(scope, receive, _without_frames(send))
        elif scope["type"] == "websocket":
            await WebSocketClose(reason=problem)(scope, receive, send)
        else:
            await PlainTextResponse(f"{problem}\n", 403)(scope, receive, send)


def _without_frames(send: Any) -> Any:
    """Forbid pages of other origins to show ours in a frame, so that nobody's clicks are stolen.

    `refusal` does not see every such request: browsers send Sec-Fetch-Site only over https and to
    this machine.
    """

    async def send_with_header(message: Any) -> None:
        if message["type"] == "http.response.start":
            headers = [*message.get("headers", []), (b"x-frame-options", b"SAMEORIGIN")]
            message = {**message, "headers": headers}
        await send(message)

    return send_with_header


def _not_in_json(scope: Any, method: str, headers: Headers) -> str | None:
    if scope["type"] == "http" and method in READS:
        if scope["path"].rstrip("/").endswith("/graphql") and scope["query_string"]:
            return "Send a query by POST, as JSON."
    elif scope["type"] == "http":
        kind = (headers.get("Content-Type") or "").partition(";")[0].strip().lower()
        if kind != JSON:
            return f"Send it as {JSON}."
    return None


def _main() -> None:
    parent, module = int(sys.argv[1]), sys.argv[2]
    sys.argv[1:3] = []
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    if module == "dagster":
        _start_children_like_this()
    elif module == "dagster_webserver":
        _guard()
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)
    for _ in range(TIMES_ASKED):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(LOOK_SECONDS)
    os._exit(1)


def _start_children_like_this() -> None:
    """Let `dagster dev` start its web server and its daemon through this module."""
    from dagster._cli import dev

    start = vars(dev)["open_ipc_subprocess"]

    def start_here(parts: list[str], **options: Any) -> Any:
        _, _, module, *arguments = parts  # python -m module
        return start(command(module, *arguments), **options)

    vars(dev)["open_ipc_subprocess"] = start_here


def _guard() -> None:
    from dagster_webserver import cli

    name = "create_app_from_workspace_process_context"
    make_app = vars(cli)[name]
    port = int(sys.argv[sys.argv.index("--port") + 1])
    hosts = hosts_of(port, Settings.load().hosts)

    def make_guarded(*arguments: Any, **options: Any) -> Any:
        app = make_app(*arguments, **options)
        app.add_middleware(OwnRequestsOnly, hosts=hosts)
        return app

    vars(cli)[name] = make_guarded


if __name__ == "__main__":
    _main()
