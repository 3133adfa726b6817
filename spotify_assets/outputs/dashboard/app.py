"""The web app: which address shows which page, and what each answer says about itself.

It needs no script: a page is a form and links, and its address holds all of its state.
"""

import logging
import sqlite3
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode

from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from spotify_assets.covers.folder import CoverFolder
from spotify_assets.outputs import figures
from spotify_assets.outputs.covers import Covers
from spotify_assets.outputs.dashboard import login
from spotify_assets.outputs.dashboard.choice import Choice
from spotify_assets.outputs.dashboard.login import LoginFirst
from spotify_assets.outputs.dashboard.pages import PAGES
from spotify_assets.outputs.dashboard.pages.things import thing as show_thing
from spotify_assets.outputs.dashboard.pages.year import reviewed as review_of
from spotify_assets.outputs.dashboard.password import Access
from spotify_assets.outputs.definitions import definitions
from spotify_assets.outputs.marts.look import Account, Look, Marts
from spotify_assets.outputs.marts.sums import days_at_least
from spotify_assets.outputs.rendering import environment
from spotify_assets.outputs.report import page as one_page
from spotify_assets.outputs.year.review import Review
from spotify_assets.outputs.year.story import card
from spotify_assets.same_origin import OwnRequestsOnly
from spotify_assets.settings import Settings

logger = logging.getLogger("uvicorn.error")  # the server's own

STATIC = Path(__file__).parent / "static"

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "private, no-cache",
    # Under no-referrer a browser says "Origin: null" where it sends our own forms.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}

TYPES = {"svg": "image/svg+xml", "html": "text/html"}

# An album's cover is fetched once and stays as it is.
HEADERS_OF_COVERS = HEADERS | {"Cache-Control": "private, max-age=604800"}


def app(settings: Settings, hosts: Collection[str], shared: Collection[str] = ()) -> Starlette:
    """The app on somebody's data.

    Args:
        settings: where the data are, and on which clock the newest plays are told.
        hosts: the names under which this machine alone asks, as `same_origin.hosts_of` gives them.
        shared: the names under which others may ask, who must log in.
    """
    figures.use(settings.locale)
    site, access = _Site(settings), Access(settings.dashboard_password)
    middleware = [Middleware(OwnRequestsOnly, hosts={*hosts, *shared})]
    if shared:
        middleware += [Middleware(LoginFirst, access, unguarded=hosts, headers=HEADERS)]
    return Starlette(
        routes=[
            *(login.routes(access, site.show, HEADERS) if shared else ()),
            Mount("/static", StaticFiles(directory=STATIC)),
            Route("/covers/{name:str}", site.cover),
            Route("/", site.page),
            Route("/definitions", site.definitions),
            Route("/year.svg", site.picture),
            Route("/year.html", site.file),
            Route("/{kind:str}/one", site.thing),
            Route("/{page:str}", site.page),
        ],
        middleware=middleware,
        exception_handlers={
            HTTPException: cast(Any, site.wrong),
            **dict.fromkeys((SQLAlchemyError, sqlite3.Error, OSError), site.unreadable),
        },
    )


class _Site:
    """What is answered at each address."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._marts = Marts(settings.warehouse_path)
        self._covers = CoverFolder(settings.covers)
        self._templates = environment()

    def show(self, request: Request, template: str, status: int = 200, **values: Any) -> Response:
        is_logged_in = request.scope.get("is_logged_in", False)
        text = self._templates.get_template(template).render(is_logged_in=is_logged_in, **values)
        return HTMLResponse(text, status, HEADERS)

    def page(self, request: Request) -> Response:
        name = request.path_params.get("page", "overview")
        build = PAGES.get(name)
        if build is None:
            raise HTTPException(404)
        return self._answer(request, name, build)

    def thing(self, request: Request) -> Response:
        kind = request.path_params["kind"]
        return self._answer(request, "thing", lambda look, choice: show_thing(look, choice, kind))

    def definitions(self, request: Request) -> Response:
        found = definitions()
        return self.show(request, "definitions.html", page="", choice=None, definitions=found)

    def picture(self, request: Request) -> Response:
        return self._saved(request, "svg", lambda found, _: card(found, self._templates))

    def file(self, request: Request) -> Response:
        return self._saved(
            request, "html", lambda found, covers: one_page(found, self._templates, covers)
        )

    def cover(self, request: Request) -> Response:
        name = request.path_params["name"]
        found = self._covers.read(name) if self._settings.covers_on else None
        if found is None:
            raise HTTPException(404, "There is no such cover.")
        content, kind = found
        return Response(content, headers=HEADERS_OF_COVERS, media_type=kind)

    def wrong(self, request: Request, error: HTTPException) -> Response:
        detail, status = error.detail, error.status_code
        return self.show(request, "wrong.html", status, page="", choice=None, detail=detail)

    def unreadable(self, request: Request, error: Exception) -> Response:
        """What stands where the database is damaged, or is being replaced."""
        logger.error("A page could not be read: %s", str(error).partition("\n")[0])
        said = (
            "Your data cannot be read at present. If it stays so: spotify-assets status says why."
        )
        return self.show(request, "wrong.html", 503, page="", choice=None, detail=said)

    def _answer(
        self, request: Request, name: str, build: Callable[[Look, Choice], dict[str, Any]]
    ) -> Response:
        query = request.query_params
        if query.get("from") or query.get("to"):
            return RedirectResponse(_with_dates(request), 303, HEADERS)
        with self._marts.look() as look:
            accounts = look.accounts() if look else []
            if look is None or not accounts:
                return self.show(request, "empty.html", page=name, choice=None)
            choice = self._choice(request, accounts)
            period = choice.period
            values = {
                "covers": Covers(self._settings, look),
                "days_at_least": days_at_least(look, choice.ids, period.first, period.last),
                **build(look, choice),
            }
            return self.show(request, f"{name}.html", page=name, choice=choice, **values)

    def _saved(
        self, request: Request, ending: str, write: Callable[[Review, Covers], str]
    ) -> Response:
        """A file to save, which a browser does not open in the dashboard's place."""
        with self._marts.look() as look:
            accounts = look.accounts() if look else []
            if look is None or not accounts:
                raise HTTPException(404, "Nothing was played.")
            found = review_of(look, self._choice(request, accounts))
            text = write(found, Covers(self._settings, look, in_file=True))
        name = f'attachment; filename="{found.year}.{ending}"'
        return Response(text, 200, HEADERS | {"Content-Disposition": name}, TYPES[ending])

    def _choice(self, request: Request, accounts: Sequence[Account]) -> Choice:
        try:
            return Choice.of(request.query_params, accounts, self._settings)
        except ValueError as error:
            raise HTTPException(400, str(error)) from None


def _with_dates(request: Request) -> str:
    """The same page with the two dates of the form as one period: an address without a path."""
    first, last = (request.query_params.get(name) or "" for name in ("from", "to"))
    kept = {k: v for k, v in request.query_params.items() if k not in ("from", "to", "period")}
    return f"?{urlencode({**kept, 'period': f'{first or last}..{last or first}'})}"
