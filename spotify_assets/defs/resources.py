"""Resources: Spotify, and the warehouse with its one writer. Tests replace them.

No resource has a field with a secret: Dagster shows fields in the UI and stores them.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg

from spotify_assets.defs.operations.killed_runs import fail_killed_runs, process_tags
from spotify_assets.settings import Settings
from spotify_assets.spotify.landing import Look, look_at_all
from spotify_assets.spotify.retrying import Retrying
from spotify_assets.spotify.state import State
from spotify_assets.warehouse.backups.migrating import bring_up_to_date
from spotify_assets.warehouse.lock import writing
from spotify_assets.warehouse.warehouse import Warehouse


class SpotifyResource(dg.ConfigurableResource[Any]):
    """Spotify on behalf of all accounts that logged in."""

    @property
    def state(self) -> State:
        """Accounts and landed pages."""
        return State(Settings.load().state_path)

    def look(
        self, retrying: Retrying, *, side_by_side: bool = False, accounts: Collection[str] = ()
    ) -> list[Look]:
        """One look for each account, or for these; a failed one is in the list with its error."""
        return look_at_all(
            Settings.load(), self.state, retrying, side_by_side=side_by_side, only=accounts
        )


class WarehouseResource(dg.ConfigurableResource[Any]):
    """The warehouse, and for the length of a run the right to write to it.

    Every run that writes requires this resource, so whole runs take turns, in any process. The
    kernel frees the lock of a killed run; a Dagster pool would not.
    """

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["WarehouseResource"]:
        """Hold the writer lock from before the first step until after the last."""
        run, instance = context.dagster_run, context.instance
        if run is None or instance is None:
            yield self
            return
        instance.add_run_tags(run.run_id, process_tags())
        who = f"the Dagster run {run.run_id[:8]} of {run.job_name}"
        settings = Settings.load()
        with writing(settings.locks, who):
            fail_killed_runs(instance)
            bring_up_to_date(settings)
            self.warehouse.writer()
            yield self

    @property
    def warehouse(self) -> Warehouse:
        """The warehouse that the settings name."""
        return Warehouse(Settings.load().warehouse_path)
