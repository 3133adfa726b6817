"""The bearer header of a call: a login's access token, renewed in time by one process for all.

How tokens are got is `oauth`'s part, how they are kept `token_store`'s.
"""

from typing import Protocol

import requests
from filelock import Timeout
from requests.auth import AuthBase

from spotify_assets import times
from spotify_assets.spotify import transport
from spotify_assets.spotify.errors import LoginEnded, NeedsLogin, Unreachable
from spotify_assets.spotify.oauth import OAuthApp
from spotify_assets.spotify.state import EndedLogin, State
from spotify_assets.spotify.token_store import Token, TokenStore

REFRESH_BEFORE_SECONDS = 60


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
    """An account's stored login, refreshed a minute before its access token ends.

    A login that Spotify has ended is marked, and not tried again.
    """

    def __init__(self, app: OAuthApp, store: TokenStore, state: State, account_id: str) -> None:
        self._app = app
        self._store = store
        self._state = state
        self._account_id = account_id
        self._used: Token | None = None

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        token = self._load()
        if token.expires_at - times.now().timestamp() < REFRESH_BEFORE_SECONDS:
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
        ended = self._state.ended_login(self._account_id)
        if ended is not None and ended.login == self._login(token):
            raise LoginEnded(ended.reason)
        return token

    def _refresh_unless_another_did(self, stale: Token) -> Token:
        try:
            with self._store.lock(self._account_id, timeout=self._app.seconds_left()):
                current = self._load()
                if current.access_token != stale.access_token:
                    return current
                if self._app.seconds_left() < transport.EXCHANGE_SECONDS / 2:
                    # With rotation, an answer that nobody waits for takes the login with it.
                    raise Unreachable(
                        "Spotify took so long that no time was left to renew this login; the next "
                        "refresh tries again."
                    )
                # Is there room for what replaces it, before the refresh token may be spent?
                self._store.save(self._account_id, current)
                fresh = self._refresh(current)
                self._store.save(self._account_id, fresh)
                return fresh
        except Timeout:
            raise Unreachable(
                "Another process renews this login and has no answer yet; the next refresh tries "
                "again."
            ) from None

    def _refresh(self, current: Token) -> Token:
        try:
            return self._app.refresh(current)
        except LoginEnded as error:
            # Under the token's lock, so that no login of this moment is marked in its place.
            self._state.end_login(self._account_id, EndedLogin(self._login(current), error.reason))
            raise

    def _login(self, token: Token) -> str:
        # Of another app, or at another host, the same token may be good.
        return f"{token.authorized_at} {self._app.name}"


def _signed(request: requests.PreparedRequest, token: Token) -> requests.PreparedRequest:
    request.headers["Authorization"] = f"Bearer {token.access_token}"
    return request
