"""The demo: the main job without a Spotify account, in a world of its own below data/demo.

Everything in it is real but Spotify: the login goes over HTTP, the run is a Dagster run. No
setting of the user's has a part in it, and it writes nowhere else.
"""

import shutil
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from filelock import Timeout

from spotify_assets import times
from spotify_assets.kernel_lock import kernel_lock
from spotify_assets.sandbox.browser import consent
from spotify_assets.sandbox.catalogue import Catalogue
from spotify_assets.sandbox.export import write_extended
from spotify_assets.sandbox.listener import Listener
from spotify_assets.sandbox.server import Sandbox, SandboxConfig
from spotify_assets.settings import CHECKOUT, Settings, SettingsError
from spotify_assets.spotify.landing import look_at_all
from spotify_assets.spotify.login import login
from spotify_assets.spotify.retrying import Retrying
from spotify_assets.spotify.state import State
from spotify_assets.spotify.token_store import TokenStore

DATA = CHECKOUT / "data" / "demo"
CLOCK = DATA / "clock"
EXPORTED = "mira"
LIVE_SPEED = 10  # a play of three minutes then ends every twenty seconds
ZONE = "Europe/London"  # in which the listeners' hours are those of people

# The last days, counted in mira's plays before now. So there is a gap, however much she listens.
EXPORT_ENDS = 230
FIRST_POLL = 300
OFF_FROM, OFF_UNTIL = 180, 80  # the computer was off
POLL_EVERY = 30  # plays of all listeners: a page lists fifty of each
EXPORT_BEGINS = timedelta(days=913)  # before its end: artists return after more than a year
# Until the computer was off, Spotify left the URI out of a few plays: they go to quarantine.
WITHOUT_URI = {"field": "track.uri", "value": None, "share": 0.03}

SILENCE, LEAD = timedelta(minutes=20), timedelta(minutes=1)
LONGEST_SILENCE = timedelta(days=7)


@dataclass(frozen=True)
class World:
    """A running sandbox, the settings of a user of it, and whether this demo is the first."""

    sandbox: Sandbox
    settings: Settings
    is_new: bool


@contextmanager
def world(*, live: bool) -> Iterator[World]:
    """Run the demo's world.

    Its clock stands still, so a second demo finds nothing new. Where it is `live`, the clock runs
    on from where it stood, and skips the hours in which nobody listens.
    """
    DATA.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        # A second world would log everybody in anew, and the first one's logins would be dead.
        with kernel_lock(DATA / "demo.lock", timeout=0):
            yield from _world(live)
    except Timeout:
        raise SettingsError("A demo is running already: end it first (Ctrl-C).") from None


def _world(live: bool) -> Iterator[World]:
    home = DATA / "dagster_home"
    home.mkdir(exist_ok=True)
    shutil.copy(CHECKOUT / "dagster_home" / "dagster.yaml", home)
    redirect_uri = f"http://127.0.0.1:{_free_port()}/callback"
    config = SandboxConfig(
        now=_clock(), speed=LIVE_SPEED if live else 0, redirect_uris=(redirect_uri,)
    )
    with Sandbox(config) as sandbox:
        environment = sandbox.environment() | {
            "SPOTIFY_ASSETS_DATA": str(DATA),
            "SPOTIFY_TIMEZONE": ZONE,
            "DAGSTER_HOME": str(home),
        }
        settings = Settings.load(environment, env_file=None)
        is_new = not State(settings.state_path).page_ids()
        try:
            yield World(sandbox, settings, is_new)
        finally:
            CLOCK.write_text(times.to_text(sandbox.clock.now()), "utf-8")


def log_everybody_in(settings: Settings) -> None:
    """Log every listener of the sandbox in, as a person does in a browser."""
    state, store = State(settings.state_path), TokenStore(settings.tokens)
    for listener in SandboxConfig.listeners:
        browser = partial(consent, listener=listener)
        login(settings, state, store, open_browser=browser, tell=lambda _: None)


def poll_the_last_days(world: World) -> None:
    """Poll Spotify as the sensor would have done in the last days, with a gap among them."""
    clock, now = world.sandbox.clock, world.sandbox.clock.now()
    state = State(world.settings.state_path)
    recent = [play.ended_at for play in _listener(EXPORTED).newest(now, FIRST_POLL + 1)]
    listeners = [_listener(name) for name in SandboxConfig.listeners]
    plays = (play for each in listeners for play in each.plays(recent[FIRST_POLL], now))
    for moment in sorted(play.ended_at for play in plays)[::POLL_EVERY]:
        if moment <= recent[OFF_FROM]:
            world.sandbox.faults.on("changed_field", **WITHOUT_URI)
        elif moment >= recent[OFF_UNTIL]:
            world.sandbox.faults.off("changed_field")
        else:
            continue
        clock.set(moment)
        look_at_all(world.settings, state, Retrying.never())
    world.sandbox.faults.off("changed_field")
    clock.set(now)


def export_of_mira(world: World) -> Path:
    """Two and a half years of a listener's plays until some days ago, as Spotify sends them."""
    mira = _listener(EXPORTED)
    end = mira.newest(world.sandbox.clock.now(), EXPORT_ENDS + 1)[EXPORT_ENDS].ended_at
    archive = world.settings.data / "my_spotify_data.zip"
    write_extended(archive, mira, end - EXPORT_BEGINS, end)
    return archive


@contextmanager
def skipping_silences(world: World) -> Iterator[None]:
    """Move the clock on whenever nobody listens, so that plays keep arriving."""
    over = threading.Event()
    listeners = [_listener(name) for name in SandboxConfig.listeners]

    def skip() -> None:
        while not over.wait(1):
            _skip_silence(world.sandbox, listeners)

    thread = threading.Thread(target=skip, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _skip_silence(sandbox: Sandbox, listeners: Sequence[Listener]) -> None:
    now = sandbox.clock.now()
    coming = [
        play.ended_at for each in listeners for play in each.plays(now, now + LONGEST_SILENCE)[:1]
    ]
    if coming and min(coming) - now > SILENCE:
        sandbox.clock.set(min(coming) - LEAD)


def _listener(name: str) -> Listener:
    seed = SandboxConfig.seed
    return Listener(name, Catalogue(seed), seed)


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
