"""A large import beside a running `dev`: looks, runs and pages go on, the inbox empties itself."""

import json
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from spotify_assets import times
from spotify_assets.sandbox.catalogue import Catalogue
from spotify_assets.sandbox.export import write_extended
from spotify_assets.sandbox.listener import Listener
from spotify_assets.spotify.state import State
from spotify_assets.warehouse.pending import has_unmodelled_loads
from spotify_assets.warehouse.warehouse import Warehouse
from spotify_assets_tests.e2e.killing import statuses
from spotify_assets_tests.e2e.test_ui import served
from spotify_assets_tests.support import NOW, User, sandbox, user_of, wait_for

SPEED = 60  # a play of three minutes ends every three seconds
LONGEST_SILENCE = 90  # s; the sensor looks every 30
NEXT_LOOK_SOON = 22  # s after one, so that the next falls into the import
SLOWEST_ANSWER = 30  # s
RUNS = "{ runsOrError(limit: 500) { ... on Runs { results { status jobName } } } }"
UNFINISHED = {"QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING"}


class Watch:
    """Looks at the accounts and asks the UI, twice a second, until it is told to stop."""

    def __init__(self, user: User, url: str) -> None:
        self.looks: list[float] = []  # when each was seen
        self.answers: list[float] = []  # seconds
        self.faults: list[str] = []
        self._user, self._url = user, url
        self._last_look: str | None = None

    def until(self, stop: threading.Event) -> None:
        while not stop.wait(0.5):
            try:
                self._look()
                self._ask()
            except Exception as error:  # noqa: BLE001 # told by the test
                self.faults.append(repr(error))

    def _look(self) -> None:
        (account,) = State(self._user.settings.state_path).accounts()
        if account.last_look_at != self._last_look:
            self._last_look = account.last_look_at
            self.looks.append(time.monotonic())

    def _ask(self) -> None:
        for ask in (partial(asked, self._url), partial(information, self._url)):
            began = time.monotonic()
            assert ask()
            self.answers.append(time.monotonic() - began)


@contextmanager
def watched(user: User, url: str) -> Iterator[Watch]:
    watch, stop = Watch(user, url), threading.Event()
    thread = threading.Thread(target=watch.until, args=(stop,))
    thread.start()
    try:
        yield watch
    finally:
        stop.set()
        thread.join()


def information(url: str) -> Any:
    with urllib.request.urlopen(f"{url}/server_info", timeout=SLOWEST_ANSWER) as answer:
        return json.load(answer)


def asked(url: str) -> list[dict[str, str]]:
    """The runs that the UI knows."""
    request = urllib.request.Request(
        f"{url}/graphql",
        json.dumps({"query": RUNS}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=SLOWEST_ANSWER) as answer:
        runs: list[dict[str, str]] = json.load(answer)["data"]["runsOrError"]["results"]
    return runs


def value(user: User, query: str, **values: object) -> Any:
    warehouse = Warehouse(user.settings.warehouse_path)
    return warehouse.read(text(query).bindparams(**values))[0][0]


@pytest.mark.soak
def test_a_large_import_beside_dev_lets_looks_runs_and_pages_go_on(tmp_path: Path) -> None:
    # As the sandbox's own listener, so that what he plays meanwhile is his.
    mira = Listener("mira", Catalogue(2026), 2026, always_on=True)
    large, small = tmp_path / "my_spotify_data.zip", tmp_path / "earlier.zip"
    write_extended(large, mira, NOW - timedelta(days=770), NOW)
    write_extended(small, mira, NOW - timedelta(days=800), NOW - timedelta(days=770))
    log = tmp_path / "dev.log"
    with sandbox(always_on=True, listeners=("mira",), speed=SPEED) as spotify:
        user = user_of(spotify.environment(), tmp_path / "user")
        user.log_in("mira")
        warehouse = Warehouse(user.settings.warehouse_path)
        with served(user, log) as url:
            wait_for(lambda: any(run["status"] == "SUCCESS" for run in asked(url)), seconds=240)
            with watched(user, url) as watch:
                looks = len(watch.looks)
                wait_for(lambda: len(watch.looks) > looks + 1, seconds=LONGEST_SILENCE)
                played = times.to_text(spotify.clock.now())
                time.sleep(NEXT_LOOK_SOON)
                user.settings.inbox.mkdir(mode=0o700, exist_ok=True)
                (user.settings.inbox / small.name).write_bytes(small.read_bytes())

                began = time.monotonic()
                process = user.start("import", str(large), "--json")
                said, complaints = process.communicate(timeout=900)
                ended = time.monotonic()
                assert process.returncode == 0, complaints
                wait_for(lambda: len(watch.looks) and watch.looks[-1] > ended, LONGEST_SILENCE)
                ticks = sum(began < look < ended for look in watch.looks)

                # What came meanwhile is in raw, and what lay in the inbox, too.
                newest = "select max(played_at) > :played from raw_recently_played"
                wait_for(lambda: value(user, newest, played=played), seconds=600)
                arrived = time.monotonic()
                wait_for((user.settings.inbox / "done" / small.name).exists, seconds=600)
                emptied = time.monotonic()
                spotify.clock.speed = 0
                wait_for(
                    lambda: (
                        not has_unmodelled_loads(warehouse)
                        and not any(run["status"] in UNFINISHED for run in asked(url))
                    ),
                    seconds=600,
                )
                modelled = time.monotonic()
            runs = asked(url)
    silence = max(b - a for a, b in zip(watch.looks, watch.looks[1:], strict=False))
    answer = json.loads(said)
    print(
        f"{answer['rows_read']:,} rows in {ended - began:.0f} s, {ticks} looks meanwhile, longest"
        f" silence {silence:.0f} s; slowest of {len(watch.answers)} answers"
        f" {max(watch.answers):.2f} s; after the import: new plays in raw {arrived - ended:.0f} s,"
        f" inbox empty {emptied - ended:.0f} s, all modelled {modelled - ended:.0f} s;"
        f" {len(runs)} runs: {sorted({run['jobName'] for run in runs})}"
    )

    assert watch.faults == []
    assert silence < LONGEST_SILENCE
    assert ticks
    assert {run["status"] for run in runs} == {"SUCCESS"}
    assert {"import_job", "refresh_job"} <= {run["jobName"] for run in runs}
    assert {status.value for status in statuses(user)} == {"SUCCESS"}
    assert "Traceback" not in log.read_text()

    assert answer["rows_read"] > 300_000
    assert answer["rows_read"] == sum(file["rows_read"] for file in answer["files"])
    assert_that_the_sums_hold(user, more_than=answer["rows_loaded"])
    assert_that_no_play_is_missing(user, mira)


def assert_that_the_sums_hold(user: User, more_than: int) -> None:
    of_exports = "select sum(rows_loaded) from loads where source = 'streaming_history'"
    there = value(user, "select count(*) from raw_streaming_history")
    assert value(user, of_exports) == there > more_than
    differing = (
        "select count(*) from loads where source = 'streaming_history' and rows_loaded <>"
        " (select count(*) from raw_streaming_history as plays where plays.load_id = loads.load_id)"
    )
    assert value(user, differing) == 0


def assert_that_no_play_is_missing(user: User, listener: Listener) -> None:
    """From the first to the last one that a page listed."""
    assert value(user, "select count(*) from open_gaps") == 0
    query = text("select played_at from raw_recently_played order by played_at")
    listed = [play.played_at for play in Warehouse(user.settings.warehouse_path).read(query)]
    first, last = times.from_text(listed[0]), times.from_text(listed[-1])
    plays = listener.plays(first - timedelta(milliseconds=1), last)
    assert listed == [times.to_text(play.ended_at) for play in plays]
