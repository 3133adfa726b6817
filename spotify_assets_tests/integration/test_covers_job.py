"""Covers as a Dagster run: started where there is something to fetch, and green whatever comes."""

import dagster as dg
import pytest

from spotify_assets.covers.folder import CoverFolder
from spotify_assets.covers.wanted import albums
from spotify_assets.definitions import defs
from spotify_assets.defs.operations.covers import covers
from spotify_assets.sandbox.server import Sandbox
from spotify_assets.warehouse.warehouse import Warehouse
from spotify_assets_tests.support import User


@pytest.fixture
def modelled(copied_user: User, monkeypatch: pytest.MonkeyPatch) -> User:
    """Who refreshed, as the one whom this process works for."""
    for name, value in copied_user.settings.environment().items():
        monkeypatch.setenv(name, value)
    return copied_user


def run(job: str, instance: dg.DagsterInstance) -> dict[str, object]:
    done = defs.resolve_job_def(job).execute_in_process(instance=instance)
    (event,) = done.filter_events(lambda event: event.is_successful_output)
    return {name: value.value for name, value in event.step_output_data.metadata.items()}


def test_the_job_fetches_what_is_lacking_and_the_schedule_then_starts_none(
    modelled: User, instance: dg.DagsterInstance
) -> None:
    assert isinstance(covers(), dg.RunRequest)
    done = run("covers_job", instance)
    wanted = albums(Warehouse(modelled.settings.warehouse_path))
    assert done["fetched"] == len(wanted) > 10
    folder = CoverFolder(modelled.settings.covers)
    assert all(len(folder.names(key)) == 2 for key in wanted)
    assert isinstance(covers(), dg.SkipReason)


def test_a_host_that_fails_fails_no_run(
    modelled: User, instance: dg.DagsterInstance, still_spotify: Sandbox
) -> None:
    still_spotify.faults.on("server_error_empty", path="/image")
    try:
        done = run("covers_job", instance)
    finally:
        still_spotify.faults.off()
    assert done["fetched"] == 0
    assert "does not answer" in str(done["stopped"])


def test_turned_off_nothing_is_started(
    modelled: User, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPOTIFY_ASSETS_COVERS", "off")
    assert isinstance(covers(), dg.SkipReason)
    assert run("covers_job", instance)["fetched"] == 0
    assert not modelled.settings.covers.exists()
