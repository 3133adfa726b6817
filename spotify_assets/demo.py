"""The demo: the main job without a Spotify account, in a world of its own below data/demo.

Everything in it is real but Spotify: the login goes over HTTP, the run is a Dagster run. No
setting of the user's has a part in it, and it writes nowhere else.
"""

import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from filelock import FileLock, Timeout

from spotify_assets import times
from spotify_assets.sandbox.browser import consent
from spotify_assets.sandbox.catalogue import Catalogue
from spotify_assets.sandbox.export import write_extended
from spotify_assets.sandbox.listener import Listener
from spotify_assets.sandbox.server import Sandbox, SandboxConfig
from spotify_assets.settings import CHECKOUT, Settings, SettingsError
from spotify_assets.spotify.login import login
from spotify_assets.spotify.state import State
from spotify_assets.spotify.token_store import TokenStore

DATA = CHECKOUT / "data" / "demo"
CLOCK = DATA / "clock"
EXPORTED = "mira"
LIVE_SPEED = 10  # a play of three minutes then ends every twenty seconds


@contextmanager
def world(*, live: bool) -> Iterator[Settings]:
    """A running sandbox and the settings of a user of it.

    Its clock stands still, so a second demo finds nothing new; where it is `live`, it runs on
    from where it stood.
    """
    DATA.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        # A second world would log everybody in anew, and the first one's logins would be dead.
        with FileLock(DATA / "demo.lock", timeout=0):
            yield from _world(live)
    except Timeout:
        raise SettingsError("A demo is running already: end it first (Ctrl-C).") from None


def _world(live: bool) -> Iterator[Settings]:
    home = DATA / "dagster_home"
    home.mkdir(exist_ok=True)
    shutil.copy(CHECKOUT / "dagster_home" / "dagster.yaml", home)
    redirect_uri = f"http://127.0.0.1:{_free_port()}/callback"
    config = SandboxConfig(
        now=_clock(), speed=LIVE_SPEED if live else 0, always_on=True, redirect_uris=(redirect_uri,)
    )
    with Sandbox(config) as sandbox:
        environment = sandbox.environment() | {
            "SPOTIFY_ASSETS_DATA": str(DATA),
            "DAGSTER_HOME": str(home),
        }
        yield Settings.load(environment, env_file=None)
        CLOCK.write_text(times.to_text(sandbox.clock.now()), "utf-8")


def log_everybody_in(settings: Settings) -> None:
    """Log every listener of the sandbox in, as a person does in a browser."""
    state, store = State(settings.state_path), TokenStore(settings.tokens)
    for listener in SandboxConfig.listeners:
        browser = partial(consent, listener=listener)
        login(settings, state, store, open_browser=browser, tell=lambda _: None)


def export_of_mira(settings: Settings) -> Path:
    """Three weeks of a listener's plays until an hour ago, as Spotify would send them to her."""
    config = SandboxConfig(always_on=True)
    listener = Listener(EXPORTED, Catalogue(config.seed), config.seed, config.always_on)
    end = _clock() - timedelta(hours=1)
    archive = settings.data / "my_spotify_data.zip"
    write_extended(archive, listener, end - timedelta(days=20), end)
    return archive


def _clock() -> datetime:
    with suppress(FileNotFoundError, ValueError):  # a kill may have left it empty
        return times.from_text(CLOCK.read_text("utf-8"))
    now = times.now()
    CLOCK.write_text(times.to_text(now), "utf-8")
    return now


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
    return port
