"""Filling a warehouse without Dagster, and building the models in this process."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dbt.cli.main import dbtRunner

from spotify_assets.settings import CHECKOUT, Settings
from spotify_assets.spotify.landing import look_at_all
from spotify_assets.spotify.retrying import Retrying
from spotify_assets.spotify.state import State
from spotify_assets.warehouse.draining import undrained_loads
from spotify_assets.warehouse.loading import write_load
from spotify_assets.warehouse.tables import raw_recently_played
from spotify_assets.warehouse.warehouse import Warehouse
from spotify_assets.warehouse.zones import fix_zones


@dataclass(frozen=True)
class Built:
    """What a `dbt build` left behind."""

    warehouse: Warehouse
    manifest: dict[str, Any]
    results: dict[str, str]


def ingest(settings: Settings) -> Warehouse:
    """Look at Spotify and load what it lists, without Dagster."""
    state, warehouse = State(settings.state_path), Warehouse(settings.warehouse_path)
    look_at_all(settings, state, Retrying.patient())
    for load in undrained_loads(state, warehouse):
        write_load(warehouse.writer(), raw_recently_played, load)
    fix_zones(warehouse.writer(), settings.timezone)
    return warehouse


def dbt_build(settings: Settings) -> tuple[dict[str, Any], dict[str, str]]:
    """The manifest of a build, and the status of each node by its name."""
    project = str(CHECKOUT / "dbt_project")
    target = str(settings.dbt_target)
    options = ["--project-dir", project, "--profiles-dir", project]
    options += ["--target-path", target, "--log-path", target, "--quiet"]
    done = dbtRunner().invoke(["build", *options])
    assert done.exception is None, done.exception
    results = {result.node.name: str(result.status) for result in done.result.results}  # type: ignore[union-attr]

    manifest = json.loads(Path(target, "manifest.json").read_text())
    return manifest, results
