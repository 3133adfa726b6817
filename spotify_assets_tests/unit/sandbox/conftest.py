"""A running sandbox, and an app that is registered there."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from spotify_assets.sandbox.server import Sandbox, SandboxConfig
from spotify_assets_tests.unit.sandbox.client import NOW, App, listen_for_callbacks


@pytest.fixture(scope="session")
def make_app() -> Iterator[Callable[..., App]]:
    """Start a sandbox with this configuration, and an app that is registered there."""
    with ExitStack() as stack:

        def make(**config: Any) -> App:
            seen: list[str] = []
            server = stack.enter_context(listen_for_callbacks(seen))
            stack.callback(server.shutdown)
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
            redirect_uri = f"http://127.0.0.1:{server.server_port}/callback"
            still: dict[str, Any] = {"now": NOW, "speed": 0, "redirect_uris": (redirect_uri,)}
            sandbox = stack.enter_context(Sandbox(SandboxConfig(**still | config)))
            return App(sandbox, redirect_uri, seen)

        yield make


@pytest.fixture(scope="session")
def _app(make_app: Callable[..., App]) -> App:
    return make_app()


@pytest.fixture
def app(_app: App) -> Iterator[App]:
    """An app at a sandbox whose clock stands at NOW. Shared: every test leaves it so again."""
    _app.callbacks.clear()
    yield _app
    _app.sandbox.faults.off()
    _app.sandbox.rotation = False
    _app.sandbox.not_listed = ()
    _app.sandbox.clock.speed = 0
    _app.sandbox.clock.set(NOW)
