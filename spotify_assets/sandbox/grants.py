"""What people have granted to the registered app: codes and tokens, in memory only.

Belongs here: issuing them and finding them again, on the sandbox's clock. Does not belong here:
how a request carries them or how a refusal is written (`accounts`, `web_api`).
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from spotify_assets.sandbox.clock import Clock

T = TypeVar("T")

CODE_LIFETIME = timedelta(minutes=10)
ACCESS_TOKEN_LIFETIME = timedelta(hours=1)


@dataclass(frozen=True)
class Grant:
    """One person's consent. `code_challenge` is None when the app did not ask with PKCE."""

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


class Grants:
    """Every code and token that was issued since the sandbox started. Safe across threads."""

    def __init__(self, clock: Clock) -> None:
        """Start with nothing granted."""
        self._clock = clock
        self._lock = threading.Lock()
        self._codes: dict[str, Grant] = {}
        self._refresh_tokens: dict[str, Grant] = {}
        self._access_tokens: dict[str, AccessToken] = {}

    def issue_code(self, grant: Grant) -> str:
        """A new authorization code for the grant."""
        return self._keep(self._codes, "AQ", grant)

    def take_code(self, code: str) -> Grant | None:
        """The code's grant, once: whoever comes first has used the code up, even in vain."""
        with self._lock:
            return self._codes.pop(code, None)

    def code_has_expired(self, grant: Grant) -> bool:
        """Whether the code of this grant is older than its ten minutes."""
        return self._clock.now() - grant.authorised_at >= CODE_LIFETIME

    def issue_refresh_token(self, grant: Grant) -> str:
        """A new refresh token for the grant."""
        return self._keep(self._refresh_tokens, "AQ", grant)

    def refreshable(self, refresh_token: str) -> Grant | None:
        """The grant that a refresh token stands for."""
        with self._lock:
            return self._refresh_tokens.get(refresh_token)

    def issue_access_token(self, grant: Grant) -> str:
        """A new access token for the grant, good for an hour of the sandbox's clock."""
        token = AccessToken(grant, self._clock.now() + ACCESS_TOKEN_LIFETIME)
        return self._keep(self._access_tokens, "BQ", token)

    def access(self, access_token: str) -> AccessToken | None:
        """What the access token is good for, expired or not; None if it was never issued."""
        with self._lock:
            return self._access_tokens.get(access_token)

    def _keep(self, where: dict[str, T], prefix: str, value: T) -> str:
        token = prefix + secrets.token_urlsafe(96)
        with self._lock:
            where[token] = value
        return token
