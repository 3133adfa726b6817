"""An app that is registered with a sandbox, for tests over real HTTP."""

import base64
import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import requests

from spotify_assets.sandbox.browser import consent
from spotify_assets.sandbox.server import Sandbox

NOW = datetime(2026, 11, 20, 21, 0, 0, 250_000, tzinfo=UTC)
VERIFIER = "a-verifier_of.the~right.length-0123456789-abcdefghij"
SCOPE = "user-read-recently-played"


def challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@dataclass
class App:
    """A client of the sandbox, with a callback address at which it really listens."""

    sandbox: Sandbox
    redirect_uri: str
    callbacks: list[str] = field(default_factory=list)

    def authorize_url(self, without: tuple[str, ...] = (), **changes: Any) -> str:
        asked = {
            "client_id": "sandbox-client",
            "response_type": "code",
            "redirect_uri": self.redirect_uri,
            "scope": SCOPE,
            "state": "the-state",
            "code_challenge_method": "S256",
            "code_challenge": challenge(VERIFIER),
        } | changes
        kept = {name: value for name, value in asked.items() if name not in without}
        return f"{self.sandbox.accounts_url}/authorize?{urlencode(kept)}"

    def code(self, listener: str = "mira", without: tuple[str, ...] = (), **changes: Any) -> str:
        callback = consent(self.authorize_url(without, **changes), listener)
        return dict(parse_qsl(urlsplit(callback).query))["code"]

    def token(self, auth: tuple[str, str] | None = None, **body: str) -> requests.Response:
        url = f"{self.sandbox.accounts_url}/api/token"
        return requests.post(url, data=body, auth=auth, timeout=10)

    def exchange(self, code: str, **changes: str) -> requests.Response:
        body = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "client_id": "sandbox-client",
            "code_verifier": VERIFIER,
        }
        return self.token(None, **body | changes)

    def log_in(self, listener: str = "mira", **changes: Any) -> dict[str, Any]:
        answer = self.exchange(self.code(listener, **changes))
        assert answer.status_code == 200, answer.text
        tokens: dict[str, Any] = answer.json()
        return tokens

    def refresh(self, refresh_token: str) -> requests.Response:
        return self.token(
            client_id="sandbox-client", grant_type="refresh_token", refresh_token=refresh_token
        )

    def get(self, path: str, token: str | None, **params: str | int) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = f"{self.sandbox.api_url}{path}"
        return requests.get(url, headers=headers, params=params, timeout=10)

    def recently_played(self, token: str, **params: str | int) -> requests.Response:
        return self.get("/me/player/recently-played", token, **params)

    def admin(self, method: str, path: str, body: object = None) -> requests.Response:
        return requests.request(method, f"{self.sandbox.url}/sandbox/{path}", json=body, timeout=10)

    def plays(self, listener: str, start: str, **params: str) -> list[dict[str, Any]]:
        answer = requests.get(
            f"{self.sandbox.url}/sandbox/plays",
            params={"listener": listener, "start": start, **params},
            timeout=10,
        )
        assert answer.status_code == 200, answer.text
        plays: list[dict[str, Any]] = answer.json()["plays"]
        return plays


def listen_for_callbacks(seen: list[str]) -> ThreadingHTTPServer:
    """A server that notes the callbacks that reach it."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    return ThreadingHTTPServer(("127.0.0.1", 0), Handler)
