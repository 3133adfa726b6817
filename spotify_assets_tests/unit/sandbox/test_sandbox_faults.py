"""The faults of answers, each over real HTTP, and the switchboard."""

from __future__ import annotations

import http.client
import json
import re
import socket
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from spotify_assets.sandbox.answer_faults import ANSWER_FAULTS
from spotify_assets.sandbox.record_faults import RECORD_FAULTS
from spotify_assets.sandbox.server import Sandbox, SandboxConfig
from spotify_assets.sandbox.world_faults import WORLD_FAULTS
from spotify_assets_tests.unit.sandbox.client import NOW, App

JSON = "application/json; charset=utf-8"
HTML = "text/html; charset=utf-8"
TEXT = "text/plain; charset=utf-8"
PREMIUM = (
    "Active premium subscription required for the owner of the app. When the subscription status "
    "changes, it can take a few hours before requests are allowed again."
)
NOT_LISTED = "Check settings on developer.spotify.com/dashboard, the user may not be registered."
AT_ONCE = {"slow": {"seconds": 0}, "dripping": {"seconds": 0}}
# Those whose answer cannot be read as one.
BROKEN = {"cut_off", "reset", "answer_lost"}
NAMES = [fault.name for fault in ANSWER_FAULTS]


@pytest.fixture
def token(app: App) -> str:
    return str(app.log_in()["access_token"])


def connection_to(sandbox: Sandbox) -> socket.socket:
    parts = urlsplit(sandbox.url)
    return socket.create_connection((parts.hostname, parts.port or 0), timeout=10)


def api(status: int, message: str | None = None, reason: str | None = None) -> str:
    told = {"status": status, "message": message, "reason": reason}
    kept = {name: value for name, value in told.items() if value is not None}
    return json.dumps({"error": kept}, separators=(",", ":")) + "\n"


LIMITED, MISSING = "API rate limit exceeded", "Missing/invalid/expired access token"
ANSWERS: list[tuple[str, dict[str, Any], int, str, str | None, str | None]] = [
    ("rate_limited", {}, 429, api(429, LIMITED), JSON, "2"),
    ("rate_limited", {"retry_after": 7}, 429, api(429, LIMITED), JSON, "7"),
    ("rate_limited", {"retry_after": None}, 429, api(429, LIMITED), JSON, None),
    ("rate_limited_for_a_day", {}, 429, api(429, LIMITED), JSON, "79892"),
    ("rate_limited_plain", {}, 429, "Too many requests", TEXT, "2"),
    (
        "quota_exceeded",
        {},
        429,
        api(429, "Too many requests", "QUOTA_EXCEEDED"),
        JSON,
        "43200",
    ),
    ("unauthorized", {}, 401, api(401, MISSING), JSON, None),
    ("forbidden_scope", {}, 403, api(403, "Insufficient client scope"), JSON, None),
    ("forbidden_not_listed", {}, 403, NOT_LISTED, TEXT, None),
    ("forbidden_premium", {}, 403, api(403, PREMIUM), JSON, None),
    ("forbidden", {}, 403, api(403, "Forbidden"), JSON, None),
    ("forbidden_no_message", {}, 403, api(403), JSON, None),
    (
        "forbidden_premium_required",
        {},
        403,
        api(403, "Player command failed: Premium required", "PREMIUM_REQUIRED"),
        JSON,
        None,
    ),
    ("server_error_empty", {}, 503, "", None, None),
    ("server_error_json", {}, 500, api(500, "Server error"), JSON, None),
    ("other_shape", {}, 200, '{"data":[]}\n', JSON, None),
    ("other_shape", {"body": [1, None]}, 200, "[1,null]\n", JSON, None),
    ("other_shape", {"body": None}, 200, "null\n", JSON, None),
]


@pytest.mark.parametrize(
    ("name", "parameters", "status", "body", "content_type", "retry_after"), ANSWERS
)
def test_a_fault_answers_as_spotify_does(
    app: App,
    token: str,
    name: str,
    parameters: dict[str, Any],
    status: int,
    body: str,
    content_type: str | None,
    retry_after: str | None,
) -> None:
    app.sandbox.faults.on(name, **parameters)
    answer = app.recently_played(token)
    assert (answer.status_code, answer.text) == (status, body)
    assert answer.headers.get("Content-Type") == content_type
    assert answer.headers.get("Retry-After") == retry_after
    assert answer.headers["Content-Length"] == str(len(answer.content))
    app.sandbox.faults.off(name)
    assert app.recently_played(token).status_code == 200


@pytest.mark.parametrize(("name", "status"), [("server_error_html", 502), ("not_json", 200)])
def test_a_page_comes_instead_of_json(app: App, token: str, name: str, status: int) -> None:
    app.sandbox.faults.on(name)
    answer = app.recently_played(token)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, HTML)
    assert answer.text.startswith("<!doctype html>")


def test_an_unauthorized_answer_says_more_in_its_header(app: App, token: str) -> None:
    app.sandbox.faults.on("unauthorized")
    assert app.get("/me", token).headers["WWW-Authenticate"] == (
        'Bearer realm="spotify", error="invalid_token", error_description="Invalid access token"'
    )


@pytest.mark.parametrize(
    ("name", "status", "body"),
    [
        ("invalid_grant", 400, ("invalid_grant", "Refresh token revoked")),
        ("invalid_client", 400, ("invalid_client", "Invalid client")),
        ("unauthorized", 401, ("invalid_client", None)),
        ("forbidden", 403, ("access_denied", "Forbidden")),
        ("forbidden_no_message", 403, ("access_denied", None)),
        ("rate_limited", 429, ("temporarily_unavailable", LIMITED)),
        ("quota_exceeded", 429, ("temporarily_unavailable", "Too many requests")),
        ("server_error_json", 500, ("server_error", "Server error")),
    ],
)
def test_at_the_accounts_host_an_error_has_that_hosts_form(
    app: App, name: str, status: int, body: tuple[str, str | None]
) -> None:
    app.sandbox.faults.on(name, path="/api/token")
    answer = app.refresh("any")
    told = answer.json()
    assert answer.status_code == status
    assert (told["error"], told.get("error_description")) == body
    assert answer.headers["Cache-Control"] == "no-store"


def test_the_words_of_the_accounts_hosts_faults_can_be_chosen(app: App) -> None:
    app.sandbox.faults.on("invalid_grant", description="Invalid refresh token", times=1)
    assert app.refresh("any").json()["error_description"] == "Invalid refresh token"


def test_a_truncated_answer_has_the_length_of_its_cut(app: App, token: str) -> None:
    whole = app.recently_played(token, limit=3).content
    app.sandbox.faults.on("truncated")
    answer = app.recently_played(token, limit=3)
    assert answer.status_code == 200
    assert answer.content == whole[: len(whole) // 2]
    assert answer.headers["Content-Length"] == str(len(whole) // 2)


def test_an_answer_that_is_cut_off_promises_the_whole(app: App, token: str) -> None:
    whole = app.recently_played(token, limit=3).content
    app.sandbox.faults.on("cut_off")
    parts = urlsplit(app.sandbox.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    headers = {"Authorization": f"Bearer {token}"}
    connection.request("GET", "/v1/me/player/recently-played?limit=3", headers=headers)
    answer = connection.getresponse()
    assert answer.status == 200
    assert answer.getheader("Content-Length") == str(len(whole))
    with pytest.raises(http.client.IncompleteRead) as broken:
        answer.read()
    assert broken.value.partial == whole[: len(whole) // 2]
    connection.close()


@pytest.mark.parametrize("name", ["slow", "dripping"])
def test_a_late_answer_is_the_real_one(app: App, token: str, name: str) -> None:
    whole = app.recently_played(token, limit=3)
    app.sandbox.faults.on(name, seconds=0.01)
    answer = app.recently_played(token, limit=3)
    assert answer.content == whole.content
    assert answer.headers["Content-Length"] == whole.headers["Content-Length"]
    assert answer.headers["Date"] == whole.headers["Date"]


@pytest.mark.parametrize("name", ["slow", "dripping"])
def test_an_answer_that_would_take_a_day_ends_at_once_when_the_sandbox_stops(name: str) -> None:
    with ExitStack() as stack:
        sandbox = stack.enter_context(Sandbox(SandboxConfig(now=NOW, speed=0)))
        sandbox.faults.on(name, path="/authorize", seconds=86_400, times=1)
        parts = urlsplit(sandbox.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        connection.request("GET", "/authorize")
        for _ in range(1000):
            if sandbox.faults.get(name) is None:  # the request has met it
                break
            requests.get(f"{sandbox.url}/sandbox/clock", timeout=10)
        assert sandbox.faults.get(name) is None
        stack.close()
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            connection.getresponse().read()
        connection.close()


@pytest.mark.parametrize("name", ["reset", "answer_lost"])
def test_a_reset_is_a_real_one_and_the_sandbox_goes_on(app: App, token: str, name: str) -> None:
    app.sandbox.faults.on(name, times=1)
    with connection_to(app.sandbox) as client:
        host = app.sandbox.url.removeprefix("http://")
        request = f"GET /v1/me HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n"
        client.sendall(request.encode())
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    assert app.get("/me", token).status_code == 200


def test_a_reset_leaves_the_request_undone_and_a_lost_answer_does_not(app: App) -> None:
    app.sandbox.rotation = True
    token = app.log_in()["refresh_token"]
    app.sandbox.faults.on("reset", path="/api/token", times=1)
    with pytest.raises(requests.ConnectionError):
        app.refresh(token)
    token = app.refresh(token).json()["refresh_token"]
    app.sandbox.faults.on("answer_lost", path="/api/token", times=1)
    with pytest.raises(requests.ConnectionError):
        app.refresh(token)
    assert app.refresh(token).json()["error_description"] == "Refresh token revoked"


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"slow", "dripping"}))
def test_an_error_leaves_a_code_unused_and_a_changed_answer_does_not(app: App, name: str) -> None:
    fault = next(fault for fault in ANSWER_FAULTS if fault.name == name)
    code = app.code()
    app.sandbox.faults.on(name, path="/api/token", times=1)
    try:
        app.exchange(code)
    except requests.RequestException:
        assert name in BROKEN
    again = app.exchange(code)
    assert again.status_code == (200 if fault.instead else 400)


@pytest.mark.parametrize("name", NAMES)
def test_a_fault_acts_so_many_times_and_switches_itself_off(
    app: App, token: str, name: str
) -> None:
    undisturbed = app.get("/me", token).content
    app.sandbox.faults.on(name, path="/v1", times=2, **AT_ONCE.get(name, {}))
    for left in (1, None):
        if name in BROKEN:
            with pytest.raises(requests.RequestException):
                app.get("/me", token)
        else:
            answer = app.get("/me", token)
            assert name in AT_ONCE or answer.content != undisturbed
        on = app.sandbox.faults.describe()[NAMES.index(name)]["on"]
        assert (on and on["times"]) == left  # type: ignore[index]
    assert app.get("/me", token).content == undisturbed


def test_times_are_counted_right_when_many_ask_at_once(app: App, token: str) -> None:
    app.sandbox.faults.on("server_error_json", times=5)
    with ThreadPoolExecutor(8) as together:
        answers = list(together.map(lambda _: app.get("/me", token).status_code, range(20)))
    assert sorted(answers) == [200] * 15 + [500] * 5


@pytest.mark.parametrize(
    ("path", "hit", "missed"),
    [
        ("/v1", ["/v1/me", "/v1/nothing"], ["/api/token", "/authorize"]),
        ("/v1/me/player", ["/v1/me/player/recently-played"], ["/v1/me"]),
        ("/api/token", ["/api/token"], ["/v1/me"]),
        ("/", ["/v1/me", "/api/token", "/authorize", "/nowhere"], []),
    ],
)
def test_a_fault_acts_on_paths_that_begin_so_and_never_on_the_administration(
    app: App, path: str, hit: list[str], missed: list[str]
) -> None:
    app.sandbox.faults.on("server_error_empty", path=path)
    for asked in hit:
        assert requests.get(f"{app.sandbox.url}{asked}", timeout=10).status_code == 503, asked
    for asked in [*missed, "/sandbox/clock", "/sandbox/faults"]:
        assert requests.get(f"{app.sandbox.url}{asked}", timeout=10).status_code != 503, asked


def test_a_fault_of_one_listener_leaves_the_others_alone(app: App) -> None:
    mira, jonas = app.log_in(), app.log_in("jonas")
    codes = {name: app.code(name) for name in ("mira", "jonas")}
    app.sandbox.faults.on("server_error_json", path="/", listener="mira")
    assert app.get("/me", mira["access_token"]).status_code == 500
    assert app.refresh(mira["refresh_token"]).status_code == 500
    assert app.exchange(codes["mira"]).status_code == 500
    assert app.get("/me", jonas["access_token"]).status_code == 200
    assert app.refresh(jonas["refresh_token"]).status_code == 200
    assert app.exchange(codes["jonas"]).status_code == 200
    assert app.get("/me", None).status_code == 401
    app.sandbox.clock.advance(timedelta(hours=2))
    assert app.get("/me", mira["access_token"]).status_code == 500, "an expired token tells too"


def test_what_was_switched_on_first_acts_first_until_it_is_used_up(app: App, token: str) -> None:
    app.sandbox.faults.on("rate_limited", times=1)
    app.sandbox.faults.on("forbidden", times=2)
    app.sandbox.faults.on("server_error_json", times=1)
    app.sandbox.faults.on("forbidden", times=1)  # anew, behind the others
    seen = [app.get("/me", token).status_code for _ in range(4)]
    assert seen == [429, 500, 403, 200]


def test_the_administration_lists_switches_and_ends_faults(app: App, token: str) -> None:
    def listed(answer: requests.Response) -> dict[str, Any]:
        assert answer.status_code == 200
        return {fault["name"]: fault for fault in answer.json()["faults"]}

    faults = listed(app.admin("GET", "faults"))
    assert list(faults) == [fault.name for fault in (*ANSWER_FAULTS, *WORLD_FAULTS, *RECORD_FAULTS)]
    assert {fault["on"] for fault in faults.values()} == {None}
    assert faults["rate_limited"] == {
        "name": "rate_limited",
        "description": "429 with a Retry-After of seconds",
        "parameters": {"path": "/v1", "times": None, "listener": None, "retry_after": 2},
        "on": None,
    }
    on = listed(app.admin("PUT", "faults/rate_limited", {"retry_after": 9}))["rate_limited"]["on"]
    assert on == {"path": "/v1", "times": None, "listener": None, "retry_after": 9}
    assert app.get("/me", token).headers["Retry-After"] == "9"
    app.admin("PUT", "faults/rate_limited")
    assert app.get("/me", token).headers["Retry-After"] == "2", "anew, with its defaults"
    app.admin("PUT", "faults/frozen")
    left = listed(app.admin("DELETE", "faults/rate_limited"))
    assert [name for name, fault in left.items() if fault["on"] is not None] == ["frozen"]
    assert app.get("/me", token).status_code == 200
    left = listed(app.admin("DELETE", "faults"))
    assert not [name for name, fault in left.items() if fault["on"] is not None]
    assert app.admin("DELETE", "faults/rate_limited").status_code == 200, "off is off"


@pytest.mark.parametrize(
    ("name", "body", "problem"),
    [
        ("no_such", {}, "there is no fault 'no_such'; there are: rate_limited,"),
        ("slow", {"minutes": 1}, "slow takes no 'minutes'; it takes: path, times, listener, s"),
        ("slow", {"seconds": -1}, "seconds of slow must be a number of seconds up to a day"),
        ("slow", {"seconds": "9"}, "not '9'"),
        ("slow", {"seconds": True}, "not True"),
        ("slow", {"seconds": float("nan")}, "not nan"),
        ("slow", {"seconds": 10**400}, "seconds of slow must be"),
        ("reset", {"path": "/\ud800"}, "path of reset must be"),
        ("invalid_grant", {"description": "\ud800"}, "description of invalid_grant must be text"),
        ("other_shape", {"body": ["\ud800"]}, "body of other_shape must be any JSON"),
        ("slow", {"path": "v1"}, "from its first slash on"),
        ("slow", {"path": None}, "from its first slash on"),
        ("slow", {"times": 0}, "a number of answers"),
        ("slow", {"times": 1.5}, "a number of answers"),
        ("slow", {"listener": "stranger"}, "'stranger' has no account; there are: mira, jonas"),
        ("slow", {"listener": 7}, "the id of a listener"),
        ("rate_limited", {"retry_after": 1.5}, "a whole number of seconds"),
        ("invalid_grant", {"description": None}, "must be text"),
        ("late_arrivals", {"share": 1.1}, "from 0 to 1"),
        ("late_arrivals", {"hours": 721}, "up to 720"),
        ("late_arrivals", {"path": "/v1"}, "it takes: hours, share"),
        ("frozen", {"hours": "1"}, "or null"),
        ("short_plays", {"hours": 1}, "it takes: nothing"),
        ("slow", [], "a JSON object"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused_and_changes_nothing(
    app: App, name: str, body: Any, problem: str
) -> None:
    answer = requests.put(
        f"{app.sandbox.url}/sandbox/faults/{name}",
        data=json.dumps(body),
        headers={"Content-Type": "application/json"},
        timeout=10,
    )
    assert answer.status_code == 400
    assert problem in answer.json()["error"]
    if isinstance(body, dict):
        with pytest.raises(ValueError, match=re.escape(problem)):
            app.sandbox.faults.on(name, **body)
    assert {fault["on"] for fault in app.sandbox.faults.describe()} == {None}


def test_an_unknown_fault_cannot_be_switched_off(app: App) -> None:
    assert app.admin("DELETE", "faults/no_such").status_code == 400
    with pytest.raises(ValueError, match="no_such"):
        app.sandbox.faults.off("no_such")


def test_a_client_that_does_not_wait_for_its_answer_does_no_harm(
    app: App, token: str, capfd: pytest.CaptureFixture[str]
) -> None:
    app.sandbox.faults.on("dripping", seconds=0.2, times=1)
    with connection_to(app.sandbox) as client:
        host = app.sandbox.url.removeprefix("http://")
        request = f"GET /v1/me HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n"
        client.sendall(request.encode())
        client.recv(1)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert app.get("/me", token).status_code == 200
    app.sandbox.faults.on("reset", times=1)
    with pytest.raises(requests.ConnectionError):
        app.get("/me", token)
    assert "Traceback" not in "".join(capfd.readouterr())


def test_every_sandbox_has_faults_of_its_own(app: App, make_app: Callable[..., App]) -> None:
    other = make_app()
    app.sandbox.faults.on("server_error_empty")
    assert app.get("/me", None).status_code == 503
    assert other.get("/me", None).status_code == 401


def test_another_origin_uses_up_no_fault_and_reads_none(app: App) -> None:
    app.sandbox.faults.on("other_shape", body={"secret": 1}, times=1)
    for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
        answer = requests.get(f"{app.sandbox.api_url}/me", headers=headers, timeout=10)
        assert answer.status_code == 403
        assert "secret" not in answer.text
    assert app.sandbox.faults.get("other_shape") is not None


@pytest.mark.parametrize(
    ("method", "path", "content"),
    [
        ("PUT", "faults/slow", '{"name": 1}'),
        ("PUT", "faults/slow", '{"self": 1}'),
        ("PUT", "faults/slow", "[" * 30_000),
        ("POST", "clock", '{"a":' * 10_000),
        ("GET", "plays?listener=mira&start=0001-01-01T00:00:00Z&end=0001-01-01T00:00:00Z", ""),
        ("GET", "plays?listener=mira&start=9999-12-31T00:00:00Z&end=9999-12-31T23:59:59Z", ""),
    ],
)
def test_what_makes_no_sense_to_the_administration_is_refused(
    app: App, method: str, path: str, content: str
) -> None:
    answer = requests.request(
        method,
        f"{app.sandbox.url}/sandbox/{path}",
        data=content,
        headers={"Content-Type": "application/json"},
        timeout=10,
    )
    assert answer.status_code == 400
    assert answer.json()["error"]
