"""The web app: which address shows which page, and what each answer says about itself.

It needs no script: a page is a form and links, and its address holds all of its state.
"""

from collections.abc import Callable, Collection
from datetime import date
from pathlib import Path
from typing import Any, cast
from zlib import crc32

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from spotify_assets import times
from spotify_assets.covers.folder import CoverFolder
from spotify_assets.outputs import charts, figures
from spotify_assets.outputs.dashboard import login
from spotify_assets.outputs.dashboard.choice import Choice
from spotify_assets.outputs.dashboard.covers import Covers
from spotify_assets.outputs.dashboard.login import LoginFirst
from spotify_assets.outputs.dashboard.pages import PAGES
from spotify_assets.outputs.dashboard.pages.things import thing as show_thing
from spotify_assets.outputs.dashboard.password import Access
from spotify_assets.outputs.definitions import definitions
from spotify_assets.outputs.marts.look import Marts
from spotify_assets.same_origin import OwnRequestsOnly
from spotify_assets.settings import Settings

HUES = 10
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

# An album's cover is fetched once and stays as it is.
HEADERS_OF_COVERS = HEADERS | {"Cache-Control": "private, max-age=604800"}


def app(settings: Settings, hosts: Collection[str], shared: Collection[str] = ()) -> Starlette:
    """The app on somebody's data.

    Args:
        settings: where the data are, and on which clock the newest plays are told.
        hosts: the names under which this machine alone asks, as `same_origin.hosts_of` gives them.
        shared: the names under which others may ask, who must log in.
    """
    marts = Marts(settings.warehouse_path)
    folder = CoverFolder(settings.covers)
    templates = _templates()

    access = Access(settings.dashboard_password)

    def show(request: Request, template: str, status: int = 200, **values: Any) -> Response:
        is_logged_in = request.scope.get("is_logged_in", False)
        text = templates.get_template(template).render(is_logged_in=is_logged_in, **values)
        return HTMLResponse(text, status, HEADERS)

    def meanings(request: Request) -> Response:
        return show(request, "definitions.html", page="", choice=None, definitions=definitions())

    def page(request: Request) -> Response:
        name = request.path_params.get("page", "overview")
        build = PAGES.get(name)
        if build is None:
            raise HTTPException(404)
        return answer(request, name, build)

    def thing(request: Request) -> Response:
        kind = request.path_params["kind"]
        return answer(request, "thing", lambda look, choice: show_thing(look, choice, kind))

    def answer(request: Request, name: str, build: Callable[..., dict[str, Any]]) -> Response:
        query = request.query_params
        if query.get("from") or query.get("to"):
            return RedirectResponse(_with_dates(request), 303, HEADERS)
        with marts.look() as look:
            accounts = look.accounts() if look else []
            if look is None or not accounts:
                return show(request, "empty.html", page=name, choice=None)
            try:
                choice = Choice.of(query, accounts, settings)
            except ValueError as error:
                raise HTTPException(400, str(error)) from None
            values = build(look, choice) | {"covers": Covers(settings, look)}
            return show(request, f"{name}.html", page=name, choice=choice, **values)

    def cover(request: Request) -> Response:
        found = folder.read(request.path_params["name"]) if settings.covers_on else None
        if found is None:
            raise HTTPException(404, "There is no such cover.")
        content, kind = found
        return Response(content, headers=HEADERS_OF_COVERS, media_type=kind)

    def wrong(request: Request, error: HTTPException) -> Response:
        detail = error.detail
        return show(request, "wrong.html", error.status_code, page="", choice=None, detail=detail)

    middleware = [Middleware(OwnRequestsOnly, hosts={*hosts, *shared})]
    if shared:
        middleware += [Middleware(LoginFirst, access, unguarded=hosts, headers=HEADERS)]
    return Starlette(
        routes=[
            *(login.routes(access, show, HEADERS) if shared else ()),
            Mount("/static", StaticFiles(directory=STATIC)),
            Route("/covers/{name:str}", cover),
            Route("/", page),
            Route("/definitions", meanings),
            Route("/{kind:str}/one", thing),
            Route("/{page:str}", page),
        ],
        middleware=middleware,
        exception_handlers={HTTPException: cast(Any, wrong)},
    )


def _with_dates(request: Request) -> str:
    """The same address with the two dates of the form as one period."""
    first, last = (request.query_params.get(name) or "" for name in ("from", "to"))
    kept = {k: v for k, v in request.query_params.items() if k not in ("from", "to", "period")}
    return str(
        request.url.replace(scheme="", netloc="").replace_query_params(
            **kept, period=f"{first or last}..{last or first}"
        )
    )


def _templates() -> Environment:
    templates = Environment(
        loader=PackageLoader(__package__ or "", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.globals["hatch"] = charts.HATCH
    templates.filters.update(
        number=figures.number,
        duration=figures.duration,
        percent=figures.percent,
        day=figures.day,
        month=figures.month,
        hue=_hue,
        initials=_initials,
        units=_units,
        time=figures.time,
        day_of=lambda text, clock: figures.day(times.from_text(text).astimezone(clock).date()),
        local_day=lambda text: figures.day(date.fromisoformat(text[:10])),
        code=_code,
    )
    return templates


def _code(text: str) -> Markup:
    """Words of a model's description, with what stands in backticks as code."""
    parts = text.split("`")
    return Markup().join(
        Markup("<code>{}</code>").format(part) if place % 2 else escape(part)
        for place, part in enumerate(parts)
    )


def _hue(key: str) -> str:
    """The class of a tile's colour, the same for a key each time."""
    return f"a{crc32(key.encode('utf-8', 'replace')) % HUES}"


def _initials(name: str | None) -> str:
    words = [word for word in (name or "").split() if word[0].isalnum()]
    return "".join(word[0] for word in words[:2]).upper() or "–"  # noqa: RUF001 # a dash


def _units(text: str) -> Markup:
    """A duration with its units smaller than its numbers."""
    words = text.split(" ")
    return Markup(" ").join(
        escape(word) if word[0].isdecimal() else Markup("<i>{}</i>").format(word) for word in words
    )
