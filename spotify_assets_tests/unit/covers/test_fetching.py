"""Covers come once, from one host, and only if they are images; a failure stops nobody else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING

import pytest
from filelock import Timeout

from spotify_assets import times
from spotify_assets.covers import fetching
from spotify_assets.covers.fetching import Fetched, alone, fetch_covers, has_work
from spotify_assets.covers.folder import LARGEST_FILE, CoverFolder
from spotify_assets.settings import Settings
from spotify_assets.spotify import transport
from spotify_assets_tests.unit.covers.conftest import PICTURE, Library, album_key, track_path

if TYPE_CHECKING:
    from spotify_assets_tests.unit.conftest import Reply, Serve

A_PICTURE: Reply = (200, {"Content-Type": "image/png"}, PICTURE)
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


def covers_of(settings: Settings) -> dict[str, bytes]:
    """What is kept, by name."""
    found = [path for path in settings.covers.iterdir() if path.suffix != ".later"]
    return {path.name: path.read_bytes() for path in found if path.name != "called"}


def let_pass(monkeypatch: pytest.MonkeyPatch, length: timedelta) -> None:
    moment = times.now() + length
    monkeypatch.setattr(times, "now", lambda: moment)


def test_a_cover_comes_once_unaltered_without_a_login_and_is_its_owners_alone(
    serve: Serve, library: Library
) -> None:
    server = serve(A_PICTURE)
    settings = library(server, 3)
    assert has_work(settings)
    told: list[tuple[int, int]] = []
    assert fetch_covers(settings, lambda *far: told.append(far)) == Fetched(fetched=3)
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert sorted(seen.path for seen in server.seen) == ["/image/0", "/image/1", "/image/2"]
    for seen in server.seen:
        assert not {"authorization", "cookie"} & {name.lower() for name in seen.headers}
    assert list(covers_of(settings).values()) == [PICTURE] * 3
    assert settings.covers.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in settings.covers.iterdir()} == {0o600}
    assert not has_work(settings)
    assert fetch_covers(settings) == Fetched()
    assert len(server.seen) == 3


def test_the_nearest_images_are_fetched_and_the_medium_one_makes_it_complete(
    serve: Serve, library: Library
) -> None:
    server = serve(A_PICTURE)
    images = [{"url": f"{server.url}/image/{width}", "width": width} for width in (640, 300, 64)]
    settings = library(server, 1, images)
    fetch_covers(settings)
    assert [seen.path for seen in server.seen] == ["/image/64", "/image/300"]
    assert CoverFolder(settings.covers).names(album_key(0)).keys() == {64, 300}


HOSTILE: dict[str, Reply] = {
    "a page that says it is an image": (200, {"Content-Type": "image/jpeg"}, b"<!doctype html>"),
    "a picture that runs scripts": (200, {"Content-Type": "image/svg+xml"}, SVG),
    "20 MB": (200, {"Content-Type": "image/jpeg"}, b"\xff\xd8\xff" + bytes(20_000_000)),
    "one byte too many": (200, {}, PICTURE + bytes(LARGEST_FILE + 1 - len(PICTURE))),
    "another kind of image": (200, {"Content-Type": "image/gif"}, b"GIF89a" + bytes(40)),
    "nothing": (200, {"Content-Type": "image/png"}, b""),
    "cut, and its length with it": (200, {"Content-Type": "image/png"}, PICTURE[:-20]),
    "cut off": (200, {"Content-Length": str(len(PICTURE))}, PICTURE[:-20]),
    "not found": (404, {"Content-Type": "image/png"}, PICTURE),
    "an outage": (503, {}, b""),
    "a part": (206, {}, PICTURE),
}


@pytest.mark.parametrize("reply", HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_whole_image_is_not_kept_nor_asked_for_again_for_a_while(
    reply: Reply, serve: Serve, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(reply, A_PICTURE)
    settings = library(server)
    assert fetch_covers(settings) == Fetched(failed=1)
    assert covers_of(settings) == {}
    assert not has_work(settings)
    assert fetch_covers(settings) == Fetched()
    assert len(server.seen) == 1
    let_pass(monkeypatch, timedelta(days=31))
    assert fetch_covers(settings) == Fetched(fetched=1)
    assert list(covers_of(settings).values()) == [PICTURE]


def test_a_redirect_leads_nowhere(serve: Serve, library: Library) -> None:
    elsewhere = serve(A_PICTURE)
    server = serve((302, {"Location": f"{elsewhere.url}/image/0"}, b""))
    settings = library(server)
    assert fetch_covers(settings) == Fetched(failed=1)
    assert elsewhere.seen == []
    assert covers_of(settings) == {}


def test_an_answer_that_never_ends_is_given_up_and_the_next_one_is_asked_for(
    serve: Serve, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response_only(200)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        handler.wfile.write(PICTURE[:100])
        over.wait(30)

    monkeypatch.setattr(transport, "READ_SECONDS", 0.05)
    server = serve(drip, A_PICTURE)
    try:
        assert fetch_covers(library(server, 2)) == Fetched(fetched=1, failed=1)
    finally:
        over.set()


def test_a_failure_of_one_does_not_stop_the_others(serve: Serve, library: Library) -> None:
    gone: Reply = (404, {}, b"")
    server = serve(*[gone] * 6, A_PICTURE)
    assert fetch_covers(library(server, 8)) == Fetched(fetched=2, failed=6)


def test_a_host_that_is_away_is_not_asked_for_all(serve: Serve, library: Library) -> None:
    server = serve((500, {}, b""))
    done = fetch_covers(library(server, 8))
    assert (done.failed, done.waiting) == (5, 3)
    assert "does not answer" in str(done.stopped)
    assert len(server.seen) == 5


@pytest.mark.parametrize(
    ("retry_after", "before", "after"),
    [("30", 59, 61), ("7200", 7199, 7201), ("soon", 59, 61), ("9" * 30, 86_399, 86_401)],
)
def test_the_host_is_left_alone_for_as_long_as_it_asks(
    retry_after: str,
    before: int,
    after: int,
    serve: Serve,
    library: Library,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = serve(A_PICTURE, (429, {"Retry-After": retry_after}, b""), A_PICTURE)
    settings = library(server, 4)
    now = times.now()
    monkeypatch.setattr(times, "now", lambda: now)
    done = fetch_covers(settings)
    assert (done.fetched, done.failed, done.waiting) == (1, 0, 3)
    assert "stay away until" in str(done.stopped)
    monkeypatch.setattr(times, "now", lambda: now + timedelta(seconds=before))
    assert not has_work(settings)
    assert fetch_covers(settings).fetched == 0
    assert len(server.seen) == 2
    monkeypatch.setattr(times, "now", lambda: now + timedelta(seconds=after))
    assert has_work(settings)
    assert fetch_covers(settings) == Fetched(fetched=3)


KILLED = """
import os, signal
from pathlib import Path
from spotify_assets.covers.fetching import fetch_covers
from spotify_assets.settings import Settings

def die(path, target):
    os.kill(os.getpid(), signal.SIGKILL)

Path.replace = die
fetch_covers(Settings.load(env_file=None))
"""


def test_what_a_kill_between_download_and_rename_leaves_is_completed_by_the_next_time(
    serve: Serve, library: Library
) -> None:
    server = serve(A_PICTURE)
    settings = library(server, 2)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED],
        env={"PATH": os.environ["PATH"], **settings.environment()},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert [path.suffix for path in settings.covers.iterdir()] == [".partial"]
    assert CoverFolder(settings.covers).names(album_key(0)) == {}
    assert fetch_covers(settings) == Fetched(fetched=2)
    assert list(covers_of(settings).values()) == [PICTURE] * 2


def test_two_at_once_are_one(serve: Serve, library: Library) -> None:
    server = serve(A_PICTURE)
    settings = library(server)
    with alone(settings):
        assert "Another process" in str(fetch_covers(settings).stopped)
        with pytest.raises(Timeout), alone(settings):
            pass
    assert server.seen == []


def test_turned_off_nobody_is_asked(serve: Serve, library: Library) -> None:
    server = serve(A_PICTURE)
    settings = library(server)
    off = Settings.load(settings.environment() | {"SPOTIFY_ASSETS_COVERS": "off"}, env_file=None)
    assert not has_work(off)
    assert fetch_covers(off) == Fetched(stopped=fetching.OFF)
    assert server.seen == []
    assert not off.covers.exists()


def test_a_full_folder_takes_no_more(
    serve: Serve, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "LARGEST_FOLDER", 2 * LARGEST_FILE + len(PICTURE))
    server = serve(A_PICTURE)
    done = fetch_covers(library(server, 3))
    assert (done.fetched, done.waiting) == (2, 1)
    assert "full" in str(done.stopped)


def test_each_time_has_an_end(
    serve: Serve, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "MOST_ALBUMS_AT_ONCE", 2)
    settings = library(serve(A_PICTURE), 5)
    done = [fetch_covers(settings) for _ in range(4)]
    assert [(each.fetched, each.waiting) for each in done] == [(2, 3), (2, 1), (1, 0), (0, 0)]


def test_nothing_to_do_where_nothing_was_played(settings: Settings) -> None:
    assert not has_work(settings)
    assert fetch_covers(settings) == Fetched()
    assert not settings.covers.exists()


def track(url: str) -> Reply:
    """An answer about a track whose album has an image at this address."""
    body = {"album": {"images": [{"url": url, "width": 300}]}}
    return (200, {"Content-Type": "application/json"}, json.dumps(body).encode())


def test_of_an_album_without_a_known_image_the_web_api_is_asked_with_a_login(
    serve: Serve, library: Library
) -> None:
    server = serve()
    settings = library(server, 1, images=[])
    server.replies += [track(f"{server.url}/image/new"), A_PICTURE]
    assert fetch_covers(settings) == Fetched(fetched=1, calls=1)
    asked, fetched = server.seen
    assert asked.path == track_path(0)
    assert asked.headers["Authorization"].startswith("Bearer ")
    assert fetched.path == "/image/new"
    assert "Authorization" not in fetched.headers
    assert not has_work(settings)


NO_IMAGE: dict[str, Reply] = {
    "an unknown track": (404, {}, b'{"error": {"status": 404}}'),
    "no album": (200, {}, b"{}"),
    "another shape": (200, {}, b'{"album": {"images": {"url": 1}}}'),
    "an image elsewhere": track("http://127.0.0.1:1/image/1"),
}


@pytest.mark.parametrize("reply", NO_IMAGE.values(), ids=NO_IMAGE)
def test_a_track_that_leads_to_no_image_is_not_asked_for_again_for_a_while(
    reply: Reply, serve: Serve, library: Library
) -> None:
    server = serve(reply)
    settings = library(server, 1, images=[])
    assert fetch_covers(settings) == Fetched(failed=1, calls=1)
    assert not has_work(settings)
    assert len(server.seen) == 1


def test_a_wait_that_is_asked_for_one_track_is_for_all_and_images_still_come(
    serve: Serve, library: Library
) -> None:
    server = serve((429, {"Retry-After": "7200"}, b""))
    settings = library(server, 3, images=[])
    assert fetch_covers(settings) == Fetched(waiting=3, calls=1)
    assert not has_work(settings)
    assert fetch_covers(settings) == Fetched(waiting=3)
    assert len(server.seen) == 1
