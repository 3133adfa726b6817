"""The inbox: what rests in it is imported by a run, and what fails waits until it changes."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zipfile import ZipFile

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
from spotify_assets.spotify.export.files import HistoryFile
from spotify_assets.spotify.state import State
from spotify_assets.warehouse.tables import export_packages, raw_streaming_history
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
        path.parent.mkdir(parents=True, exist_ok=True)
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


def test_a_file_that_is_renamed_within_a_folder_is_tried_again(inbox: Inbox) -> None:
    path = inbox.put("my_spotify_data/hist.txt", [ROW])
    inbox.said()
    assert not inbox.run(inbox.requested()).success
    assert "Nothing new" in inbox.said()
    path.rename(path.with_name("hist.json"))
    inbox.said()
    assert inbox.run(inbox.requested()).success
    assert inbox.rows() == 1


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_link_is_an_error_since_what_it_leads_to_was_never_seen_to_rest(
    kind: str, inbox: Inbox, tmp_path: Path
) -> None:
    target = tmp_path / "elsewhere" / "endsong_0.json"
    target.parent.mkdir()
    target.write_text(json.dumps([ROW]), "utf-8")
    link = inbox.folder / ("endsong_0.json" if kind == "file" else "my_spotify_data")
    link.symlink_to(target if kind == "file" else target.parent)
    inbox.said()
    done = inbox.run(inbox.requested())
    assert not done.success
    (failure,) = done.filter_events(lambda event: event.is_step_failure)
    assert "It is a link" in str(failure.event_specific_data)
    assert inbox.rows() == 0
    assert link.is_symlink()
    assert "Nothing new" in inbox.said()


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


def during(inbox: Inbox, happens: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let something happen once, while the rows of a file are read."""
    read = HistoryFile.rows
    left = [happens]

    def read_meanwhile(file: HistoryFile, *arguments: Any) -> Iterator[list[Any]]:
        yield from read(file, *arguments)
        while left:
            left.pop()()

    monkeypatch.setattr(HistoryFile, "rows", read_meanwhile)


FOLDER = "Spotify Extended Streaming History"


@pytest.mark.parametrize("entry", ["my_spotify_data.zip", f"{FOLDER}/endsong_0.json"])
def test_what_changes_during_its_import_stays_and_is_imported_again(
    inbox: Inbox, entry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file renamed over the archive, and one added to the folder."""
    later = {**ROW, "ms_played": 1}

    def archive(path: Path, rows: list[dict[str, Any]]) -> None:
        with ZipFile(path, "w") as archive:
            archive.writestr("endsong_0.json", json.dumps(rows))

    def change() -> None:
        if entry.endswith(".zip"):
            archive(inbox.folder / ".new", [ROW, later])
            (inbox.folder / ".new").rename(inbox.folder / entry)
        else:
            inbox.put(f"{FOLDER}/endsong_1.json", [later])

    if entry.endswith(".zip"):
        archive(inbox.folder / entry, [ROW])
    else:
        inbox.put(entry, [ROW])
    inbox.said()
    during(inbox, change, monkeypatch)
    assert not inbox.run(inbox.requested()).success
    assert (inbox.folder / entry).exists()
    assert not (inbox.folder / "done").exists()
    packages = Warehouse(inbox.user.settings.warehouse_path).read(select(export_packages))
    assert packages == []  # it closes no gap
    inbox.said()
    assert inbox.run(inbox.requested()).success
    assert inbox.rows() == 2
    assert not (inbox.folder / entry).exists()


def test_a_folder_that_is_no_accounts_is_left_undecided(inbox: Inbox) -> None:
    """Jonas, who is to come, must not become a part of mira."""
    inbox.put("jonas/endsong_0.json", [ROW])
    inbox.said()
    assert "jonas: nobody can tell whose it is" in inbox.said()
    assert inbox.rows() == 0
    State(inbox.user.settings.state_path).add_account("jonas")
    inbox.said()
    assert inbox.run(inbox.requested()).success
    assert (inbox.folder / "done" / "jonas" / "endsong_0.json").exists()


def test_an_accounts_folder_is_found_in_either_form_of_unicode(inbox: Inbox) -> None:
    State(inbox.user.settings.state_path).add_account("jos\u00e9")
    inbox.put("jose\u0301/endsong_0.json", [ROW])
    inbox.said()
    assert inbox.run(inbox.requested()).success
    query = select(raw_streaming_history.c.account_id)
    found = Warehouse(inbox.user.settings.warehouse_path).read(query)
    assert [name for (name,) in found] == ["jos\u00e9"]


def test_a_folder_that_cannot_be_listed_is_an_error_and_none_of_it_is_imported(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox.put(f"{FOLDER}/endsong_0.json", [ROW])
    inbox.put(f"{FOLDER}/more/endsong_1.json", [ROW])
    walk = os.walk

    def refusing(top: Any, **options: Any) -> Iterator[Any]:
        for here, folders, files in walk(top, **options):
            if Path(here).name == "more" and "onerror" in options:
                options["onerror"](PermissionError(13, "Permission denied", str(here)))
            yield here, folders, files

    inbox.said()
    request = inbox.requested()
    monkeypatch.setattr(os, "walk", refusing)
    done = inbox.run(request)
    (failure,) = done.filter_events(lambda event: event.is_step_failure)
    assert "more cannot be listed: Permission denied" in str(failure.event_specific_data)
    assert inbox.rows() == 0


def test_the_done_may_lie_on_another_disk(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.rename

    def refusing(path: Path, target: Path) -> Path:
        if "done" in Path(target).parts:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refusing)
    path = inbox.put("endsong_0.json", [ROW])
    inbox.said()
    assert inbox.run(inbox.requested()).success
    assert (inbox.folder / "done" / "endsong_0.json").exists()
    assert not path.exists()


def test_what_comes_while_the_done_are_copied_to_another_disk_stays(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename, move = Path.rename, shutil.move

    def refusing(path: Path, target: Path) -> Path:
        if "done" in Path(target).parts:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return rename(path, target)

    def slowly(source: Path, target: Path) -> object:
        inbox.put(f"{FOLDER}/endsong_1.json", [{**ROW, "ms_played": 1}])
        return move(source, target)

    monkeypatch.setattr(Path, "rename", refusing)
    monkeypatch.setattr(shutil, "move", slowly)
    inbox.put(f"{FOLDER}/endsong_0.json", [ROW])
    inbox.said()
    assert inbox.run(inbox.requested()).success
    assert [path.name for path in (inbox.folder / FOLDER).iterdir()] == ["endsong_1.json"]


def test_no_account_can_take_the_name_of_the_done(inbox: Inbox) -> None:
    with pytest.raises(ValueError, match="the inbox's own"):
        State(inbox.user.settings.state_path).add_account("Done")
