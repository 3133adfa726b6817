"""The login: a person agrees in a browser; Spotify's answer comes by redirect or is pasted.

The first answer wins, whether it reaches the callback server or is pasted. Serving the redirect
URI is `callback`'s part, exchanging the code `oauth`'s.
"""

import os
import secrets
import sys
import threading
import webbrowser
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

from filelock import Timeout

from spotify_assets.settings import Settings
from spotify_assets.spotify import callback, profile
from spotify_assets.spotify.authorization import FreshLogin
from spotify_assets.spotify.blocks import Blocks
from spotify_assets.spotify.client import SpotifyClient
from spotify_assets.spotify.errors import LoginFailed, RateLimited, SpotifyError
from spotify_assets.spotify.oauth import OAuthApp
from spotify_assets.spotify.refusals import line
from spotify_assets.spotify.retrying import Retrying
from spotify_assets.spotify.state import Account, Identity, State, check_name, normal_name
from spotify_assets.spotify.token_store import Token, TokenStore

WAIT_SECONDS = 600
FOREIGN = (
    "That answer belongs to another login (its state differs), so it was not used. This one waits "
    "on: agree at the address that the terminal shows."
)
NO_ADDRESS = (
    "That is not the final address, which holds code= and state=. Paste the browser's whole line."
)
# Spotify shows these on a page of its own and never comes back to us.
IF_SPOTIFY_REFUSES = (
    "If Spotify's page says 'Invalid redirect URI', add {redirect_uri}, exactly so, in the app's "
    "settings in Spotify's dashboard. If it says 'Invalid client', SPOTIFY_CLIENT_ID is not the "
    "app's."
)


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
        LoginFailed: refused, forged, for another user, interrupted, or nobody answered.
        SpotifyError: Spotify could not be reached, or does not let this user in.
    """
    if not settings.client_id:
        raise LoginFailed(
            "SPOTIFY_CLIENT_ID is not set. Create an app in Spotify's developer dashboard (the "
            "README shows how) and put its client id into .env."
        )
    if account_id is not None:
        account_id = normal_name(account_id)
        try:
            check_name(account_id)
        except ValueError as error:
            raise LoginFailed(str(error)) from None
    try:
        with store.login_lock():
            attempt = _Attempt(settings, state, store, account_id)
            return attempt.run(open_browser, tell)
    except Timeout:
        raise LoginFailed(
            "Another login is under way here. Finish it in its browser, or end it (Ctrl-C where it "
            "was started), then run: spotify-assets login"
        ) from None


class _Attempt:
    """One login, from the address where one agrees to the stored token."""

    def __init__(
        self, settings: Settings, state: State, store: TokenStore, account_id: str | None
    ) -> None:
        self._settings = settings
        self._state = state
        self._store = store
        self._account_id = account_id
        self._app = OAuthApp(settings)
        # Before a person agrees in vain.
        self._app.check_blocks()
        Blocks(settings).check(profile.PATH)
        self._session, self._address, self._state_sent = self._app.authorization_request()
        self._worker = ThreadPoolExecutor(max_workers=1)
        self._lock = threading.Lock()
        self._answered = threading.Event()
        self._outcome: Future[Account] | None = None  # set before _answered is
        self._is_over = False

    def run(
        self, open_browser: Callable[[str], object] | None, tell: Callable[[str], object]
    ) -> Account:
        with self._worker, callback.served(self._settings.redirect_uri, self._handle_redirect):
            why = f"Nobody agreed within {WAIT_SECONDS // 60} minutes."
            try:
                if open_browser is None:
                    self._ask_person(tell)
                else:
                    open_browser(self._address)
                if self._answered.wait(WAIT_SECONDS) and self._outcome is not None:
                    return self._outcome.result()
            except KeyboardInterrupt:
                why = "The login was interrupted; nothing was stored or changed."
            with self._lock:
                self._is_over = self._outcome is None
            if self._outcome is not None:  # what has begun is finished
                return self._outcome.result()
            raise LoginFailed(f"{why} {self._hint} Then run: spotify-assets login")

    @property
    def _hint(self) -> str:
        return IF_SPOTIFY_REFUSES.format(redirect_uri=self._settings.redirect_uri)

    def _handle_redirect(self, answer: str) -> tuple[bool, str]:
        """Finish the login with the first final address; return success and what the page says.

        An address of another login ends nothing: anybody on this machine can ask for one, and a
        browser does so by itself when it restores a tab. Whoever waits for the login is woken by
        its outcome. The delivery of the page, which may fail, comes after that.
        """
        if not _belongs(answer, self._state_sent):
            return False, FOREIGN
        with self._lock:
            if self._is_over:
                return False, "Nobody waits for this answer any more."
            if self._outcome is None:
                self._outcome = self._worker.submit(self._finish, answer)
                self._answered.set()
        outcome = self._outcome
        error = outcome.exception()
        if error is None:
            name = outcome.result().account_id
            return True, f"{name} is connected. Next, in the terminal: spotify-assets refresh"
        return False, str(error) if isinstance(error, SpotifyError) else "The terminal says more."

    def _finish(self, answer: str) -> Account:
        token = self._app.exchange(self._session, _code(answer))
        try:
            client = SpotifyClient(self._settings, FreshLogin(token), Retrying.patient())
            identity = profile.identity_of(client)
        except SpotifyError as error:
            again = "Then run" if isinstance(error, RateLimited) else "Run"
            error.args = (f"{error} This login was not finished. {again}: spotify-assets login",)
            raise
        try:
            return self._keep(token, identity)
        except ValueError as error:
            raise LoginFailed(str(error)) from None

    def _keep(self, token: Token, identity: Identity) -> Account:
        # The token first: an account that says that it is logged in has one, whenever we die. And
        # both under the token's lock, so that no process marks the new login for an old token's
        # end.
        name = self._state.name_for(identity, self._account_id)
        with self._store.lock(name):
            self._store.save(name, token)
            return self._state.attach(identity, self._account_id, token.authorized_at)

    def _ask_person(self, tell: Callable[[str], object]) -> None:
        tell(f"Agree in your browser:\n\n  {self._address}\n")
        # In threads, since either may take for ever: some browsers end only when they are closed.
        if _has_screen() or os.environ.get("BROWSER"):
            threading.Thread(target=self._open_browser, args=(tell,), daemon=True).start()
        threading.Thread(target=self._read_pasted, args=(tell,), daemon=True).start()
        tell(
            "On a machine without a browser: open it elsewhere, agree, paste the final address.\n"
            f"{self._hint}"
        )

    def _open_browser(self, tell: Callable[[str], object]) -> None:
        try:
            opened = _open(self._address)
        except (webbrowser.Error, ValueError, IndexError, OSError):  # BROWSER may be anything
            opened = False
        if not opened:
            tell("No browser could be opened: open the address above yourself.")

    def _read_pasted(self, tell: Callable[[str], object]) -> None:
        """Take the first line of standard input that is this login's final address."""
        rest = ""
        while chunk := _read_standard_input():
            *lines, rest = (rest + chunk).split("\n")
            if any(self._take(text, tell) for text in filter(str.strip, lines)):
                return
        if rest.strip():
            self._take(rest, tell)

    def _take(self, text: str, tell: Callable[[str], object]) -> bool:
        if not _belongs(text, self._state_sent):
            tell(FOREIGN if "state=" in text else NO_ADDRESS)
            return False
        self._handle_redirect(text.strip())
        return True


def _belongs(answer: str, state_sent: str) -> bool:
    """Whether a final address is the answer to this login."""
    return secrets.compare_digest(
        _parameters(answer).get("state", "").encode(), state_sent.encode()
    )


def _code(answer: str) -> str:
    """The authorization code in the final address."""
    parameters = _parameters(answer)
    if "error" in parameters:
        raise LoginFailed(
            f"Spotify reports {line(parameters['error'])!r}: access was not granted. "
            "Run spotify-assets login again and choose Agree."
        )
    if "code" not in parameters:
        raise LoginFailed("The address holds no code. Paste it whole: spotify-assets login")
    return parameters["code"]


def _parameters(answer: str) -> dict[str, str]:
    try:
        query = urlsplit(answer.strip()).query
    except ValueError:  # half an IPv6 address, in what was pasted
        return {}
    return {name: values[0] for name, values in parse_qs(query).items()}


def _open(address: str) -> bool:
    """Open the address in a browser; return whether one started."""
    if _has_screen():
        return webbrowser.open(address)
    # Only what the person chose (VS Code, WSL and dev containers set it): webbrowser would go on to
    # a text browser, inside this terminal.
    chosen = os.environ["BROWSER"].split(os.pathsep)
    return any(webbrowser.get(name).open(address) for name in chosen if name)


def _has_screen() -> bool:
    screens = {"DISPLAY", "WAYLAND_DISPLAY"}
    return sys.platform in ("darwin", "win32") or bool(screens & os.environ.keys())


def _read_standard_input() -> str:
    """What comes next, "" at its end or where there is none, as under cron."""
    try:
        # Not input(): a thread that waits in sys.stdin aborts the interpreter's shutdown.
        return os.read(sys.stdin.fileno(), 4096).decode("utf-8", "replace")
    except (OSError, ValueError, AttributeError):
        return ""
