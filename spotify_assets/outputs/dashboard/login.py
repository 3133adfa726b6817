"""Logging in: who must, the page for it, and the cookie that it gives.

Where only this machine's own names are answered, nobody is asked and none of this is in use.
"""

import re
from collections.abc import Callable, Collection
from typing import Any
from urllib.parse import parse_qs, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.websockets import WebSocketClose

from spotify_assets.outputs.dashboard.guesses import Guesses, TooManyGuesses
from spotify_assets.outputs.dashboard.password import SESSION_LASTS, Access
from spotify_assets.settings import SettingsError

COOKIE = "spotify_assets_dashboard"
# What the login page needs. All else is behind it, also a path that is added later.
OPEN_PATHS = {"/login", "/logout", "/static/charts.css", "/static/look.css", "/static/icon.svg"}
READS = ("GET", "HEAD")
FORM = "application/x-www-form-urlencoded"
LARGEST_FORM = 8192  # bytes
# A browser takes /\evil.example and //evil.example for another host, and drops tabs and newlines.
OUR_PATH = re.compile(r"/(?!/)[\x21-\x5b\x5d-\x7e]{0,2000}")
NONE_IS_SET = (
    "Under this name the dashboard asks for a password, and none is set. On the machine where it "
    "runs: spotify-assets dashboard --set-password"
)


class LoginFirst:
    """ASGI middleware: who has not logged in gets the login page and nothing else.

    Args:
        app: what answers those who have logged in.
        access: the password and the sessions.
        unguarded: the hosts that are answered without a login while no password is set. Once one
            is set all must log in: a program can write any name into `Host`.
        headers: of the answers.
    """

    def __init__(
        self, app: Any, access: Access, unguarded: Collection[str], headers: dict[str, str]
    ) -> None:
        self.app, self.access, self.unguarded, self.headers = app, access, unguarded, headers

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer, or pass the request on."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        refusal = self._refusal(HTTPConnection(scope))
        if refusal is None:
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await WebSocketClose()(scope, receive, send)
        else:
            await refusal(scope, receive, send)

    def _refusal(self, request: HTTPConnection) -> Response | None:
        try:
            is_set = self.access.is_set()
            is_logged_in = is_set and self.access.is_logged_in(request.cookies.get(COOKIE, ""))
        except (SettingsError, OSError):
            text = "The file of the password cannot be read, so nobody is let in.\n"
            return PlainTextResponse(text, 503, self.headers)
        if not is_set:
            if request.headers.get("Host", "").lower() in self.unguarded:
                return None
            return PlainTextResponse(f"{NONE_IS_SET}\n", 403, self.headers)
        request.scope["is_logged_in"] = is_logged_in
        if is_logged_in or request.scope["path"] in OPEN_PATHS:
            return None
        if request.scope.get("method") not in READS:
            return PlainTextResponse("Log in first, at /login.\n", 403, self.headers)
        wanted = request.url.replace(scheme="", netloc="")
        return RedirectResponse(f"/login?{urlencode({'next': str(wanted)})}", 303, self.headers)


def routes(access: Access, show: Callable[..., Response], headers: dict[str, str]) -> list[Route]:
    """The pages to log in and out.

    Args:
        access: the password and the sessions.
        show: renders a template, given the request, its name, the status and values.
        headers: of the other answers.
    """
    guesses = Guesses()

    def page(request: Request, wanted: str, status: int = 200, problem: str = "") -> Response:
        return show(request, "login.html", status, wanted=wanted, problem=problem)

    def form(request: Request) -> Response:
        wanted = _ours(request.query_params.get("next", ""))
        if request.scope.get("is_logged_in") or not access.is_set():
            return RedirectResponse(wanted, 303, headers)
        return page(request, wanted)

    async def log_in(request: Request) -> Response:
        fields = await _fields(request)
        client = request.client.host if request.client else ""
        wanted = _ours(fields.get("next", ""))
        try:
            secret = await run_in_threadpool(
                guesses.check, client, lambda: access.log_in(fields.get("password", ""))
            )
        except TooManyGuesses as error:
            answer = page(request, wanted, 429, str(error))
            answer.headers["Retry-After"] = str(error.seconds)
            return answer
        if secret is None:
            return page(request, wanted, 403, "That is not the password.")
        answer = RedirectResponse(wanted, 303, headers)
        answer.set_cookie(
            COOKIE,
            secret,
            max_age=int(SESSION_LASTS.total_seconds()),
            httponly=True,
            samesite="strict",
            # The browser says how it asked; we speak plain HTTP, also behind a proxy with TLS.
            secure=request.headers.get("Origin", "").startswith("https:"),
        )
        return answer

    def log_out(request: Request) -> Response:
        access.log_out(request.cookies.get(COOKIE, ""))
        answer = RedirectResponse("/login", 303, headers)
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return answer

    return [
        Route("/login", form),
        Route("/login", log_in, methods=["POST"]),
        Route("/logout", log_out, methods=["POST"]),
    ]


def _ours(wanted: str) -> str:
    """A path of ours: the one that is asked for, or that of the overview."""
    return wanted if OUR_PATH.fullmatch(wanted) else "/"


async def _fields(request: Request) -> dict[str, str]:
    """The fields of a form, each once.

    Raises:
        HTTPException: it is no form, or larger than ours can be.
    """
    if request.headers.get("Content-Type", "").partition(";")[0].strip().lower() != FORM:
        raise HTTPException(415, "Log in with the form of the page.")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_FORM:
            raise HTTPException(413, "That form is too large.")
    try:
        fields = parse_qs(body.decode("ascii"), max_num_fields=10, errors="strict")
    except ValueError:
        raise HTTPException(400, "That is no form.") from None
    return {name: values[-1] for name, values in fields.items()}
