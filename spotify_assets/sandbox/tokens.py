"""Handing out tokens: OAuth 2's token endpoint as Spotify speaks it.

Belongs here: which request gets tokens (a code with PKCE or with the app's secret, or a refresh
token), and the words of every refusal. Does not belong here: how tokens are kept (`grants`).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re

from flask import request

from spotify_assets.sandbox.grants import ACCESS_TOKEN_LIFETIME, DeadToken, Death, Grant
from spotify_assets.sandbox.world import SandboxConfig, World

# The words for a token past its six months are a guess; the code is the documented one.
DEAD = {
    Death.UNKNOWN: "Invalid refresh token",
    Death.REVOKED: "Refresh token revoked",
    Death.EXPIRED: "Refresh token expired",
}


class Refusal(Exception):
    """A request for tokens that is refused: RFC 6749's error code, perhaps with words."""

    def __init__(self, code: str, description: str | None = None) -> None:
        """Refuse with this code."""
        super().__init__(code)
        self.code, self.description = code, description


def tokens(world: World) -> dict[str, object]:
    """The answer to a request for tokens. Raises Refusal."""
    grant_type = request.form.get("grant_type")
    if grant_type not in ("authorization_code", "refresh_token"):
        raise Refusal("unsupported_grant_type")
    has_secret = _authenticate(world.config)
    new: dict[str, str] = {}
    if grant_type == "authorization_code":
        grant = _redeem_code(world, has_secret)
        new["refresh_token"] = world.grants.issue_refresh_token(grant)
    else:
        grant, new = _refresh(world, has_secret)
    return {
        "access_token": world.grants.issue_access_token(grant),
        "token_type": "Bearer",
        "scope": " ".join(grant.scopes),
        "expires_in": int(ACCESS_TOKEN_LIFETIME.total_seconds()),
        **new,
    }


def _authenticate(config: SandboxConfig) -> bool:
    """Whether the app proved itself by its secret; False if it only named itself, as with PKCE."""
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise Refusal("invalid_client") from error
    else:
        client_id = request.form.get("client_id", "")
        secret = request.form.get("client_secret", "")
        if not client_id:
            raise Refusal("invalid_client")
    if client_id != config.client_id:
        raise Refusal("invalid_client", "Invalid client")
    if not secret and scheme.lower() != "basic":
        return False
    if not hmac.compare_digest(secret.encode(), config.client_secret.encode()):
        raise Refusal("invalid_client", "Invalid client secret")
    return True


def _require_secret_or_pkce(grant: Grant, has_secret: bool) -> None:
    if not has_secret and grant.code_challenge is None:
        raise Refusal("invalid_client")


def _redeem_code(world: World, has_secret: bool) -> Grant:
    """The grant behind the code. Any attempt uses the code up. Raises Refusal."""
    grant = world.grants.take_code(request.form.get("code", ""))
    if grant is None:
        raise Refusal("invalid_grant", "Invalid authorization code")
    if world.grants.code_has_expired(grant):
        raise Refusal("invalid_grant", "Authorization code expired")
    if request.form.get("redirect_uri") != grant.redirect_uri:
        raise Refusal("invalid_grant", "Invalid redirect URI")
    _require_secret_or_pkce(grant, has_secret)
    verifier = request.form.get("code_verifier", "")
    if grant.code_challenge is not None and not (
        re.fullmatch(r"[A-Za-z0-9_.~-]{43,128}", verifier)
        and hmac.compare_digest(_challenge(verifier), grant.code_challenge)
    ):
        raise Refusal("invalid_grant", "code_verifier was incorrect")
    return grant


def _refresh(world: World, has_secret: bool) -> tuple[Grant, dict[str, str]]:
    """The grant behind the refresh token, and what takes its place. Raises Refusal."""
    token = request.form.get("refresh_token", "")
    try:
        grant = world.grants.refreshable(token)
        _require_secret_or_pkce(grant, has_secret)
        # Since mid-2026 a refresh brings no new refresh token. The older way can be switched on.
        return grant, {"refresh_token": world.grants.rotate(token)} if world.rotation else {}
    except DeadToken as dead:
        raise Refusal("invalid_grant", DEAD[dead.death]) from dead


def _challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")
