"""The login: a person agrees in a browser, the answer comes to the loopback or is pasted.

What happens to the code is `authorization`'s part. This module opens the door for one answer
and closes it again.
"""

import html
import os
import queue
import re
import secrets
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

from spotify_assets.settings import LOOPBACK_HOSTS, Settings
from spotify_assets.spotify.authorization import FreshLogin, OAuthApp
from spotify_assets.spotify.client import SpotifyClient
from spotify_assets.spotify.errors import BadAnswer, LoginFailed
from spotify_assets.spotify.retrying import Retrying
from spotify_assets.spotify.state import Account, Identity, State
from spotify_assets.spotify.token_store import TokenStore

WAIT_SECONDS = 600
ACCOUNT_NAME = re.compile(r"\w[\w .@-]{0,63}")
POLL_SECONDS = 0.05  # how long the end of a login waits for its server


def login(
    settings: Settings,
    state: State,
    store: TokenStore,
    *,
    account_id: str | None = None,
    open_browser: Callable[[str], object] | None = None,
    tell: Callable[[str], object] = print,
) -> Account:
    """Log one Spotify user in and store the login.

    Args:
        account_id: the account's name here; by default Spotify's user id.
        open_browser: takes the address where one agrees, instead of a person.
        tell: says to the person what to do.

    Raises:
        LoginFailed: refused, forged, for another user, or nobody answered.
        SpotifyError: Spotify could not be reached.
    """
    if not settings.client_id:
        raise LoginFailed(
            "SPOTIFY_CLIENT_ID is not set. Create an app in Spotify's developer dashboard (the "
            "README shows how) and put its client id into .env."
        )
    if account_id is not None and not ACCOUNT_NAME.fullmatch(account_id):
        raise LoginFailed(
            f"{account_id!r} cannot be an account's name: use up to 64 letters, digits, spaces and "
            "any of . _ @ -, the first one a letter or digit."
        )
    app = OAuthApp(settings)
    session, address, state_sent = app.authorization_request()
    answers: queue.Queue[str] = queue.Queue()
    with _callback_server(settings.redirect_uri, answers.put):
        if open_browser is None:
            _ask_person(address, tell, answers)
        else:
            open_browser(address)
        answer = _first(answers)
    token = app.exchange(session, _code(answer, state_sent))
    identity = _identity(SpotifyClient(settings.api_url, FreshLogin(token), Retrying.patient()))
    try:
        account = state.attach(identity, account_id, token.authorized_at)
    except ValueError as error:
        raise LoginFailed(str(error)) from None
    with store.lock(account.account_id):
        store.save(account.account_id, token)
    return account


def _identity(client: SpotifyClient) -> Identity:
    profile = client.get("me").json
    user_id = _text(profile.get("id"))
    if not user_id:
        raise BadAnswer("Spotify did not say who logged in. Run: spotify-assets login")
    return Identity(user_id, _text(profile.get("account_id")), _text(profile.get("display_name")))


def _text(value: object) -> str | None:
    """The value where it is text that every database takes: no NUL, no lone surrogate."""
    if not isinstance(value, str) or any(c == "\0" or "\ud800" <= c <= "\udfff" for c in value):
        return None
    return value


def _code(answer: str, state_sent: str) -> str:
    """The authorization code in the final address, after its state was checked."""
    try:
        query = urlsplit(answer).query
    except ValueError:  # half an IPv6 address, in what was pasted
        query = ""
    parameters = {name: values[0] for name, values in parse_qs(query).items()}
    if not secrets.compare_digest(parameters.get("state", "").encode(), state_sent.encode()):
        raise LoginFailed(
            "The answer does not belong to this login (its state differs), so it was not used. "
            "Run: spotify-assets login"
        )
    if "error" in parameters:
        raise LoginFailed(
            f"Spotify reports {parameters['error']!r}: access was not granted. "
            "Run spotify-assets login again and choose Agree."
        )
    if "code" not in parameters:
        raise LoginFailed("The address holds no code. Paste it whole: spotify-assets login")
    return parameters["code"]


def _ask_person(address: str, tell: Callable[[str], object], answers: "queue.Queue[str]") -> None:
    tell(f"Agree in your browser:\n\n  {address}\n")
    tell("On a machine without a browser: open it elsewhere, agree, paste the final address.")
    threading.Thread(target=_read_pasted, args=(tell, answers), daemon=True).start()
    # Without a screen, webbrowser would start a text browser inside this terminal.
    if sys.platform in ("darwin", "win32") or {"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys():
        webbrowser.open(address)


def _first(answers: "queue.Queue[str]") -> str:
    try:
        return answers.get(timeout=WAIT_SECONDS)
    except queue.Empty:
        raise LoginFailed(
            f"Nobody agreed within {WAIT_SECONDS // 60} minutes. Run: spotify-assets login"
        ) from None


@contextmanager
def _callback_server(redirect_uri: str, take: Callable[[str], object]) -> Iterator[None]:
    """Serve the redirect URI on the loopback until the caller has its answer."""
    try:
        parts = urlsplit(redirect_uri)
        port = parts.port
    except ValueError as error:
        raise LoginFailed(
            f"SPOTIFY_REDIRECT_URI is {redirect_uri!r}: {error}. Use one like "
            "http://127.0.0.1:8765/callback, here and in the app's settings."
        ) from None
    if parts.hostname == "localhost":
        raise LoginFailed(
            "Spotify no longer accepts localhost: use http://127.0.0.1:8765/callback as "
            "SPOTIFY_REDIRECT_URI and in the app's settings."
        )
    if parts.scheme != "http" or parts.hostname not in LOOPBACK_HOSTS or port is None:
        yield  # an address that we cannot serve: the person pastes the answer
        return

    # Flask costs 0.3 s of start-up that no other command should pay.
    from flask import Flask, request
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        """Writes no request line: it would hold the code."""

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None: ...

    callback = Flask(__name__)

    @callback.get(parts.path or "/")
    def _callback() -> str:
        take(request.url)
        refusal = request.args.get("error")
        text = f"Not connected: {refusal}. The terminal says more" if refusal else "Thank you"
        page = "<!doctype html><title>spotify-assets</title><p>{}; you can close this page."
        return page.format(html.escape(text))

    try:
        family = socket.AF_INET6 if ":" in parts.hostname else socket.AF_INET
        listener = socket.create_server((parts.hostname, port), family=family)
    except OSError:
        raise LoginFailed(
            f"Port {port} is taken, so Spotify's answer could not reach us. End what uses "
            "it, or change SPOTIFY_REDIRECT_URI here and in the app's settings."
        ) from None
    server = make_server(
        parts.hostname, port, callback, request_handler=Quiet, fd=listener.fileno()
    )
    thread = threading.Thread(target=server.serve_forever, args=(POLL_SECONDS,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        listener.close()


def _read_pasted(tell: Callable[[str], object], answers: "queue.Queue[str]") -> None:
    """Take the first line of standard input that can be the final address."""
    rest = ""
    while chunk := _read_standard_input():
        *lines, rest = (rest + chunk).split("\n")
        for line in filter(str.strip, lines):
            if "state=" in line:
                answers.put(line.strip())
                return
            tell("That is not the final address: it holds a state. Paste the browser's whole line.")
    if rest.strip():
        answers.put(rest.strip())


def _read_standard_input() -> str:
    """What comes next, "" at its end or where there is none, as under cron."""
    try:
        # Not input(): a thread that waits in sys.stdin aborts the interpreter's shutdown.
        return os.read(sys.stdin.fileno(), 4096).decode("utf-8", "replace")
    except (OSError, ValueError, AttributeError):
        return ""
