"""How long a login lives: six months, unless it is revoked, rotated away or never let in."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import requests

from spotify_assets.sandbox import tokens as token_endpoint
from spotify_assets.sandbox.grants import Grant
from spotify_assets_tests.unit.sandbox.client import App

MS = timedelta(milliseconds=1)
MARK = "mark+/=~._-MARK"


def dead(answer: requests.Response) -> str:
    assert answer.status_code == 400, answer.text
    body: dict[str, str] = answer.json()
    assert body.pop("error") == "invalid_grant"
    return body["error_description"]


@pytest.mark.parametrize(
    ("agreed", "ends"),
    [
        (datetime(2026, 1, 15, 12, 30, 0, 1000, UTC), datetime(2026, 7, 15, 12, 30, 0, 1000, UTC)),
        (datetime(2026, 8, 31, 23, 59, tzinfo=UTC), datetime(2027, 2, 28, 23, 59, tzinfo=UTC)),
        (datetime(2027, 8, 29, tzinfo=UTC), datetime(2028, 2, 29, tzinfo=UTC)),
    ],
)
@pytest.mark.parametrize("rotation", [False, True])
def test_a_login_ends_six_calendar_months_after_the_consent_however_often_it_is_refreshed(
    app: App, agreed: datetime, ends: datetime, rotation: bool
) -> None:
    app.sandbox.clock.set(agreed)
    app.sandbox.rotation = rotation
    code = app.code()
    app.sandbox.clock.advance(timedelta(minutes=5))  # the exchange is not what counts
    token = app.exchange(code).json()["refresh_token"]
    for moment in (agreed + timedelta(days=90), ends - MS):
        app.sandbox.clock.set(moment)
        fresh = app.refresh(token).json()
        token = fresh.get("refresh_token", token)
    app.sandbox.clock.set(ends)
    assert dead(app.refresh(token)) == "Refresh token expired"
    assert app.get("/me", fresh["access_token"]).status_code == 200, "has its own hour"


def test_a_new_consent_starts_six_new_months(app: App) -> None:
    old = app.log_in()["refresh_token"]
    app.sandbox.clock.advance(timedelta(days=100))
    new = app.log_in()["refresh_token"]
    app.sandbox.clock.advance(timedelta(days=100))
    assert dead(app.refresh(old)) == "Refresh token expired"
    assert app.refresh(new).status_code == 200


def test_a_revocation_ends_all_that_the_listener_granted_and_nobody_elses(app: App) -> None:
    first, second, other = app.log_in(), app.log_in(), app.log_in("jonas")
    code = app.code()
    assert app.admin("POST", "revoke", {"listener": "mira"}).json() == {"revoked": "mira"}
    for tokens in (first, second):
        assert dead(app.refresh(tokens["refresh_token"])) == "Refresh token revoked"
        answer = app.get("/me", tokens["access_token"])
        assert answer.status_code == 401
        assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
    assert dead(app.exchange(code)) == "Invalid authorization code"
    assert app.refresh(other["refresh_token"]).status_code == 200
    assert app.get("/me", other["access_token"]).status_code == 200


def test_after_a_revocation_one_can_log_in_again(app: App) -> None:
    app.log_in()
    app.sandbox.revoke("mira")
    tokens = app.log_in()
    assert app.get("/me", tokens["access_token"]).status_code == 200
    assert app.refresh(tokens["refresh_token"]).status_code == 200


def test_with_rotation_each_refresh_brings_a_new_token_and_kills_the_old_one(app: App) -> None:
    app.sandbox.rotation = True
    first = app.log_in()["refresh_token"]
    second = app.refresh(first).json()["refresh_token"]
    assert second != first
    assert dead(app.refresh(first)) == "Refresh token revoked"
    third = app.refresh(second).json()["refresh_token"]
    assert dead(app.refresh(second)) == "Refresh token revoked"
    assert app.refresh(third).status_code == 200
    app.sandbox.revoke("mira")
    assert dead(app.refresh(third)) == "Refresh token revoked"


def test_rotation_is_off_unless_configured_and_can_be_switched_at_any_time(
    app: App, make_app: Callable[..., App]
) -> None:
    token = app.log_in()["refresh_token"]
    assert app.admin("GET", "rotation").json() == {"rotation": False}
    assert "refresh_token" not in app.refresh(token).json()
    assert app.admin("PUT", "rotation", {"rotation": True}).json() == {"rotation": True}
    assert app.sandbox.rotation
    token = app.refresh(token).json()["refresh_token"]
    app.admin("PUT", "rotation", {"rotation": False})
    for _ in range(2):
        assert "refresh_token" not in app.refresh(token).json()
    assert make_app(rotation=True).admin("GET", "rotation").json() == {"rotation": True}


def test_of_many_refreshes_of_one_token_at_once_only_one_succeeds(app: App) -> None:
    app.sandbox.rotation = True
    token = app.log_in()["refresh_token"]
    with ThreadPoolExecutor(8) as together:
        answers = list(together.map(lambda _: app.refresh(token), range(16)))
    won = [answer for answer in answers if answer.status_code == 200]
    assert len(won) == 1
    assert {dead(answer) for answer in answers if answer not in won} == {"Refresh token revoked"}
    assert app.refresh(won[0].json()["refresh_token"]).status_code == 200


def test_two_refreshes_that_both_found_the_token_alive_do_not_both_succeed(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.sandbox.rotation = True
    token = app.log_in()["refresh_token"]
    both = threading.Barrier(2)
    check = token_endpoint._require_secret_or_pkce

    def meet_and_check(grant: Grant, has_secret: bool) -> None:
        both.wait(10)
        check(grant, has_secret)

    monkeypatch.setattr(token_endpoint, "_require_secret_or_pkce", meet_and_check)
    with ThreadPoolExecutor(2) as together:
        answers = list(together.map(lambda _: app.refresh(token).status_code, range(2)))
    assert sorted(answers) == [200, 400]


def test_a_refresh_with_wrong_credentials_spends_no_token(app: App) -> None:
    app.sandbox.rotation = True
    token = app.log_in()["refresh_token"]
    wrong = app.token(
        auth=("sandbox-client", "no"), grant_type="refresh_token", refresh_token=token
    )
    assert wrong.json()["error"] == "invalid_client"
    assert app.refresh(token).status_code == 200


def test_who_is_not_on_the_list_logs_in_as_usual_and_is_told_at_every_call(app: App) -> None:
    tokens = app.log_in()
    assert app.admin("GET", "not-listed").json() == {"not_listed": []}
    changed = app.admin("PUT", "not-listed", {"not_listed": ["mira"]})
    assert changed.json() == {"not_listed": ["mira"]}
    tokens = app.log_in()
    assert app.refresh(tokens["refresh_token"]).status_code == 200
    for path in ("/me", "/me/player/recently-played", "/tracks", "/nothing"):
        answer = app.get(path, tokens["access_token"])
        assert (answer.status_code, answer.text) == (
            403,
            "Check settings on developer.spotify.com/dashboard, the user may not be registered.",
        )
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert app.get(path, "made-up").status_code == 401, "the token comes first"
    assert app.get("/me", app.log_in("jonas")["access_token"]).status_code == 200
    app.admin("PUT", "not-listed", {"not_listed": []})
    assert app.get("/me", tokens["access_token"]).status_code == 200


def test_the_list_can_be_configured(make_app: Callable[..., App]) -> None:
    app = make_app(not_listed=("jonas",))
    assert app.sandbox.not_listed == ("jonas",)
    assert app.get("/me", app.log_in("jonas")["access_token"]).status_code == 403
    assert app.get("/me", app.log_in("mira")["access_token"]).status_code == 200
    with pytest.raises(ValueError, match="mira, jonas"):
        make_app(not_listed=("stranger",))


@pytest.mark.parametrize(
    ("method", "path", "body", "problem"),
    [
        ("PUT", "rotation", {"rotation": 1}, "true or false"),
        ("PUT", "rotation", {"on": True}, "exactly one member: rotation"),
        ("PUT", "rotation", [], "JSON object"),
        ("PUT", "rotation", None, "exactly one member: rotation"),
        ("PUT", "not-listed", {"not_listed": "mira"}, "a list"),
        ("PUT", "not-listed", {"not_listed": [7]}, "mira, jonas"),
        ("PUT", "not-listed", {"not_listed": ["stranger"]}, "mira, jonas"),
        ("POST", "revoke", {"listener": "stranger"}, "mira, jonas"),
        ("POST", "revoke", {"listener": None}, "mira, jonas"),
        ("POST", "revoke", {}, "exactly one member: listener"),
    ],
)
def test_a_switch_that_makes_no_sense_is_refused_and_changes_nothing(
    app: App, method: str, path: str, body: object, problem: str
) -> None:
    token = app.log_in()["access_token"]
    answer = app.admin(method, path, body)
    assert answer.status_code == 400
    assert problem in answer.json()["error"]
    assert (app.sandbox.rotation, app.sandbox.not_listed) == (False, ())
    assert app.get("/me", token).status_code == 200


def test_the_mark_is_in_every_code_and_token_and_they_work(make_app: Callable[..., App]) -> None:
    app = make_app(token_mark=MARK, rotation=True)
    code = app.code()
    tokens = app.exchange(code).json()
    fresh = app.refresh(tokens["refresh_token"]).json()
    issued = [
        code,
        *(given[kind] for given in (tokens, fresh) for kind in ("access_token", "refresh_token")),
    ]
    assert len(set(issued)) == 5
    assert all(MARK in one for one in issued)
    assert app.get("/me", fresh["access_token"]).status_code == 200
    assert app.refresh(fresh["refresh_token"]).status_code == 200


@pytest.mark.parametrize("mark", [" ", "a b", "ü", '"', "x" * 65, "a\n"])
def test_a_mark_that_no_token_can_hold_is_refused(make_app: Callable[..., App], mark: str) -> None:
    with pytest.raises(ValueError, match="mark"):
        make_app(token_mark=mark)
