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
from typing import Any

from spotify_assets.same_origin import Headers, OwnRequestsOnly, hosts_of
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


def not_in_json(scope: Any, method: str, headers: Headers) -> str | None:
    """Why Dagster does not get a request that is allowed otherwise, or None.

    Dagster takes a query or a mutation from the address of a GET, from a form and from plain text,
    which any page may send anywhere. Its own pages send JSON.
    """
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
        app.add_middleware(OwnRequestsOnly, hosts=hosts, further=not_in_json)
        return app

    vars(cli)[name] = make_guarded


if __name__ == "__main__":
    _main()
