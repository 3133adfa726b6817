"""What a tick of the sensor costs where nothing is new, in a warm process with one account.

Beside it, in turn, the least that any tick must do: one HTTP call for the same page.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import dagster as dg
import requests

from spotify_assets.defs.resources import SpotifyResource, WarehouseResource
from spotify_assets.defs.sensors import recently_played_sensor
from spotify_assets.sandbox.server import Sandbox
from spotify_assets.settings import Settings
from spotify_assets.spotify import recently_played
from spotify_assets.spotify.state import State
from spotify_assets.spotify.token_store import TokenStore
from spotify_assets.warehouse.draining import undrained_loads
from spotify_assets.warehouse.loading import write_load
from spotify_assets.warehouse.pending import models
from spotify_assets.warehouse.tables import model_watermarks, raw_recently_played
from spotify_assets.warehouse.warehouse import Warehouse
from spotify_assets_tests.support import sandbox, user_of

EVALUATIONS = 100
WANTED_SECONDS = 0.2


def main() -> None:
    """Print the median of an idle tick and of the call beside it."""
    with tempfile.TemporaryDirectory() as folder, sandbox() as spotify:
        user = user_of(spotify.environment(), Path(folder) / "user")
        user.log_in("mira")
        settings = user.settings
        with mock.patch.dict("os.environ", settings.environment()):
            measure(spotify, settings)


def measure(spotify: Sandbox, settings: Settings) -> None:
    """Evaluate and call in turn, after both are warm."""
    tick(expect="")  # lands the first page
    model_everything(settings)
    token = TokenStore(settings.tokens).load("mira")
    assert token is not None
    address = f"{settings.api_url}/{recently_played.PATH}?limit=50"
    headers = {"Authorization": f"Bearer {token.access_token}"}
    ticks, calls = [], []
    for _ in range(EVALUATIONS):
        ticks.append(seconds_of(lambda: tick(expect="No new plays since")))
        calls.append(seconds_of(lambda: requests.get(address, headers=headers, timeout=20)))
    tick_s, call_s = statistics.median(ticks), statistics.median(calls)
    print(
        f"an idle tick of the sensor / one call for the page (the sandbox's part in both)\n"
        f"  processor time, median of {EVALUATIONS}: {tick_s:.3f} s / {call_s:.3f} s; "
        f"{tick_s / call_s:.1f} x, wanted under {WANTED_SECONDS} s"
    )


def tick(expect: str) -> None:
    """One evaluation, with a new context as the daemon's."""
    resources = {"spotify": SpotifyResource(), "warehouse": WarehouseResource()}
    with (
        dg.DagsterInstance.ephemeral() as instance,
        dg.build_sensor_context(instance=instance, resources=resources) as context,
    ):
        outcome = recently_played_sensor(context)
    if expect:
        assert isinstance(outcome, dg.SkipReason), outcome
        assert (outcome.skip_message or "").startswith(expect), outcome


def model_everything(settings: Settings) -> None:
    """Load what has landed, and say that every model has seen it."""
    state, warehouse = State(settings.state_path), Warehouse(settings.warehouse_path)
    for load in undrained_loads(state, warehouse):
        write_load(warehouse.writer(), raw_recently_played, load)
    with warehouse.writer().begin() as connection:
        for model in models():
            connection.execute(model_watermarks.insert().values(model=model, load_id=1))


def seconds_of(work: Callable[[], object]) -> float:
    """The processor time of this process, all its threads, for a piece of work."""
    before = time.process_time()
    work()
    return time.process_time() - before


if __name__ == "__main__":
    main()
