"""OAuth with Spotify: the authorization request, the exchange, the refresh, the bearer header.

PKCE without a client secret, HTTP Basic with one. Talking to the person is `login`'s part, files
are `token_store`'s.
"""

import logging
import os
import time
from collections.abc import Callable
from typing import Any, Protocol
from urllib.parse import urlsplit

import requests
from oauthlib.oauth2 import OAuth2Error
from requests.auth import AuthBase, HTTPBasicAuth
from requests_oauthlib import OAuth2Session

from spotify_assets.settings import Settings, is_loopback
from spotify_assets.spotify.errors import LoginFailed, NeedsLogin, Unreachable
from spotify_assets.spotify.token_store import Token, TokenStore
from spotify_assets.times import now_text

SCOPES = ("user-read-recently-played",)
TIMEOUT_SECONDS = 15
REFRESH_BEFORE_SECONDS = 60

# At DEBUG these log headers and bodies, which hold tokens, codes and the client secret.
for _name in ("requests_oauthlib", "oauthlib"):
    logging.getLogger(_name).setLevel(logging.WARNING)


class OAuthApp:
    """The registered Spotify app that we log in as."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
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
            Unreachable: no usable answer came.
        """
        session.scope = None  # Spotify may grant more than was asked, which oauthlib calls an error
        answer = self._request(
            lambda: session.fetch_token(
                self._token_url,
                code=code,
                include_client_id=not self._settings.client_secret,
                auth=self._client_auth(),
                timeout=TIMEOUT_SECONDS,
            ),
            LoginFailed,
            "Spotify refused to finish the login ({}). Compare SPOTIFY_CLIENT_ID, "
            "SPOTIFY_CLIENT_SECRET and SPOTIFY_REDIRECT_URI with the app's page in Spotify's "
            "dashboard, then run: spotify-assets login",
        )
        return _token(answer, authorized_at=now_text())

    def refresh(self, token: Token) -> Token:
        """A token with a fresh access token; the refresh token is kept where none comes back.

        Raises:
            NeedsLogin: the refresh token is expired or revoked, which no retry mends.
            Unreachable: no usable answer came.
        """
        session = self._session(token={"access_token": token.access_token})
        answer = self._request(
            lambda: session.refresh_token(
                self._token_url,
                refresh_token=token.refresh_token,
                auth=self._client_auth(),
                timeout=TIMEOUT_SECONDS,
                client_id=None if self._settings.client_secret else self._settings.client_id,
            ),
            NeedsLogin,
            "Spotify no longer accepts this login ({}). Run: spotify-assets login",
        )
        return _token(answer, authorized_at=token.authorized_at, refreshed=token)

    def _session(self, **options: Any) -> OAuth2Session:
        session = OAuth2Session(self._settings.client_id, **options)
        session.trust_env = not is_loopback(self._settings.accounts_url)
        session.max_redirects = 0  # a redirect would carry code or refresh token to another host
        return session

    @property
    def _token_url(self) -> str:
        return f"{self._settings.accounts_url}/api/token"

    def _client_auth(self) -> HTTPBasicAuth | None:
        if not self._settings.client_secret:
            return None
        return HTTPBasicAuth(self._settings.client_id, self._settings.client_secret)

    def _request(
        self, call: Callable[[], dict[str, Any]], refused: type[Exception], message: str
    ) -> dict[str, Any]:
        # `from None`: what oauthlib and requests raise may quote the request or the answer.
        try:
            answer = call()
        except OAuth2Error as error:
            if error.error in ("invalid_grant", "invalid_client", "invalid_request"):
                reason = f"{error.error}: {error.description or 'no description'}"
                raise refused(message.format(reason)) from None
            raise Unreachable(_UNREACHABLE.format("gave no token")) from None
        except requests.RequestException:
            raise Unreachable(_UNREACHABLE.format("did not answer")) from None
        except _NOT_READABLE:
            raise Unreachable(_UNREACHABLE.format("gave no token")) from None
        if not _is_grant(answer):
            raise Unreachable(_UNREACHABLE.format("gave no token"))
        return answer


_UNREACHABLE = "Spotify's accounts service {}. Try again in a few minutes."
# What oauthlib's parser raises, which takes any JSON for an object of the right types.
_NOT_READABLE = (ValueError, TypeError, AttributeError, RecursionError)
LONGEST_LIFETIME_SECONDS = 10**9


def _is_grant(answer: dict[str, Any]) -> bool:
    """Whether the answer holds what a token is made of, of the right types."""
    lifetime = answer.get("expires_in", 0)
    return (
        _fits_header(answer.get("access_token"))
        and (not answer.get("refresh_token") or _fits_header(answer["refresh_token"]))
        and isinstance(lifetime, int | float)
        and lifetime < LONGEST_LIFETIME_SECONDS
    )


def _fits_header(text: object) -> bool:
    return isinstance(text, str) and text != "" and text.isascii() and text.isprintable()


def _token(answer: dict[str, Any], *, authorized_at: str, refreshed: Token | None = None) -> Token:
    return Token(
        access_token=answer["access_token"],
        refresh_token=answer.get("refresh_token") or (refreshed.refresh_token if refreshed else ""),
        expires_at=time.time() + float(answer.get("expires_in", 0)),
        scope=_scope_text(answer.get("scope")) or (refreshed.scope if refreshed else ""),
        authorized_at=authorized_at,
    )


def _scope_text(scope: object) -> str:
    return " ".join(scope) if isinstance(scope, list) else str(scope or "")


class Authorization(Protocol):
    """What the client asks of an authorization: to sign a request, and to renew itself once."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest: ...

    def renew(self) -> bool:
        """Get another access token after a 401; False where that is not possible."""
        ...


class FreshLogin(AuthBase):
    """A token that was granted this moment and is not stored yet."""

    def __init__(self, token: Token) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return _signed(request, self._token)

    def renew(self) -> bool:
        return False


class StoredLogin(AuthBase):
    """An account's stored login, refreshed a minute before its access token ends."""

    def __init__(self, app: OAuthApp, store: TokenStore, account_id: str) -> None:
        self._app = app
        self._store = store
        self._account_id = account_id
        self._used: Token | None = None

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        token = self._load()
        if token.expires_at - time.time() < REFRESH_BEFORE_SECONDS:
            token = self._refresh_unless_another_did(token)
        self._used = token
        return _signed(request, token)

    def renew(self) -> bool:
        if self._used is None:
            return False
        self._refresh_unless_another_did(self._used)
        return True

    def _load(self) -> Token:
        token = self._store.load(self._account_id)
        if token is None:
            raise NeedsLogin(f"{self._account_id} has no stored login. Run: spotify-assets login")
        return token

    def _refresh_unless_another_did(self, stale: Token) -> Token:
        with self._store.lock(self._account_id):
            current = self._load()
            if current.access_token != stale.access_token:
                return current
            fresh = self._app.refresh(current)
            self._store.save(self._account_id, fresh)
            return fresh


def _signed(request: requests.PreparedRequest, token: Token) -> requests.PreparedRequest:
    request.headers["Authorization"] = f"Bearer {token.access_token}"
    return request
