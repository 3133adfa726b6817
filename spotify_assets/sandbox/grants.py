"""What people have granted to the registered app: codes and tokens, in memory only.

Belongs here: issuing them, finding them again and letting them die, on the sandbox's clock. Does
not belong here: how a request carries them or how a refusal is written (`tokens`, `web_api`).
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import TypeVar

from dateutil.relativedelta import relativedelta

from spotify_assets.sandbox.clock import Clock

T = TypeVar("T")

CODE_LIFETIME = timedelta(minutes=10)
ACCESS_TOKEN_LIFETIME = timedelta(hours=1)
# From the moment when the person agreed; no refresh puts it off.
GRANT_LIFETIME = relativedelta(months=6)


@dataclass(frozen=True, eq=False)
class Grant:
    """One person's consent. `code_challenge` is None when the app did not ask with PKCE.

    Two grants are never the same one, however much they agree.
    """

    listener: str
    scopes: tuple[str, ...]
    redirect_uri: str
    code_challenge: str | None
    authorised_at: datetime


@dataclass(frozen=True)
class AccessToken:
    """What an access token is good for, and until when."""

    grant: Grant
    expires_at: datetime


class Death(Enum):
    """Why a refresh token is of no use."""

    UNKNOWN = auto()
    REVOKED = auto()
    EXPIRED = auto()


class DeadToken(Exception):
    """A refresh token that is of no use (any more)."""

    def __init__(self, death: Death) -> None:
        """Say why."""
        super().__init__(death.name)
        self.death = death


class Grants:
    """Every code and token that was issued since the sandbox started. Safe across threads."""

    def __init__(self, clock: Clock, mark: str = "") -> None:
        """Start with nothing granted. Every code and token will hold the mark."""
        self._clock, self._mark = clock, mark
        self._lock = threading.Lock()
        self._given: list[Grant] = []
        self._revoked: set[Grant] = set()
        self._codes: dict[str, Grant] = {}
        self._refresh_tokens: dict[str, Grant] = {}
        self._spent: set[str] = set()
        self._access_tokens: dict[str, AccessToken] = {}

    def issue_code(self, grant: Grant) -> str:
        """A new authorization code for the grant."""
        with self._lock:
            self._given.append(grant)
            return self._keep(self._codes, "AQ", grant)

    def take_code(self, code: str) -> Grant | None:
        """The code's grant, once: whoever comes first has used the code up, even in vain."""
        with self._lock:
            grant = self._codes.pop(code, None)
            return None if grant in self._revoked else grant

    def code_has_expired(self, grant: Grant) -> bool:
        """Whether the code of this grant is older than its ten minutes."""
        return self._clock.now() - grant.authorised_at >= CODE_LIFETIME

    def issue_refresh_token(self, grant: Grant) -> str:
        """A new refresh token for the grant."""
        with self._lock:
            return self._keep(self._refresh_tokens, "AQ", grant)

    def refreshable(self, refresh_token: str) -> Grant:
        """The grant that a refresh token stands for. Raises DeadToken."""
        with self._lock:
            return self._alive(refresh_token)

    def rotate(self, refresh_token: str) -> str:
        """Another refresh token for this one, which is dead from now on.

        Raises DeadToken, also to all but the first of those who come with one token at once.
        """
        with self._lock:
            grant = self._alive(refresh_token)
            self._spent.add(refresh_token)
            return self._keep(self._refresh_tokens, "AQ", grant)

    def issue_access_token(self, grant: Grant) -> str:
        """A new access token for the grant, good for an hour of the sandbox's clock."""
        token = AccessToken(grant, self._clock.now() + ACCESS_TOKEN_LIFETIME)
        with self._lock:
            return self._keep(self._access_tokens, "BQ", token)

    def access(self, access_token: str) -> AccessToken | None:
        """What the access token is good for, expired or not; None if it is unknown or revoked."""
        with self._lock:
            token = self._access_tokens.get(access_token)
            return None if token is None or token.grant in self._revoked else token

    def revoke(self, listener: str) -> None:
        """Take back all that a person granted until now, and what is being exchanged for it."""
        with self._lock:
            self._revoked.update(grant for grant in self._given if grant.listener == listener)

    def listener_of(self, token: str) -> str | None:
        """Whose code or token this is, dead or alive."""
        with self._lock:
            access = self._access_tokens.get(token)
            grant = self._refresh_tokens.get(token) or self._codes.get(token)
            grant = access.grant if access else grant
            return grant.listener if grant else None

    def _alive(self, refresh_token: str) -> Grant:
        grant = self._refresh_tokens.get(refresh_token)
        if grant is None:
            raise DeadToken(Death.UNKNOWN)
        if grant in self._revoked or refresh_token in self._spent:
            raise DeadToken(Death.REVOKED)
        if self._clock.now() >= grant.authorised_at + GRANT_LIFETIME:
            raise DeadToken(Death.EXPIRED)
        return grant

    def _keep(self, where: dict[str, T], prefix: str, value: T) -> str:
        token = prefix + secrets.token_urlsafe(48) + self._mark + secrets.token_urlsafe(48)
        where[token] = value
        return token
