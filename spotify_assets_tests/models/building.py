"""Filling a warehouse without Dagster, and building the models in this process."""

import json
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from dbt.cli.main import dbtRunner
from sqlalchemy import text

from spotify_assets import times
from spotify_assets.settings import Settings
from spotify_assets.spotify.landing import look_at_all
from spotify_assets.spotify.retrying import Retrying
from spotify_assets.spotify.state import State
from spotify_assets.warehouse.dbt_command import NO_JSON, dbt_environment, reuse_parsed_files
from spotify_assets.warehouse.draining import undrained_loads
from spotify_assets.warehouse.exported import STREAMING_HISTORY, ExportFile
from spotify_assets.warehouse.importing import to_batch
from spotify_assets.warehouse.loading import Load, write_load
from spotify_assets.warehouse.tables import raw_recently_played, raw_streaming_history
from spotify_assets.warehouse.warehouse import Warehouse
from spotify_assets.warehouse.zones import fix_zones


@dataclass(frozen=True)
class Built:
    """What a `dbt build` left behind."""

    settings: Settings
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


def import_what_was_listed(warehouse: Warehouse, account_id: str) -> None:
    """Import an account's listed plays as an export tells them, each with a skip beside it."""
    query = text(
        "select played_at, track_uri, track_name, album_artist_name, duration_ms"
        " from raw_recently_played where account_id = :account order by played_at"
    )
    rows = []
    for play in warehouse.read(query.bindparams(account=account_id)):
        row = {
            "ts": f"{play.played_at[:19]}Z",
            "ms_played": play.duration_ms,
            "spotify_track_uri": play.track_uri,
            "master_metadata_track_name": play.track_name,
            "master_metadata_album_artist_name": play.album_artist_name,
            "reason_end": "trackdone",
        }
        rows += [row, row | {"ms_played": 1_000, "reason_end": "fwdbtn"}]
        rows[-1]["ts"] = times.to_text(times.from_text(row["ts"]) - timedelta(seconds=7))
    load = Load(
        STREAMING_HISTORY,
        account_id,
        batches=[to_batch(account_id, rows, Counter())],
        file=ExportFile("package", "Streaming_History_Audio_2026.json"),
    )
    write_load(warehouse.writer(), raw_streaming_history, load)


def dbt_build(settings: Settings) -> tuple[dict[str, Any], dict[str, str]]:
    """The manifest of a build, and the status of each node by its name."""
    results = dbt(settings, "build")
    manifest = json.loads(Path(settings.dbt_target, "manifest.json").read_text())
    return manifest, results


def dbt_run(settings: Settings, *arguments: str) -> None:
    """Run models in this process: one second each time but the first, of another process five."""
    results = dbt(settings, "run", *NO_JSON, *arguments)
    assert set(results.values()) == {"success"}, results


def dbt(settings: Settings, *arguments: str) -> dict[str, str]:
    """The status of each node by its name, of a command of dbt's in this process."""
    reuse_parsed_files(settings.dbt_target)
    artifacts = ["--target-path", str(settings.dbt_target), "--log-path", str(settings.dbt_target)]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(settings.data)
        for name, value in dbt_environment(settings, {}).items():
            patch.setenv(name, value)
        done = dbtRunner().invoke([*arguments, *artifacts, "--quiet"])
    assert done.exception is None, done.exception
    return {result.node.name: str(result.status) for result in done.result.results}  # type: ignore[union-attr]
