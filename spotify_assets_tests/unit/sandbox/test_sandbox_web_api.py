from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from spotify_assets.sandbox.clock import to_ms
from spotify_assets.sandbox.server import Sandbox, SandboxConfig, create_app
from spotify_assets.times import to_text
from spotify_assets_tests.unit.sandbox.client import App

MISSING = "Missing/invalid/expired access token"


@pytest.fixture
def token(app: App) -> str:
    return str(app.log_in()["access_token"])


def message(answer: requests.Response) -> tuple[int, str]:
    body = answer.json()
    assert body.keys() == {"error"}
    assert body["error"].keys() == {"status", "message"}
    assert body["error"]["status"] == answer.status_code
    return answer.status_code, body["error"]["message"]


def ended(page: dict[str, Any]) -> list[int]:
    return [to_ms(datetime.fromisoformat(item["played_at"])) for item in page["items"]]


@pytest.mark.parametrize("path", ["/me", "/me/player/recently-played", "/nothing/here"])
def test_without_a_token_nothing_is_told(app: App, path: str) -> None:
    answer = app.get(path, None)
    assert message(answer) == (401, MISSING)
    assert answer.headers["WWW-Authenticate"] == (
        'Bearer realm="spotify", error="missing_token", error_description="No token provided"'
    )


def test_an_unknown_token_is_invalid(app: App) -> None:
    answer = app.get("/me", "made-up")
    assert message(answer) == (401, MISSING)
    assert answer.headers["WWW-Authenticate"] == (
        'Bearer realm="spotify", error="invalid_token", error_description="Invalid access token"'
    )


def test_a_refresh_token_is_no_access_token(app: App) -> None:
    assert app.get("/me", app.log_in()["refresh_token"]).status_code == 401


def test_an_access_token_lives_for_an_hour_of_the_sandboxs_clock(app: App, token: str) -> None:
    app.sandbox.clock.advance(timedelta(seconds=3599))
    assert app.get("/me", token).status_code == 200
    app.sandbox.clock.advance(timedelta(seconds=1))
    answer = app.get("/me", token)
    assert message(answer) == (401, "The access token expired")
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def test_me_is_the_person_who_agreed_without_the_removed_fields(app: App) -> None:
    people = [app.get("/me", app.log_in(name)["access_token"]).json() for name in ("mira", "jonas")]
    for name, me in zip(("mira", "jonas"), people, strict=True):
        assert me["id"] == name
        assert me["uri"] == f"spotify:user:{name}"
        assert me["href"] == f"{app.sandbox.api_url}/users/{name}"
        assert re.fullmatch(r"[0-9A-Za-z]{10}", me["account_id"])
        assert me.keys() == {
            *("account_id", "display_name", "external_urls", "href"),
            *("id", "images", "type", "uri"),
        }
    assert people[0]["account_id"] != people[1]["account_id"]


def test_a_slash_at_the_end_makes_no_difference(app: App, token: str) -> None:
    """Spotipy asks for `me/`."""
    for path in ("/me", "/me/player/recently-played"):
        with_slash = app.get(f"{path}/", token)
        assert with_slash.status_code == 200
        assert not with_slash.history
        assert with_slash.content == app.get(path, token).content


def test_recently_played_needs_its_scope_and_me_does_not(app: App) -> None:
    token = app.log_in(scope="user-top-read")["access_token"]
    assert message(app.recently_played(token)) == (403, "Insufficient client scope")
    assert app.get("/me", token).status_code == 200


@pytest.mark.parametrize("path", ["/", "/nothing", "/tracks/4uLU6hMCjMI75M1A2tKUQC", "/me/x"])
def test_what_is_not_there_is_not_found(app: App, token: str, path: str) -> None:
    assert message(app.get(path, token)) == (404, "Resource not found")


def test_the_newest_plays_are_those_that_had_ended_newest_first(app: App, token: str) -> None:
    page = app.recently_played(token, limit=50).json()
    now = app.sandbox.clock.now()
    truth = app.plays("mira", to_text(now - timedelta(days=20)))
    told = [(item["played_at"], item["track"]["uri"]) for item in page["items"]]
    assert told == [(play["played_at"], play["track_uri"]) for play in truth[:-51:-1]]
    assert [item["context"] and item["context"]["uri"] for item in page["items"]] == [
        play["context_uri"] for play in truth[:-51:-1]
    ]


def test_the_envelope_is_as_spotify_writes_it(app: App, token: str) -> None:
    page = app.recently_played(token, limit=48).json()
    times = ended(page)
    base = f"{app.sandbox.api_url}/me/player/recently-played"
    assert page.keys() == {"items", "next", "cursors", "limit", "href"}
    assert page["limit"] == 48
    assert page["href"] == f"{base}?limit=48"
    assert page["next"] == f"{base}?before={times[-1]}&limit=48"
    assert page["cursors"] == {"after": str(times[0]), "before": str(times[-1])}
    for item in page["items"]:
        assert item.keys() == {"track", "played_at", "context"}
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", item["played_at"])
        assert item["track"]["href"].startswith(f"{app.sandbox.api_url}/tracks/")
        if item["context"]:
            assert item["context"].keys() == {"type", "external_urls", "href", "uri"}


def test_every_kind_of_context_is_written_as_spotify_writes_it(app: App) -> None:
    seen = {}
    for day in range(30):
        app.sandbox.clock.set(datetime(2026, 10, 1, 22, tzinfo=UTC) + timedelta(days=day))
        token = app.log_in()["access_token"]
        for item in app.recently_played(token, limit=50).json()["items"]:
            context = item["context"]
            seen[context["type"] if context else None] = context
    assert seen.pop(None) is None
    assert seen.keys() == {"album", "artist", "playlist", "collection"}
    assert seen.pop("collection") == {
        "type": "collection",
        "external_urls": {"spotify": "https://open.spotify.com/collection/tracks"},
        "href": f"{app.sandbox.api_url}/me/tracks",
        "uri": "spotify:user:mira:collection",
    }
    for kind, context in seen.items():
        thing = context["uri"].removeprefix(f"spotify:{kind}:")
        assert re.fullmatch(r"[0-9A-Za-z]{22}", thing)
        assert context["href"] == f"{app.sandbox.api_url}/{kind}s/{thing}"
        assert context["external_urls"] == {"spotify": f"https://open.spotify.com/{kind}/{thing}"}


def test_the_limit_is_twenty_unless_asked_otherwise(app: App, token: str) -> None:
    assert len(app.recently_played(token).json()["items"]) == 20
    for limit in (1, 50):
        assert len(app.recently_played(token, limit=limit).json()["items"]) == limit


@pytest.mark.parametrize("limit", ["0", "51", "-1", "many", "", "1.5", "\u0665", "9" * 5000])
def test_any_other_limit_is_invalid(app: App, token: str, limit: str) -> None:
    assert message(app.recently_played(token, limit=limit)) == (400, "Invalid limit")


def test_after_and_before_exclude_each_other(app: App, token: str) -> None:
    status, _ = message(app.recently_played(token, after=1, before=2))
    assert status == 400


@pytest.mark.parametrize("name", ["after", "before"])
@pytest.mark.parametrize("value", ["", "yesterday", "-5", "1.5"])
def test_a_cursor_that_is_no_number_is_refused(app: App, token: str, name: str, value: str) -> None:
    assert message(app.recently_played(token, **{name: value})) == (400, f"Invalid {name}")


def test_beyond_the_fiftieth_play_there_is_an_empty_page(app: App, token: str) -> None:
    first = app.recently_played(token, limit=50).json()
    second = requests.get(
        first["next"], headers={"Authorization": f"Bearer {token}"}, timeout=10
    ).json()
    assert second == {
        "items": [],
        "next": None,
        "cursors": None,
        "limit": 50,
        "href": first["next"],
    }
    oldest = first["items"][-1]["played_at"]
    assert app.plays("mira", "2026-11-01T00:00:00Z", end=oldest)[:-1], "there are older plays"


@settings(deadline=None, max_examples=20)
@given(limit=st.integers(1, 50))
def test_following_next_tells_each_of_the_fifty_plays_once(_app: App, limit: int) -> None:
    token = _app.log_in()["access_token"]
    whole = _app.recently_played(token, limit=50).json()["items"]
    page = _app.recently_played(token, limit=limit).json()
    items = page["items"]
    while page["next"]:
        page = requests.get(
            page["next"], headers={"Authorization": f"Bearer {token}"}, timeout=10
        ).json()
        items += page["items"]
    assert items == whole


@settings(deadline=None, max_examples=40)
@given(
    place=st.integers(0, 49),
    shift=st.sampled_from([-86_400_000, -1, 0, 1, 86_400_000]),
    name=st.sampled_from(["after", "before"]),
    limit=st.integers(1, 50),
)
def test_a_cursor_cuts_the_window_exclusively(
    _app: App, place: int, shift: int, name: str, limit: int
) -> None:
    token = _app.log_in()["access_token"]
    whole = _app.recently_played(token, limit=50).json()
    cursor = ended(whole)[place] + shift
    page = _app.recently_played(token, limit=limit, **{name: cursor}).json()
    wanted = [at for at in ended(whole) if (at > cursor if name == "after" else at < cursor)]
    assert ended(page) == wanted[:limit]


def test_an_after_in_seconds_or_older_than_the_window_gives_the_newest(
    app: App, token: str
) -> None:
    newest = app.recently_played(token, limit=50).json()["items"]
    now = to_ms(app.sandbox.clock.now())
    for after in (0, now // 1000, now - 40 * 86_400_000):
        assert app.recently_played(token, limit=50, after=after).json()["items"] == newest


def test_two_looks_at_the_same_moment_are_the_same_to_the_byte(app: App, token: str) -> None:
    first = app.recently_played(token, limit=50)
    assert app.recently_played(token, limit=50).content == first.content


def test_a_new_play_appears_at_the_moment_it_ends_and_not_before(app: App, token: str) -> None:
    now = app.sandbox.clock.now()
    coming = app.plays("mira", to_text(now), end=to_text(now + timedelta(days=5)))[0]
    end = datetime.fromisoformat(coming["played_at"])
    app.sandbox.clock.set(end - timedelta(milliseconds=1))
    token = app.log_in()["access_token"]
    before = app.recently_played(token, limit=1).json()["items"][0]
    assert before["played_at"] < coming["played_at"]
    app.sandbox.clock.set(end)
    newest = app.recently_played(token, limit=1).json()["items"][0]
    assert newest["played_at"] == coming["played_at"]


def test_people_see_their_own_plays_only(app: App) -> None:
    mira, jonas = (
        app.recently_played(app.log_in(name)["access_token"], limit=50).json()["items"]
        for name in ("mira", "jonas")
    )
    assert not {item["played_at"] for item in mira} & {item["played_at"] for item in jonas}


def test_two_sandboxes_of_one_seed_tell_the_same_plays(
    app: App, make_app: Callable[..., App]
) -> None:
    other = make_app()
    pages = []
    for one in (app, other):
        page = one.recently_played(one.log_in()["access_token"], limit=50)
        pages.append(page.text.replace(one.sandbox.url, "SANDBOX"))
    assert pages[0] == pages[1]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/me"),
        ("GET", "/v1/me/player/recently-played"),
        ("GET", "/v1/nothing"),
        ("POST", "/api/token"),
        ("GET", "/authorize"),
        ("GET", "/sandbox/clock"),
        ("GET", "/nowhere"),
        ("DELETE", "/authorize"),
    ],
)
@pytest.mark.parametrize("with_token", [True, False])
def test_the_date_of_every_answer_is_the_sandboxs(
    app: App, token: str, method: str, path: str, with_token: bool
) -> None:
    answer = requests.request(
        method,
        f"{app.sandbox.url}{path}",
        headers={"Authorization": f"Bearer {token}"} if with_token else {},
        timeout=10,
    )
    assert answer.headers["Date"] == "Fri, 20 Nov 2026 21:00:00 GMT"


def test_names_arrive_in_utf_8_as_they_are_in_the_catalogue(make_app: Callable[..., App]) -> None:
    app = make_app(always_on=True)
    answer = app.recently_played(app.log_in()["access_token"], limit=50)
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    told = [item["track"]["name"] for item in answer.json()["items"]]
    truth = app.plays("mira", to_text(app.sandbox.clock.now() - timedelta(days=1)))
    assert told == [play["track_name"] for play in truth[:-51:-1]]
    foreign = [name for name in told if not name.isascii()]
    assert foreign
    assert all(json.dumps(name, ensure_ascii=False).encode() in answer.content for name in foreign)


def test_who_is_always_on_has_something_new_within_minutes(make_app: Callable[..., App]) -> None:
    app = make_app(always_on=True)
    token = app.log_in()["access_token"]
    first = app.recently_played(token, limit=50).json()
    app.sandbox.clock.advance(timedelta(minutes=30))
    new = app.recently_played(token, limit=50, after=first["cursors"]["after"]).json()["items"]
    assert 1 <= len(new) <= 50


RECORDED: dict[str, Any] = {
    "items": [
        {"track": {"name": "b", "uri": "spotify:track:b"}, "played_at": "2026-12-01T10:00:00.497Z"},
        {"track": None, "played_at": "not a time"},
        {"track": {"name": "a", "uri": "spotify:track:a"}, "played_at": "2026-12-01T09:00:00Z"},
    ],
    "next": "https://api.example.org/next",
    "cursors": None,
    "odd": "kept",
}


def record(path: Path, content: object) -> Path:
    text = json.dumps(content, indent=3) if not isinstance(content, str) else content
    path.write_bytes(text.encode() + b"\n\n")
    return path


def test_a_recorded_response_is_served_to_the_byte_to_everybody(
    make_app: Callable[..., App], tmp_path: Path
) -> None:
    path = record(tmp_path / "page.json", RECORDED)
    app = make_app(recently_played=path)
    for name in ("mira", "jonas"):
        for limit in ({}, {"limit": 1}, {"limit": 50}):
            answer = app.recently_played(app.log_in(name)["access_token"], **limit)
            assert answer.content == path.read_bytes()
            assert answer.headers["Content-Type"] == "application/json; charset=utf-8"


def test_beyond_a_recorded_response_there_is_nothing(
    make_app: Callable[..., App], tmp_path: Path
) -> None:
    app = make_app(recently_played=record(tmp_path / "page.json", RECORDED))
    token = app.log_in()["access_token"]
    oldest = to_ms(datetime(2026, 12, 1, 9, tzinfo=UTC))
    page = app.recently_played(token, limit=50, before=oldest).json()
    assert (page["items"], page["next"], page["cursors"]) == ([], None, None)
    newer = app.recently_played(token, limit=50, after=oldest).json()
    assert newer["items"] == [RECORDED["items"][0]]


def test_a_recorded_response_is_never_dated_before_its_newest_play(
    make_app: Callable[..., App], tmp_path: Path
) -> None:
    app = make_app(recently_played=record(tmp_path / "page.json", RECORDED))
    token = app.log_in()["access_token"]
    newest = datetime.fromisoformat("2026-12-01T10:00:00.497Z")
    dated = parsedate_to_datetime(app.recently_played(token).headers["Date"])
    assert newest <= dated < newest + timedelta(seconds=1)
    app.sandbox.clock.set(datetime(2027, 1, 1, tzinfo=UTC))
    answer = app.recently_played(app.log_in()["access_token"])
    assert answer.headers["Date"] == "Fri, 01 Jan 2027 00:00:00 GMT"


def test_a_recorded_response_needs_token_scope_and_limit_too(
    make_app: Callable[..., App], tmp_path: Path
) -> None:
    app = make_app(recently_played=record(tmp_path / "page.json", RECORDED))
    assert app.recently_played("made-up").status_code == 401
    assert app.recently_played(app.log_in(scope="")["access_token"]).status_code == 403
    assert app.recently_played(app.log_in()["access_token"], limit=51).status_code == 400


@pytest.mark.parametrize("content", ["<html>", "[]", '{"items": null}', "{}"])
def test_a_file_that_is_no_recorded_response_is_refused_by_name(
    tmp_path: Path, content: str
) -> None:
    path = record(tmp_path / "page.json", content)
    with pytest.raises(ValueError, match=r"page\.json"):
        create_app(SandboxConfig(recently_played=path))


def test_a_recorded_response_without_plays_is_served_too(
    make_app: Callable[..., App], tmp_path: Path
) -> None:
    path = record(tmp_path / "page.json", {"items": []})
    app = make_app(recently_played=path)
    answer = app.recently_played(app.log_in()["access_token"])
    assert answer.content == path.read_bytes()
    assert answer.headers["Date"] == "Fri, 20 Nov 2026 21:00:00 GMT"


def test_logs_hold_no_token_code_or_query(app: App, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        callback = ""
        tokens = app.log_in(state="very-secret-state")
        app.recently_played(tokens["access_token"], limit=7)
        callback = app.callbacks[-1]
    own = [r for r in caplog.records if r.name.startswith(("spotify_assets", "werkzeug", "flask"))]
    told = "\n".join(record.getMessage() for record in own)
    assert "GET /v1/me/player/recently-played 200" in told
    code = dict(pair.split("=") for pair in callback.partition("?")[2].split("&"))["code"]
    for secret in (*(str(tokens[k]) for k in ("access_token", "refresh_token")), code):
        assert secret not in told
    assert "?" not in told
    assert "very-secret-state" not in told


def test_a_taken_port_is_an_error_that_can_be_caught(app: App) -> None:
    port = int(app.sandbox.url.rpartition(":")[2])
    with pytest.raises(OSError):
        Sandbox(SandboxConfig(), port=port)


def test_after_its_end_a_sandbox_answers_no_more_and_its_port_is_free() -> None:
    with Sandbox() as sandbox:
        port = int(sandbox.url.rpartition(":")[2])
        assert requests.get(f"{sandbox.url}/sandbox/clock", timeout=10).ok
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{sandbox.url}/sandbox/clock", timeout=10)
    with Sandbox(port=port) as again:
        assert again.url == sandbox.url


def test_the_environment_is_all_a_client_needs(app: App) -> None:
    assert app.sandbox.environment() == {
        "SPOTIFY_API_URL": app.sandbox.api_url,
        "SPOTIFY_ACCOUNTS_URL": app.sandbox.accounts_url,
        "SPOTIFY_CLIENT_ID": "sandbox-client",
        "SPOTIFY_REDIRECT_URI": app.redirect_uri,
    }
    assert app.sandbox.url.startswith("http://127.0.0.1:")


@pytest.mark.parametrize("listeners", [(), ("",), ("a b",), ("<x>",), ("a/b",)])
def test_people_who_cannot_have_an_account_are_refused(listeners: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="listener"):
        SandboxConfig(listeners=listeners)
