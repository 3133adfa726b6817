"""Which requests our servers answer: those of programs, and of the server's own pages.

A server that listens on 127.0.0.1 alone is still within reach of every page that its owner's
browser shows: a page can send it requests, and can give its own name the address 127.0.0.1. What
tells such requests apart is in their headers, which no script can set (Fetch Metadata, RFC 6454).
"""

from collections.abc import Callable, Collection, Iterable
from typing import Any, Protocol
from urllib.parse import urlsplit

HTTP_PORT = 80  # which browsers leave out
NAMES = ("127.0.0.1", "localhost", "[::1]")


class Headers(Protocol):
    """A request's headers, by name in any case."""

    def get(self, name: str, /) -> str | None: ...


def hosts_of(port: int, further: Iterable[str] = ()) -> frozenset[str]:
    """What `Host` may be: this machine with our port, and further host:port pairs."""
    own = {f"{name}:{port}" for name in NAMES}
    return frozenset({*own, *(NAMES if port == HTTP_PORT else ()), *map(str.lower, further)})


def refusal(method: str, headers: Headers, hosts: Collection[str]) -> str | None:
    """Why a request is not answered; None where it is.

    A page of another origin may do one thing: lead its reader to one of ours. So a GET must change
    nothing, except what a secret in it guards.

    Args:
        method: of HTTP; GET for a WebSocket.
        headers: of the request.
        hosts: as `hosts_of` gives them.
    """
    host = (headers.get("Host") or "").lower()
    if host not in hosts:
        return (
            f"This server is not called {host[:100]!r}. Where it should be: "
            "SPOTIFY_ASSETS_HOSTS names further hosts, each with its port."
        )
    site, origin = headers.get("Sec-Fetch-Site"), headers.get("Origin")
    if site not in (None, "same-origin", "none") and not _is_navigation(method, headers):
        return "A page of another origin sent this request."
    if origin is not None and _authority(origin) != host:
        return "A page of another origin sent this request."
    return None


class OwnRequestsOnly:
    """ASGI middleware: what another origin's page sends is refused, and does not reach the app.

    Args:
        app: what answers all other requests.
        hosts: as `hosts_of` gives them.
        further: why the app does not get a request that is allowed otherwise, or None.
    """

    def __init__(
        self,
        app: Any,
        hosts: Collection[str],
        further: Callable[[Any, str, Headers], str | None] = lambda *_: None,
    ) -> None:
        self.app, self.hosts, self.further = app, hosts, further

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer, or pass the request on."""
        from starlette.datastructures import Headers as RequestHeaders
        from starlette.responses import PlainTextResponse
        from starlette.websockets import WebSocketClose

        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers, method = RequestHeaders(scope=scope), scope.get("method", "GET")
        problem = refusal(method, headers, self.hosts) or self.further(scope, method, headers)
        if problem is None:
            await self.app(scope, receive, _without_frames(send))
        elif scope["type"] == "websocket":
            await WebSocketClose(reason=problem)(scope, receive, send)
        else:
            await PlainTextResponse(f"{problem}\n", 403)(scope, receive, send)


def _without_frames(send: Any) -> Any:
    """Forbid pages of other origins to show ours in a frame, so that nobody's clicks are stolen.

    `refusal` does not see every such request: browsers send Sec-Fetch-Site only over https and to
    this machine.
    """

    async def send_with_header(message: Any) -> None:
        if message["type"] == "http.response.start":
            headers = [*message.get("headers", []), (b"x-frame-options", b"SAMEORIGIN")]
            message = {**message, "headers": headers}
        await send(message)

    return send_with_header


def _is_navigation(method: str, headers: Headers) -> bool:
    """Whether the browser is to show the answer as a page, in place of the one that asks."""
    return (
        method == "GET"
        and headers.get("Sec-Fetch-Mode") == "navigate"
        and headers.get("Sec-Fetch-Dest") == "document"
    )


def _authority(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:  # half an IPv6 address
        return None
