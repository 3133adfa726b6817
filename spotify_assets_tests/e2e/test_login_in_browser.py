"""`spotify-assets login` and a person with a browser: what page and terminal say, what is kept.

The real command, a real browser and a sandbox Spotify. How the login comes to its words, and all
answers that no browser would bring, are the unit tests' part.
"""

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests
from playwright.sync_api import Browser, Page, Route, expect
from playwright.sync_api import Error as BrowserError

from spotify_assets.sandbox.server import Sandbox
from spotify_assets.spotify.state import State
from spotify_assets.spotify.token_store import TokenStore
from spotify_assets_tests.support import COMMAND, User, sandbox, user_of, wait_for

MARK = "never-to-be-shown"  # is in every code and every token
PATIENCE_MS = 30_000
A_CODE_LASTS = timedelta(minutes=10)


class Terminal:
    """A terminal in which a user runs `spotify-assets login`."""

    def __init__(self, user: User, folder: Path, variables: dict[str, str]) -> None:
        self._stdout, self._stderr = folder / "stdout", folder / "stderr"
        with self._stdout.open("w") as stdout, self._stderr.open("w") as stderr:
            self.process = subprocess.Popen(
                [COMMAND, "login"],
                env=user.environment | variables,
                stdin=subprocess.PIPE,
                stdout=stdout,
                stderr=stderr,
                text=True,
                start_new_session=True,
            )

    @property
    def stdout(self) -> str:
        return self._stdout.read_text()

    def address(self) -> str:
        """Where to agree, once it was printed."""
        wait_for(lambda: "SPOTIFY_CLIENT_ID" in self.stdout or self.process.poll() is not None)
        return next(line.strip() for line in self.stdout.splitlines() if "/authorize?" in line)

    def type(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def interrupt(self) -> None:
        """Press Ctrl-C, which goes to all processes of a terminal."""
        os.killpg(self.process.pid, signal.SIGINT)

    def end(self) -> tuple[int, str, str]:
        """Wait for the end of the command; its exit code and what it wrote."""
        return self.process.wait(timeout=60), self.stdout, self._stderr.read_text()

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


LogIn = Callable[..., Terminal]


@pytest.fixture
def spotify() -> Iterator[Sandbox]:
    """A sandbox of the test's own, which it may change."""
    with sandbox(token_mark=MARK) as running:
        yield running


@pytest.fixture
def user(spotify: Sandbox, tmp_path: Path) -> User:
    """Somebody who has not logged in yet."""
    return user_of(spotify.environment(), tmp_path / "user")


@pytest.fixture
def log_in(user: User, tmp_path: Path) -> Iterator[LogIn]:
    """Start `spotify-assets login` in a terminal, with these variables besides the user's."""
    terminals: list[Terminal] = []

    def start(**variables: str) -> Terminal:
        folder = tmp_path / f"terminal{len(terminals)}"
        folder.mkdir()
        terminals.append(Terminal(user, folder, variables))
        return terminals[-1]

    yield start
    for terminal in terminals:
        terminal.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    opened = browser.new_page()
    yield opened
    opened.close()


def decide(page: Page, listener: str = "mira", button: str = "Agree") -> None:
    """Do what a person does on Spotify's page."""
    page.get_by_role("radio", name=listener).check()
    page.get_by_role("button", name=button).click()


def final_address(page: Page, address: str) -> str:
    """Agree; the address to which Spotify sends the browser, which does not go there yet."""
    found: list[str] = []

    def stay(route: Route) -> None:
        # A route never sees where a redirect leads, so the redirect itself is kept back.
        found.append(route.fetch(max_redirects=0).headers["location"])
        route.fulfill(status=204)

    page.goto(address)
    page.route("**/authorize?*", stay)
    with page.expect_response("**/authorize?*"):
        decide(page)
    page.unroute("**/authorize?*")
    (final,) = found
    return final


def parameter(address: str, name: str) -> str:
    return parse_qs(urlsplit(address).query)[name][0]


def welcome(name: str) -> str:
    """What the page says of a login that came to its end."""
    return f"{name} is connected. Next, in the terminal: spotify-assets refresh"


def says(page: Page, title: str, text: str) -> None:
    """Wait for the page on which a login ends in the browser."""
    expect(page.get_by_role("heading")).to_have_text(title, timeout=PATIENCE_MS)
    expect(page.get_by_role("paragraph").first).to_have_text(text)


def connected(terminal: Terminal, user: User, listener: str = "mira") -> None:
    """The command has ended well, and account and token are there, the token for nobody else."""
    code, stdout, stderr = terminal.end()
    assert (code, stderr) == (0, "")
    assert f"Connected {listener}." in stdout
    assert stdout.endswith("Next: spotify-assets refresh\n")
    assert MARK not in stdout
    assert [account.account_id for account in State(user.settings.state_path).accounts()] == [
        listener
    ]
    (token,) = user.settings.tokens.glob("*.json")
    assert MARK in token.read_text()
    assert token.stat().st_mode & 0o777 == 0o600


def failed(ended: tuple[int, str, str], user: User) -> str:
    """The one line in which the command said why it failed; nothing of the login was kept."""
    code, stdout, stderr = ended
    assert code == 1
    (line,) = stderr.splitlines()
    assert line.startswith("Error: ")
    assert "Connected" not in stdout
    assert MARK not in stdout + stderr
    assert State(user.settings.state_path).accounts() == []
    kept = [path for path in user.settings.data.rglob("*") if path.is_file()]
    assert not [path for path in kept if path.suffix == ".json" or MARK in path.read_text("latin1")]
    return line.removeprefix("Error: ")


@pytest.mark.parametrize("listener", ["mira", "jonas"])
def test_who_agrees_is_connected(log_in: LogIn, user: User, page: Page, listener: str) -> None:
    terminal = log_in()
    page.goto(terminal.address())
    decide(page, listener)
    says(page, "Connected", welcome(listener))
    connected(terminal, user, listener)


def test_who_cancels_is_told_to_agree(log_in: LogIn, user: User, page: Page) -> None:
    terminal = log_in()
    page.goto(terminal.address())
    decide(page, button="Cancel")
    said = failed(terminal.end(), user)
    assert said.startswith("Spotify reports 'access_denied'")
    assert "Run spotify-assets login again and choose Agree." in said
    says(page, "Not connected", said)


def test_who_is_not_on_the_apps_list_is_told_where_that_is(
    log_in: LogIn, user: User, page: Page, spotify: Sandbox
) -> None:
    spotify.not_listed = ["mira"]
    terminal = log_in()
    page.goto(terminal.address())
    decide(page)
    said = failed(terminal.end(), user)
    assert "This Spotify account is not on the app's list." in said
    assert "in Spotify's dashboard, in the app's Settings under User Management." in said
    says(page, "Not connected", said)


def test_localhost_as_redirect_uri_ends_the_login_at_once(log_in: LogIn, user: User) -> None:
    terminal = log_in(SPOTIFY_REDIRECT_URI="http://localhost:8765/callback")
    said = failed(terminal.end(), user)
    assert said.startswith("Spotify no longer accepts localhost: use http://127.0.0.1:8765/")
    assert terminal.stdout == ""


def test_a_taken_port_ends_the_login_at_once(log_in: LogIn, user: User) -> None:
    port = urlsplit(user.settings.redirect_uri).port or 0
    with socket.create_server(("127.0.0.1", port)):
        terminal = log_in()
        said = failed(terminal.end(), user)
    assert said.startswith(f"Port {port} is taken")
    assert "change SPOTIFY_REDIRECT_URI" in said
    assert terminal.stdout == ""


@pytest.mark.parametrize(
    ("name", "value", "title", "hint"),
    [
        (
            "SPOTIFY_REDIRECT_URI",
            "http://127.0.0.1:{port}/callback/",
            "INVALID_CLIENT: Invalid redirect URI",
            "'Invalid redirect URI', add {value}, exactly so, in the app's settings",
        ),
        (
            "SPOTIFY_CLIENT_ID",
            "somebody-elses",
            "INVALID_CLIENT: Invalid client",
            "'Invalid client', SPOTIFY_CLIENT_ID is not the app's.",
        ),
    ],
    ids=["redirect URI", "client id"],
)
def test_who_is_stuck_on_spotifys_page_is_told_the_way_out_before_and_after_ctrl_c(
    log_in: LogIn, user: User, page: Page, name: str, value: str, title: str, hint: str
) -> None:
    """Spotify shows these refusals itself and never comes back to us."""
    value = value.format(port=urlsplit(user.settings.redirect_uri).port)
    hint = hint.format(value=value)
    terminal = log_in(**{name: value})
    page.goto(terminal.address())
    expect(page.locator("h1")).to_have_text(title)
    expect(page.get_by_role("button")).to_have_count(0)
    assert hint in terminal.stdout
    terminal.interrupt()
    said = failed(terminal.end(), user)
    assert hint in said
    assert said.endswith("Then run: spotify-assets login")


def test_an_interrupted_login_leaves_nothing_behind(log_in: LogIn, user: User) -> None:
    terminal = log_in()
    terminal.address()
    terminal.interrupt()
    said = failed(terminal.end(), user)
    assert said.startswith("The login was interrupted; nothing was stored or changed.")
    assert user.settings.redirect_uri in said
    assert said.endswith("Then run: spotify-assets login")


def test_an_interruption_that_comes_while_the_login_is_kept_undoes_nothing(
    log_in: LogIn, user: User, page: Page, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="spotify_assets.sandbox.server")
    terminal = log_in()
    final = final_address(page, terminal.address())
    with TokenStore(user.settings.tokens).lock("mira"):
        page.evaluate("address => { location.href = address }", final)
        wait_for(lambda: "GET /v1/me 200" in caplog.text)
        terminal.interrupt()
    connected(terminal, user)


def test_a_code_that_expired_on_the_way_is_refused(
    log_in: LogIn, user: User, page: Page, spotify: Sandbox
) -> None:
    terminal = log_in()
    final = final_address(page, terminal.address())
    spotify.clock.advance(A_CODE_LASTS)
    page.goto(final)
    said = failed(terminal.end(), user)
    assert "Authorization code expired" in said
    assert "agree and come straight back. Then run: spotify-assets login" in said
    says(page, "Not connected", said)


def test_a_code_that_somebody_else_has_used_is_refused(
    log_in: LogIn, user: User, page: Page, spotify: Sandbox
) -> None:
    terminal = log_in()
    final = final_address(page, terminal.address())
    # Without the verifier, which the command keeps to itself, a thief gets nothing.
    theft = {
        "grant_type": "authorization_code",
        "code": parameter(final, "code"),
        "redirect_uri": user.settings.redirect_uri,
        "client_id": user.settings.client_id,
    }
    stolen = requests.post(f"{spotify.accounts_url}/api/token", data=theft, timeout=10)
    assert stolen.json()["error_description"] == "code_verifier was incorrect"
    page.goto(final)
    said = failed(terminal.end(), user)
    assert "Invalid authorization code" in said
    assert "The code was used before" in said
    assert said.endswith("Then run: spotify-assets login")
    says(page, "Not connected", said)


def test_an_answer_to_another_login_is_not_used(log_in: LogIn, user: User, page: Page) -> None:
    terminal = log_in()
    final = final_address(page, terminal.address())
    page.goto(final.replace(parameter(final, "state"), "another-logins"))
    words = "That answer belongs to another login (its state differs), so it was not used."
    expect(page.get_by_text(words)).to_be_visible()
    page.goto(final)
    says(page, "Connected", welcome("mira"))
    connected(terminal, user)


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        ("<img src=x onerror='document.title=1'><script>document.title=2</script>", "{error}"),
        ("\x1b[2J\r\nConnected\u2028\u202e", "[2J Connected"),
    ],
    ids=["markup", "control characters"],
)
def test_what_the_answer_says_is_shown_as_text(
    log_in: LogIn, user: User, page: Page, error: str, shown: str
) -> None:
    terminal = log_in()
    answer = {"error": error, "state": parameter(terminal.address(), "state")}
    page.goto(f"{user.settings.redirect_uri}?{urlencode(answer)}")
    ended = terminal.end()
    says(page, "Not connected", ended[2].strip().removeprefix("Error: "))
    assert shown.format(error=error) in ended[2]
    expect(page.locator("img, script")).to_have_count(0)
    assert page.title() == "Not connected: spotify-assets"
    assert ended[2].strip().isprintable()


def test_the_browser_gets_the_address_that_is_printed(
    log_in: LogIn, user: User, page: Page, tmp_path: Path
) -> None:
    opened, program = tmp_path / "opened", tmp_path / "a-browser"
    program.write_text(f"#!/bin/sh\necho \"$1\" > '{opened}.new'; mv '{opened}.new' '{opened}'\n")
    program.chmod(0o700)
    # VS Code, WSL and dev containers set BROWSER, and have no screen.
    terminal = log_in(BROWSER=f"{tmp_path / 'none'}:{program}")
    wait_for(opened.exists)
    assert opened.read_text().strip() == terminal.address()
    page.goto(terminal.address())
    decide(page)
    says(page, "Connected", welcome("mira"))
    connected(terminal, user)
    assert "No browser" not in terminal.stdout


def test_where_no_browser_can_be_opened_the_address_works_all_the_same(
    log_in: LogIn, user: User, page: Page, tmp_path: Path
) -> None:
    terminal = log_in(DISPLAY=":0", BROWSER=str(tmp_path / "none"), PATH=str(tmp_path))
    wait_for(lambda: "No browser could be opened: open the address above" in terminal.stdout)
    page.goto(terminal.address())
    decide(page)
    says(page, "Connected", welcome("mira"))
    connected(terminal, user)


def test_the_final_address_is_pasted_where_the_browser_is_on_another_machine(
    log_in: LogIn, user: User, page: Page
) -> None:
    terminal = log_in()
    address = terminal.address()
    final = final_address(page, address)
    terminal.type(address.partition("?")[0])
    wait_for(lambda: "That is not the final address" in terminal.stdout)
    terminal.type(final)
    connected(terminal, user)


def test_of_two_logins_at_once_the_second_ends_and_the_first_goes_on(
    log_in: LogIn, user: User, page: Page
) -> None:
    first = log_in()
    page.goto(first.address())
    said = failed(log_in().end(), user)
    assert said.startswith("Another login is under way here.")
    assert said.endswith("then run: spotify-assets login")
    decide(page)
    says(page, "Connected", welcome("mira"))
    connected(first, user)


def test_an_answer_that_comes_again_after_the_login_finds_nobody(
    log_in: LogIn, user: User, page: Page, browser: Browser
) -> None:
    terminal = log_in()
    final = final_address(page, terminal.address())
    page.goto(final)
    connected(terminal, user)
    with browser.new_page() as tab, pytest.raises(BrowserError, match="ERR_CONNECTION_REFUSED"):
        tab.goto(final)
    says(page, "Connected", welcome("mira"))
    connected(terminal, user)


def test_a_login_that_fails_leaves_the_one_before_as_it_was(
    log_in: LogIn, user: User, page: Page
) -> None:
    user.log_in("mira")
    (token,) = user.settings.tokens.glob("*.json")
    before = token.read_bytes(), State(user.settings.state_path).accounts()
    terminal = log_in()
    page.goto(terminal.address())
    decide(page, button="Cancel")
    code, _, _ = terminal.end()
    assert code == 1
    assert (token.read_bytes(), State(user.settings.state_path).accounts()) == before
