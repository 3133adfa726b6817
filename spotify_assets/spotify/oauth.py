"""OAuth with Spotify's accounts service: the authorization request, the exchange, the refresh.

PKCE without a client secret, HTTP Basic with one. Talking to the person is `login`'s part, keeping
tokens and signing calls with them is `authorization`'s.
"""

import logging
import os
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import requests
from oauthlib.oauth2 import OAuth2Error
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session

from spotify_assets import times
from spotify_assets.settings import Settings
from spotify_assets.spotify import transport
from spotify_assets.spotify.blocks import Blocks
from spotify_assets.spotify.errors import (
    AppRefused,
    LoginEnded,
    LoginFailed,
    RateLimited,
    SpotifyError,
    Unreachable,
)
from spotify_assets.spotify.refusals import line, rate_limited
from spotify_assets.spotify.token_store import ENDPOINT, Token

SCOPES = ("user-read-recently-played",)
LONGEST_LIFETIME_SECONDS = 10**9

# At DEBUG these log headers and bodies, which hold tokens, codes and the client secret.
for _name in ("requests_oauthlib", "oauthlib"):
    logging.getLogger(_name).setLevel(logging.WARNING)


class OAuthApp:
    """The registered Spotify app that we log in as."""

    def __init__(
        self, settings: Settings, seconds_left: transport.SecondsLeft = transport.per_exchange
    ) -> None:
        self._settings = settings
        self._blocks = Blocks(settings)
        self.seconds_left = seconds_left
        if urlsplit(settings.accounts_url).scheme == "http":
            # Settings admits http for the loopback alone; oauthlib knows only all or nothing.
            os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"

    def authorization_request(self) -> tuple[OAuth2Session, str, str]:
        """A session that holds the PKCE verifier, the address to open, and its state."""
        session = self._session(
            scope=list(SCOPES), redirect_uri=self._settings.redirect_uri, pkce="S256"
        )
        url, state = session.authorization_url(f"{self._settings.accounts_url}/authorize")
        return session, url, state

    def exchange(self, session: OAuth2Session, code: str) -> Token:
        """Trade a code for tokens.

        Raises:
            LoginFailed: Spotify refused the code, the redirect URI or the client.
            RateLimited: Spotify asks us to stay away.
            Unreachable: no usable answer came.
        """
        session.scope = None  # Spotify may grant more than was asked, which oauthlib calls an error
        answer = self._request(
            lambda: session.fetch_token(
                self._token_url,
                code=code,
                include_client_id=not self._settings.client_secret,
                auth=self._client_auth(),
                timeout=self._timeout,
            ),
            self._code_refused,
        )
        return _token(answer, authorized_at=times.now_text())

    def refresh(self, token: Token) -> Token:
        """A token with a fresh access token; the refresh token is kept where none comes back.

        Raises:
            LoginEnded: the refresh token is expired or revoked, which no retry mends.
            AppRefused: Spotify does not accept the client id or the client secret.
            RateLimited: Spotify asks us to stay away.
            Unreachable: no usable answer came.
        """
        session = self._session(token={"access_token": token.access_token})
        answer = self._request(
            lambda: session.refresh_token(
                self._token_url,
                refresh_token=token.refresh_token,
                auth=self._client_auth(),
                timeout=self._timeout,
                client_id=None if self._settings.client_secret else self._settings.client_id,
            ),
            _refresh_refused,
        )
        return _token(answer, authorized_at=token.authorized_at, refreshed=token)

    @property
    def name(self) -> str:
        """The app as Spotify knows it, and which Spotify."""
        return f"{self._settings.client_id} at {self._settings.accounts_url}"

    def check_blocks(self) -> None:
        """Return where tokens may be asked for; raises RateLimited where that would be in vain."""
        self._blocks.check(ENDPOINT)

    def _session(self, **options: Any) -> OAuth2Session:
        session = OAuth2Session(self._settings.client_id, **options)
        transport.prepare(session, self._settings.accounts_url, self.seconds_left)
        session.max_redirects = 0  # a redirect would carry code or refresh token to another host
        for hook in ("access_token_response", "refresh_token_response"):
            session.register_compliance_hook(hook, _refuse_outage)
        return session

    @property
    def _token_url(self) -> str:
        return f"{self._settings.accounts_url}/{ENDPOINT}"

    @property
    def _timeout(self) -> tuple[float, float]:
        # The exchange's whole time, where a call waits less for a byte: with rotation, an answer
        # that nobody waits for takes the login with it.
        return transport.CONNECT_SECONDS, self.seconds_left()

    def _client_auth(self) -> HTTPBasicAuth | None:
        if not self._settings.client_secret:
            return None
        return HTTPBasicAuth(self._settings.client_id, self._settings.client_secret)

    def _request(
        self, call: Callable[[], dict[str, Any]], refused: Callable[[str, str], SpotifyError]
    ) -> dict[str, Any]:
        self.check_blocks()
        # `from None`: what oauthlib and requests raise may quote the request or the answer.
        try:
            answer = call()
        except RateLimited as error:
            self._blocks.keep(ENDPOINT, error)
            raise
        except OAuth2Error as error:
            if error.error in REFUSALS:
                raise refused(error.error, line(error.description)) from None
            raise _unreachable("gave no token") from None
        except requests.RequestException:
            raise _unreachable("did not answer") from None
        except _NOT_READABLE:
            raise _unreachable("gave no token") from None
        if not _is_grant(answer):
            raise _unreachable("gave no token")
        return answer

    def _code_refused(self, error: str, description: str) -> LoginFailed:
        advice = CODE_REFUSALS.get(description, CODE_REFUSED_OTHERWISE)
        return LoginFailed(
            f"Spotify refused to finish the login ({_reason(error, description)}). "
            f"{advice.format(redirect_uri=self._settings.redirect_uri)} "
            "Then run: spotify-assets login"
        )


READABLE = (requests.codes.ok, requests.codes.bad_request, requests.codes.unauthorized)
REFUSALS = ("invalid_grant", "invalid_client", "invalid_request", "unauthorized_client")
# By Spotify's own words, which tell apart what the error code does not.
CODE_REFUSALS = {
    "Authorization code expired": "The code is good for a few minutes only: agree and come "
    "straight back.",
    "Invalid authorization code": "The code was used before, or is not whole: each one is good "
    "for one login.",
    "Invalid redirect URI": "Add {redirect_uri}, exactly so, to the redirect URIs in the app's "
    "settings in Spotify's dashboard.",
}
CODE_REFUSED_OTHERWISE = (
    "Compare SPOTIFY_CLIENT_ID, SPOTIFY_CLIENT_SECRET and SPOTIFY_REDIRECT_URI with the app's page "
    "in Spotify's dashboard."
)
# What oauthlib's parser raises, which takes any JSON for an object of the right types.
_NOT_READABLE = (ValueError, TypeError, AttributeError, RecursionError, OverflowError)


def _refresh_refused(error: str, description: str) -> SpotifyError:
    reason = _reason(error, description)
    if error == "invalid_grant":
        return LoginEnded(reason)
    return AppRefused(
        f"Spotify does not accept this app ({reason}). Compare SPOTIFY_CLIENT_ID and "
        "SPOTIFY_CLIENT_SECRET with the app's page in Spotify's dashboard; the logins stay as they "
        "are."
    )


def _refuse_outage(response: requests.Response) -> requests.Response:
    """Let pass what oauthlib can read.

    Spotify once told every user `invalid_grant` during an incident (listenbrainz-server, PR 3766):
    with any status but those of a refusal it is none.
    """
    if response.status_code == requests.codes.too_many_requests:
        raise rate_limited(response)
    if response.status_code not in READABLE:
        raise _unreachable(f"answered HTTP {response.status_code}")
    return response


def _unreachable(what: str) -> Unreachable:
    return Unreachable(f"Spotify's accounts service {what}. Try again in a few minutes.")


def _reason(error: str, description: str) -> str:
    return f"{error}: {description or 'no description'}"


def _is_grant(answer: dict[str, Any]) -> bool:
    """Whether the answer holds what a token is made of, of the right types."""
    lifetime = answer.get("expires_in", 0)
    return (
        _fits_header(answer.get("access_token"))
        and (not answer.get("refresh_token") or _fits_header(answer["refresh_token"]))
        and isinstance(lifetime, int | float)
        and 0 <= lifetime < LONGEST_LIFETIME_SECONDS
    )


def _fits_header(text: object) -> bool:
    return isinstance(text, str) and text != "" and text.isascii() and text.isprintable()


def _token(answer: dict[str, Any], *, authorized_at: str, refreshed: Token | None = None) -> Token:
    return Token(
        access_token=answer["access_token"],
        refresh_token=answer.get("refresh_token") or (refreshed.refresh_token if refreshed else ""),
        expires_at=times.now().timestamp() + float(answer.get("expires_in", 0)),
        scope=_scope_text(answer.get("scope")) or (refreshed.scope if refreshed else ""),
        authorized_at=authorized_at,
    )


def _scope_text(scope: object) -> str:
    return " ".join(scope) if isinstance(scope, list) else str(scope or "")
