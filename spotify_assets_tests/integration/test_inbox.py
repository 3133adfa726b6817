"""The inbox: what rests in it is imported by a run, and what fails waits until it changes."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import func, select

from spotify_assets import times
from spotify_assets.defs.ingestion.inbox import import_job
from spotify_assets.defs.ingestion.streaming_history import streaming_history
from spotify_assets.defs.sensors import inbox_sensor
from spotify_assets.sandbox.catalogue import Catalogue
from spotify_assets.sandbox.export import write_extended
from spotify_assets.sandbox.listener import Listener
from spotify_assets.spotify.state import State
from spotify_assets.warehouse.tables import raw_streaming_history
from spotify_assets.warehouse.warehouse import Warehouse
from spotify_assets_tests.support import User

END = datetime(2026, 2, 1, 4, tzinfo=UTC)
ROW = {"ts": "2026-01-05T10:00:00Z", "ms_played": 200_000, "spotify_track_uri": "spotify:track:1"}


class Clock:
    """The clock of the rooms, turned by hand."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 18, tzinfo=UTC)

    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)


class Inbox:
    """Somebody's inbox, with ticks of its sensor one after the other."""

    def __init__(self, user: User, instance: dg.DagsterInstance, clock: Clock) -> None:
        self.user, self.instance, self.clock = user, instance, clock
        self.folder = user.settings.inbox
        self.folder.mkdir(parents=True)
        self.cursor: str | None = None

    def put(self, name: str, rows: list[dict[str, Any]]) -> Path:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(rows), "utf-8")
        return path

    def tick(self, after: int = 30) -> dg.SensorResult:
        self.clock.wait(after)
        with dg.build_sensor_context(instance=self.instance, cursor=self.cursor) as context:
            result = inbox_sensor(context)
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor
        return result

    def said(self, after: int = 30) -> str:
        result = self.tick(after)
        assert not result.run_requests
        return str(result.skip_reason)

    def requested(self, after: int = 30) -> dg.RunRequest:
        result = self.tick(after)
        assert result.run_requests
        (request,) = result.run_requests
        return request

    def run(self, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
        return import_job.execute_in_process(
            instance=self.instance, run_config=dict(request.run_config), raise_on_error=False
        )

    def rows(self) -> int:
        query = select(func.count()).select_from(raw_streaming_history)
        found = Warehouse(self.user.settings.warehouse_path).read(query)
        return int(found[0][0]) if found else 0


@pytest.fixture
def inbox(present: User, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> Inbox:
    """The inbox of somebody with one account."""
    clock = Clock()
    monkeypatch.setattr(times, "now", lambda: clock.now)
    present.settings.make_data_folder()
    State(present.settings.state_path).add_account("mira")
    return Inbox(present, instance, clock)


def test_a_download_is_imported_once_it_has_rested_and_moves_aside(inbox: Inbox) -> None:
    assert "Nothing new" in inbox.said()
    listener = Listener("mira", Catalogue(2026), 2026)
    archive = inbox.folder / "my_spotify_data.zip"
    write_extended(archive, listener, END - timedelta(days=20), END)
    assert "come to rest" in inbox.said()
    assert "come to rest" in inbox.said(after=29)
    request = inbox.requested(after=1)
    assert request.run_key is None
    done = inbox.run(request)
    assert done.success
    assert inbox.rows() > 100
    assert not archive.exists()
    assert (inbox.folder / "done" / "my_spotify_data.zip").exists()
    event = inbox.instance.get_latest_materialization_event(streaming_history.key)
    assert event is not None
    assert event.asset_materialization is not None
    assert event.asset_materialization.metadata["dagster/row_count"].value == inbox.rows()
    assert "Nothing new" in inbox.said()


def test_a_file_that_still_grows_is_not_touched(inbox: Inbox) -> None:
    path = inbox.put("endsong_0.json", [ROW])
    for number in range(3):
        assert "come to rest" in inbox.said(after=60)
        path.write_text(json.dumps([ROW] * (number + 2)), "utf-8")


def test_a_file_that_changed_after_the_tick_is_left_to_the_next(inbox: Inbox) -> None:
    path = inbox.put("endsong_0.json", [ROW])
    inbox.said()
    request = inbox.requested()
    path.write_text(json.dumps([ROW, {**ROW, "ms_played": 1}]), "utf-8")
    assert inbox.run(request).success
    assert inbox.rows() == 0
    assert path.exists()


def test_a_clock_that_is_set_back_only_makes_it_wait_longer(inbox: Inbox) -> None:
    inbox.put("endsong_0.json", [ROW])
    inbox.said()
    assert "come to rest" in inbox.said(after=-86_400)
    inbox.requested()


def test_what_cannot_be_read_fails_the_run_stays_and_is_tried_again_when_it_changes(
    inbox: Inbox,
) -> None:
    path = inbox.put("endsong_0.json", [ROW])
    path.write_text('[{"ts": ', "utf-8")
    inbox.said()
    request = inbox.requested()
    done = inbox.run(request)
    assert not done.success
    (failure,) = done.filter_events(lambda event: event.is_step_failure)
    assert "cut short" in str(failure.event_specific_data)
    assert path.exists()
    assert "Nothing new" in inbox.said()
    assert "Nothing new" in inbox.said(after=3600)
    path.write_text(json.dumps([ROW]), "utf-8")
    inbox.said()
    assert inbox.run(inbox.requested()).success
    assert inbox.rows() == 1


def test_a_run_that_died_is_asked_for_again_but_not_beside_one_that_lives(inbox: Inbox) -> None:
    inbox.put("endsong_0.json", [ROW])
    inbox.said()
    inbox.requested()
    run = inbox.instance.create_run_for_job(import_job, status=dg.DagsterRunStatus.STARTED)
    assert "queued or running" in inbox.said()
    inbox.instance.report_run_failed(run)
    inbox.requested()


def test_of_several_accounts_the_folder_says_whose_it_is(inbox: Inbox) -> None:
    State(inbox.user.settings.state_path).add_account("jonas")
    inbox.put("endsong_0.json", [ROW])
    inbox.put("jonas/endsong_0.json", [ROW, {**ROW, "ms_played": 1}])
    inbox.said()
    request = inbox.requested()
    assert inbox.run(request).success
    assert inbox.rows() == 2
    assert (inbox.folder / "done" / "jonas" / "endsong_0.json").exists()
    assert "endsong_0.json: nobody can tell whose it is" in inbox.said()


def test_a_file_whose_name_is_no_text_is_imported_or_stays_like_any_other(inbox: Inbox) -> None:
    good, bad = (os.fsdecode(name + b"\xff.json") for name in (b"good", b"bad"))
    inbox.put(good, [ROW])
    inbox.put(bad, []).write_bytes(b"[")
    inbox.tick()
    assert not inbox.run(inbox.requested()).success
    assert inbox.rows() == 1
    assert [path.name for path in (inbox.folder / "done").iterdir()] == [good]
    assert (inbox.folder / bad).exists()
    assert "Nothing new" in inbox.said()


def test_a_second_file_of_one_name_does_not_replace_the_first_among_the_done(inbox: Inbox) -> None:
    for length in (1, 2):
        inbox.put("endsong_0.json", [{**ROW, "ms_played": length}])
        inbox.said()
        assert inbox.run(inbox.requested()).success
    done = sorted(path.name for path in (inbox.folder / "done").iterdir())
    assert done == ["endsong_0 (2).json", "endsong_0.json"]
    assert inbox.rows() == 2


def test_somebody_elses_cursor_is_no_cursor(inbox: Inbox) -> None:
    inbox.put("endsong_0.json", [ROW])
    for cursor in ("none", "[]", '{"endsong_0.json": 5}', '{"endsong_0.json": ["a"]}'):
        inbox.cursor = cursor
        assert "come to rest" in inbox.said()
