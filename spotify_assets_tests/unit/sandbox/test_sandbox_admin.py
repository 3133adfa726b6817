from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import requests

from spotify_assets_tests.unit.sandbox.client import App


def post(app: App, body: object) -> requests.Response:
    return requests.post(f"{app.sandbox.url}/sandbox/clock", json=body, timeout=10)


def test_the_clock_can_be_read_set_moved_and_sped_up(app: App) -> None:
    url = f"{app.sandbox.url}/sandbox/clock"
    assert requests.get(url, timeout=10).json() == {"now": "2026-11-20T21:00:00.250Z", "speed": 0}
    moved = post(app, {"advance_seconds": 90.5}).json()
    assert moved == {"now": "2026-11-20T21:01:30.750Z", "speed": 0}
    assert post(app, {"now": "2026-01-01T01:00:00+01:00"}).json()["now"] == (
        "2026-01-01T00:00:00.000Z"
    )
    assert app.sandbox.clock.now() == datetime(2026, 1, 1, tzinfo=UTC)
    assert post(app, {"speed": 60}).json()["speed"] == 60
    assert app.sandbox.clock.speed == 60


@pytest.mark.parametrize(
    "body",
    [
        "x",
        [],
        {},
        {"advance": 5},
        {"now": "2026-01-01T00:00:00"},
        {"now": "soon"},
        {"now": 5},
        {"now": "1026-01-01T00:00:00Z"},
        {"advance_seconds": -1},
        {"advance_seconds": "5"},
        {"advance_seconds": 1e30},
        {"advance_seconds": None},
        {"speed": -1},
        {"speed": "fast"},
        {"speed": 1, "advance_seconds": 1},
    ],
)
def test_a_change_that_makes_no_sense_is_refused_and_changes_nothing(
    app: App, body: object
) -> None:
    answer = post(app, body)
    assert answer.status_code == 400
    assert answer.json().keys() == {"error"}
    assert app.sandbox.clock.now() == datetime(2026, 11, 20, 21, 0, 0, 250_000, tzinfo=UTC)
    assert app.sandbox.clock.speed == 0


def test_the_truth_is_told_up_to_now_oldest_first(app: App) -> None:
    plays = app.plays("mira", "2026-11-01T00:00:00Z")
    assert [play["played_at"] for play in plays] == sorted(play["played_at"] for play in plays)
    assert plays[-1]["played_at"] <= "2026-11-20T21:00:00.250Z"
    for play in plays:
        start = datetime.fromisoformat(play["started_at"])
        end = datetime.fromisoformat(play["played_at"])
        assert timedelta(milliseconds=play["ms_played"]) <= end - start
    future = app.plays("mira", "2026-11-20T21:00:00.250Z", end="2026-11-25T00:00:00Z")
    assert future
    assert future[0]["played_at"] > plays[-1]["played_at"]


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"listener": "nobody", "start": "2026-01-01T00:00:00Z"},
        {"listener": "mira"},
        {"listener": "mira", "start": "2026-01-01"},
        {"listener": "mira", "start": "2026-01-01T00:00:00Z", "end": "x"},
    ],
)
def test_a_question_that_makes_no_sense_is_refused(app: App, asked: dict[str, str]) -> None:
    answer = requests.get(f"{app.sandbox.url}/sandbox/plays", params=asked, timeout=10)
    assert answer.status_code == 400
    assert answer.json()["error"]
