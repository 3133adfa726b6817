"""Who may look at the dashboard: nobody but with the password, where others can reach it."""

import json
import stat
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

from spotify_assets import times
from spotify_assets.cli import main
from spotify_assets.outputs.dashboard import password as password_file
from spotify_assets.outputs.dashboard.app import app
from spotify_assets.outputs.dashboard.guesses import (
    MOST_OF_ALL,
    MOST_OF_ONE,
    WITHIN,
    Guesses,
    TooManyGuesses,
)
from spotify_assets.outputs.dashboard.login import COOKIE
from spotify_assets.outputs.dashboard.password import MOST_SESSIONS, SESSION_LASTS, Access
from spotify_assets.outputs.dashboard.serving import serve
from spotify_assets.same_origin import hosts_of
from spotify_assets.settings import Settings, SettingsError

PHONE = "http://192.168.1.20:3030"
HERE = "http://127.0.0.1:3030"
PASSWORD = "zwölf Äpfel & <b>"
PAGES = ("/", "/top?kind=tracks&period=all", "/when", "/artists/one?key=x", "/static/other.js")


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(password_file, "N", 2)
    monkeypatch.setattr(password_file, "P", 1)


@pytest.fixture
def access(settings: Settings) -> Access:
    access = Access(settings.dashboard_password)
    access.set_password(PASSWORD)
    return access


@pytest.fixture
def phone(settings: Settings) -> TestClient:
    """A browser on another device, at a dashboard that listens on all addresses."""
    pages = app(settings, (), hosts_of(3030, ["192.168.1.20:3030"]))
    return TestClient(pages, base_url=PHONE, follow_redirects=False)


@pytest.fixture
def here(settings: Settings) -> TestClient:
    """A browser on this machine, at a dashboard on 127.0.0.1 with a forwarded port."""
    pages = app(settings, hosts_of(3030), ["192.168.1.20:3030"])
    return TestClient(pages, base_url=HERE, follow_redirects=False)


def log_in(client: TestClient, password: str = PASSWORD, **fields: str) -> httpx.Response:
    origin = str(client.base_url).rstrip("/")
    fields = {"password": password, **fields}
    answer: httpx.Response = client.post("/login", data=fields, headers={"Origin": origin})
    return answer


def is_let_in(client: TestClient) -> bool:
    answer: httpx.Response = client.get("/")
    assert answer.status_code in (200, 303, 403, 503)
    assert ("Nothing to show yet" in answer.text) == (answer.status_code == 200)
    return answer.status_code == 200


@pytest.mark.usefixtures("access")
@pytest.mark.parametrize("path", PAGES)
def test_without_a_login_each_address_leads_to_the_login_page_and_back(
    path: str, phone: TestClient
) -> None:
    answer = phone.get(path)
    assert (answer.status_code, answer.text) == (303, "")
    assert phone.head(path).status_code == 303
    page = phone.get(answer.headers["Location"])
    assert page.status_code == 200
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "form-action 'self'" in page.headers["Content-Security-Policy"]
    assert "<script" not in page.text
    assert "Overview" not in page.text
    wanted = httpx.URL(answer.headers["Location"]).params["next"]
    assert log_in(phone, next=wanted).headers["Location"] == path


@pytest.mark.usefixtures("access")
def test_without_a_login_there_are_the_looks_of_the_page_and_nothing_else(
    phone: TestClient,
) -> None:
    for name in ("charts.css", "look.css", "icon.svg"):
        assert phone.get(f"/static/{name}").status_code == 200
    for path in (
        "/static",
        "/static/",
        "/static/x.css",
        "//static/look.css",
        "/static/look.css/..",
    ):
        assert phone.get(path).status_code == 303, path
    for method in ("OPTIONS", "POST", "PUT", "DELETE", "PATCH", "TRACE", "BREW"):
        answer = phone.request(method, "/top", headers={"Origin": PHONE})
        assert (answer.status_code, answer.text) == (403, "Log in first, at /login.\n"), method


@pytest.mark.usefixtures("access")
def test_who_logged_in_sees_the_pages_for_thirty_days(
    phone: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = log_in(phone)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    cookie = answer.headers["Set-Cookie"]
    for attribute in ("HttpOnly", "SameSite=strict", "Path=/", "Max-Age=2592000"):
        assert attribute in cookie
    assert "Secure" not in cookie
    assert "Domain" not in cookie
    assert is_let_in(phone)
    secret = phone.cookies[COOKIE]
    later = times.now() + SESSION_LASTS
    monkeypatch.setattr(times, "now", lambda: later)
    assert phone.get("/", headers={"Cookie": f"{COOKIE}={secret}"}).status_code == 303


@pytest.mark.usefixtures("access")
def test_a_browser_that_asked_by_https_never_sends_the_cookie_without(settings: Settings) -> None:
    pages = app(settings, (), ["listening.example.org"])
    proxied = TestClient(pages, base_url="http://listening.example.org", follow_redirects=False)
    origin = {"Origin": "https://listening.example.org"}
    answer = proxied.post("/login", data={"password": PASSWORD}, headers=origin)
    assert "Secure" in answer.headers["Set-Cookie"]


@pytest.mark.usefixtures("access")
def test_a_cookie_that_nobody_was_given_is_none(phone: TestClient, settings: Settings) -> None:
    log_in(phone)
    secret = phone.cookies[COOKIE]
    stored = settings.dashboard_password.read_text()
    assert secret not in stored
    (key,) = json.loads(stored)["sessions"]
    phone.cookies.clear()
    for forged in ("", key, secret[:-1], f"{secret}x", secret.upper(), '"', "ä", "x" * 9000):
        headers = {"Cookie": f"{COOKIE}={forged}".encode("latin-1")}
        assert phone.get("/", headers=headers).status_code == 303, forged


def test_a_new_password_ends_all_sessions_and_so_does_its_removal(
    phone: TestClient, access: Access
) -> None:
    log_in(phone)
    assert is_let_in(phone)
    access.set_password("another one")
    assert not is_let_in(phone)
    assert log_in(phone).status_code == 403
    assert log_in(phone, "another one").status_code == 303
    assert is_let_in(phone)
    assert access.remove_password()
    assert phone.get("/").status_code == 403
    access.set_password("another one")
    assert not is_let_in(phone)


@pytest.mark.usefixtures("access")
def test_logging_out_ends_the_session_and_not_only_the_cookie(phone: TestClient) -> None:
    log_in(phone)
    secret = phone.cookies[COOKIE]
    page = phone.get("/").text
    assert '<form method="post" action="/logout">' in page
    assert phone.get("/logout").status_code == 404  # a link of another page ends nothing
    assert phone.post("/logout", headers={"Origin": "http://evil.example"}).status_code == 403
    assert is_let_in(phone)
    answer = phone.post("/logout", headers={"Origin": PHONE})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/login")
    assert COOKIE not in phone.cookies
    assert phone.get("/", headers={"Cookie": f"{COOKIE}={secret}"}).status_code == 303


@pytest.mark.usefixtures("access")
def test_a_login_ends_no_other_but_the_oldest_of_very_many(phone: TestClient) -> None:
    log_in(phone)
    first = phone.cookies[COOKIE]
    for _ in range(MOST_SESSIONS - 1):
        log_in(phone)
    assert phone.get("/", headers={"Cookie": f"{COOKIE}={first}"}).status_code == 200
    log_in(phone)
    assert is_let_in(phone)
    phone.cookies.clear()
    assert phone.get("/", headers={"Cookie": f"{COOKIE}={first}"}).status_code == 303


@pytest.mark.usefixtures("access")
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://192.168.1.20:3000"},
        {"Origin": PHONE, "Host": "evil.example:3030"},
        {"Origin": "http://evil.example:3030", "Host": "evil.example:3030"},
        {"Origin": PHONE, "Sec-Fetch-Site": "cross-site"},
    ],
)
def test_a_page_of_another_origin_cannot_log_in_nor_see(
    headers: dict[str, str], phone: TestClient
) -> None:
    answer = phone.post("/login", data={"password": PASSWORD}, headers=headers)
    assert answer.status_code == 403
    assert "Set-Cookie" not in answer.headers
    log_in(phone)
    assert phone.get("/", headers=headers).status_code == 403


@pytest.mark.usefixtures("access")
@pytest.mark.parametrize(
    "wanted",
    [
        "",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        " //evil.example",
        "http://evil.example",
        "https:evil.example",
        "javascript:alert(1)",
        "evil.example",
        "/x\r\nSet-Cookie: a=b",
        "/ü",
        "/" + "x" * 3000,
    ],
)
def test_a_login_leads_to_no_other_server(wanted: str, phone: TestClient) -> None:
    assert log_in(phone, next=wanted).headers["Location"] == "/"
    page = phone.get("/login", params={"next": wanted})
    assert page.headers["Location"] == "/"
    phone.cookies.clear()
    assert 'name="next" value="/"' in phone.get("/login", params={"next": wanted}).text


@pytest.mark.usefixtures("access")
def test_what_a_form_holds_is_shown_as_text(phone: TestClient) -> None:
    page = phone.get("/login", params={"next": '/"><b>bold</b>'}).text
    assert "<b>" not in page
    page = log_in(phone, "<b>bold</b>").text
    assert "bold" not in page
    assert "That is not the password." in page


@pytest.mark.usefixtures("access")
@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{}", "application/json", 415),
        (b"password=x", "text/plain", 415),
        (b"password=x", "", 415),
        (b"password=" + b"x" * 9000, "application/x-www-form-urlencoded", 413),
        (b"password=%ff", "application/x-www-form-urlencoded", 400),
        (b"password=\xff", "application/x-www-form-urlencoded", 400),
        (b"&".join([b"a=b"] * 100), "application/x-www-form-urlencoded", 400),
        (b"", "application/x-www-form-urlencoded", 403),
        (b"password=", "application/x-www-form-urlencoded", 403),
        (b"password=%00", "application/x-www-form-urlencoded", 403),
        (b"password=" + b"x" * 8000, "application/x-www-form-urlencoded", 403),
    ],
)
def test_what_is_no_form_of_ours_is_refused(
    content: bytes, kind: str, status: int, phone: TestClient
) -> None:
    headers = {"Origin": PHONE} | ({"Content-Type": kind} if kind else {})
    answer = phone.post("/login", content=content, headers=headers)
    assert answer.status_code == status
    assert "Set-Cookie" not in answer.headers


@pytest.mark.usefixtures("access")
def test_after_some_wrong_guesses_the_right_one_has_to_wait_too(
    phone: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    statuses = [log_in(phone, f"guess {number}").status_code for number in range(20)]
    assert statuses == [403] * MOST_OF_ONE + [429] * (20 - MOST_OF_ONE)
    answer = log_in(phone)
    assert answer.status_code == 429
    assert "Set-Cookie" not in answer.headers
    wait = timedelta(seconds=int(answer.headers["Retry-After"]))
    assert timedelta() < wait <= WITHIN
    later = times.now() + wait
    monkeypatch.setattr(times, "now", lambda: later)
    assert log_in(phone).status_code == 303


def test_many_clients_together_may_guess_a_bounded_number_of_times() -> None:
    guesses, looked_at = Guesses(), []

    def wrong() -> None:
        looked_at.append(1)

    for number in range(1000):
        try:
            guesses.check(f"10.0.{number // 250}.{number % 250}", wrong)
        except TooManyGuesses as error:
            assert 0 < error.seconds <= WITHIN.total_seconds()
    assert len(looked_at) == MOST_OF_ALL


def test_one_guess_is_checked_at_a_time_and_the_others_do_not_wait() -> None:
    guesses, started, finish = Guesses(), threading.Event(), threading.Event()

    def slow() -> bool:
        started.set()
        return finish.wait(timeout=30)

    first = threading.Thread(target=guesses.check, args=("a", slow))
    first.start()
    assert started.wait(timeout=30)
    with pytest.raises(TooManyGuesses):
        guesses.check("b", lambda: True)
    finish.set()
    first.join()
    assert guesses.check("b", lambda: True)


@pytest.mark.parametrize("path", [*PAGES, "/login"])
def test_without_a_password_another_device_gets_what_to_do_and_nothing_else(
    path: str, phone: TestClient, here: TestClient
) -> None:
    for answer in (phone.get(path), here.get(path, headers={"Host": "192.168.1.20:3030"})):
        assert answer.status_code == 403
        assert "dashboard --set-password" in answer.text
    assert log_in(phone, "").status_code == 403


def test_a_name_of_this_machine_opens_nothing_where_others_can_reach_the_port(
    phone: TestClient,
) -> None:
    for name in ("127.0.0.1:3030", "localhost:3030", "[::1]:3030"):
        assert phone.get("/", headers={"Host": name}).status_code == 403


def test_this_machine_is_asked_once_there_is_a_password_and_further_names(
    here: TestClient, settings: Settings
) -> None:
    assert is_let_in(here)
    assert here.get("/login").headers["Location"] == "/"
    Access(settings.dashboard_password).set_password(PASSWORD)
    assert not is_let_in(here)
    log_in(here)
    assert is_let_in(here)


@pytest.mark.usefixtures("access")
def test_this_machine_alone_is_never_asked(settings: Settings) -> None:
    client = TestClient(app(settings, hosts_of(3030)), base_url=HERE)
    assert is_let_in(client)
    assert client.get("/login").status_code == 404
    assert client.get("/", headers={"Host": "192.168.1.20:3030"}).status_code == 403


def damaged() -> Iterator[Any]:
    whole: dict[str, Any] = {
        "n": 2,
        "r": 8,
        "p": 1,
        "salt": "00" * 16,
        "hash": "00" * 32,
        "sessions": {},
    }
    yield from ("", "{}", "[]", "null", "7", "[" * 100_000, "\udcff")
    yield from (whole | {"n": number} for number in (0, 1, 3, -2, 2**40, "2", None))
    yield from (whole | {"p": number} for number in (0, -1, 10**9))
    yield from (whole | {"r": number} for number in (0, 10**9))
    yield from (whole | {"salt": text} for text in ("", "xx", None))
    yield from (whole | {"hash": text} for text in ("", "00", "xx", None))
    sessions: tuple[Any, ...] = (None, [], {"a": "z"}, {"a": 1})
    yield from (whole | {"sessions": value} for value in sessions)
    yield whole | {"more": 1}


@pytest.mark.parametrize("content", damaged())
def test_a_damaged_file_lets_nobody_in_and_a_new_password_mends_it(
    content: Any, phone: TestClient, here: TestClient, settings: Settings
) -> None:
    settings.data.mkdir(parents=True, exist_ok=True)
    text: str = content if isinstance(content, str) else json.dumps(content)
    settings.dashboard_password.write_bytes(text.encode("utf-8", "surrogateescape"))
    for client in (phone, here):
        assert client.get("/").status_code == 503
        assert client.get("/static/look.css").status_code == 503
        assert log_in(client, "").status_code == 503
    with pytest.raises(SettingsError, match="damaged"):
        serve(settings, 3030, print, "192.168.1.20")
    Access(settings.dashboard_password).set_password(PASSWORD)
    log_in(phone)
    assert is_let_in(phone)


def test_a_folder_in_the_place_of_the_file_lets_nobody_in(
    phone: TestClient, settings: Settings
) -> None:
    settings.dashboard_password.mkdir(parents=True)
    assert phone.get("/").status_code == 503


@pytest.mark.parametrize("host", ["192.168.1.20", "0.0.0.0", "::", "laptop.local"])
def test_nobody_else_is_served_without_a_password(host: str, settings: Settings) -> None:
    with pytest.raises(SettingsError, match="dashboard --set-password"):
        serve(settings, 3030, print, host)


@pytest.mark.usefixtures("access")
@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_all_addresses_need_a_name_under_which_browsers_ask(host: str, settings: Settings) -> None:
    with pytest.raises(SettingsError, match="SPOTIFY_ASSETS_HOSTS=laptop.local:3030"):
        serve(settings, 3030, print, host)


def run(settings: Settings, *arguments: str, given: str | bytes = "") -> Any:
    command = ["dashboard", *arguments]
    return CliRunner().invoke(main, command, input=given, env=settings.environment())


def test_the_command_sets_the_password_from_a_pipe_and_removes_it(
    settings: Settings, phone: TestClient
) -> None:
    done = run(settings, "--set-password", given=f"{PASSWORD}\n")
    assert done.exit_code == 0, done.output
    file = settings.dashboard_password
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert PASSWORD not in file.read_text() + done.output
    assert log_in(phone).status_code == 303
    done = run(settings, "--remove-password")
    assert (done.exit_code, done.output) == (0, "Removed. No other device is served.\n")
    assert not file.exists()
    assert run(settings, "--remove-password").output == "No password was set.\n"


@pytest.mark.parametrize(
    "given", ["", "\n", "short", "seven77\n", "x" * 201, "x" * 5000, b"\xff" * 12]
)
def test_what_can_be_no_password_is_refused_and_not_repeated(
    given: str | bytes, settings: Settings, access: Access
) -> None:
    done = run(settings, "--set-password", given=given)
    assert done.exit_code == 1
    for part in ("seven77", "xxx", "\\xff", "udcff"):
        assert part not in done.output
    assert access.log_in(PASSWORD)


def test_the_same_letter_typed_as_one_character_or_two_is_the_same_password(
    access: Access,
) -> None:
    access.set_password("Schl\u00fcssel")
    assert access.log_in("Schlu\u0308ssel")


def test_a_kill_while_the_password_is_written_leaves_the_old_one(
    settings: Settings, access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            access.set_password("another one")
    assert access.log_in(PASSWORD)
    access.set_password("another one")
    assert access.log_in("another one")
    assert stat.S_IMODE(settings.dashboard_password.stat().st_mode) == 0o600
