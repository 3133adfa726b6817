"""Each page of the dashboard in a real browser, on any window, in each of several worlds.

Worlds, windows and pages are many: `make soak` visits all, each run of the tests a sample.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from threading import Thread
from urllib.parse import urlencode

import pytest
import uvicorn
from playwright.sync_api import Browser

from spotify_assets import times
from spotify_assets.outputs.dashboard.app import app
from spotify_assets.outputs.dashboard.pages import PAGES
from spotify_assets.outputs.dashboard.password import Access
from spotify_assets.outputs.marts import plays, rankings, years
from spotify_assets.outputs.marts.look import Kind, Marts
from spotify_assets.outputs.periods import SPOTIFY_BEGAN
from spotify_assets.same_origin import hosts_of
from spotify_assets.settings import Settings
from spotify_assets_tests.e2e.watched import HOSTILE, Watched
from spotify_assets_tests.e2e.worlds import WORLDS
from spotify_assets_tests.support import NOW, free_port, made_once, wait_for

WINDOWS = [(width, scheme) for width in (390, 768, 1440) for scheme in ("light", "dark")]
SAMPLE = {
    "no_plays": (768, "light"),
    "one_play": (390, "dark"),
    "listed": (390, "light"),
    "five_accounts": (1440, "dark"),
    "behind_a_password": (768, "dark"),
}
ONE_OF_MANY = re.compile(
    r"(?<![\d,.])1 (?:counted )?(plays|days|hours|tracks|artists|albums|rows|times)\b"
)
TEXTS = """() => document.querySelector("main").innerText
    + [...document.querySelectorAll("title")].map(title => title.textContent).join("\\n")"""


@pytest.fixture(scope="module", autouse=True)
def _now() -> Iterator[None]:
    """The clock of the data, for the server of this process, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(times, "now", lambda: NOW)
        yield


@pytest.fixture(scope="module")
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp(request.param) / "user"
    return made_once(tmp_path_factory, request.param, partial(WORLDS[request.param], folder))


@contextmanager
def served(settings: Settings) -> Iterator[str]:
    """The address of the dashboard, served by a thread; with a password all must log in."""
    port = free_port()
    shared = hosts_of(port) if Access(settings.dashboard_password).is_set() else ()
    pages = app(settings, hosts_of(port), shared)
    server = uvicorn.Server(
        uvicorn.Config(pages, port=port, lifespan="off", log_level="warning", ws="none")
    )
    thread = Thread(target=server.run)
    thread.start()
    try:
        wait_for(lambda: server.started)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def addresses(settings: Settings, is_sample: bool) -> dict[str, int]:
    """Every page, with the status of its answer; a sample has each page once, at all plays."""
    pages = ["/" if name == "overview" else f"/{name}" for name in PAGES]
    others = {"/definitions": 200, "/no-such-page": 404}
    if Access(settings.dashboard_password).is_set():
        return dict.fromkeys(("/", "/login", f"/top?{urlencode({'q': HOSTILE[1]})}"), 200)
    with Marts(settings.warehouse_path).look() as look:
        accounts = look.accounts() if look else []
        if look is None or not accounts:
            return others | dict.fromkeys([*pages, "/artists/one?key=nobody"], 200)
        ids = [each.account_id for each in accounts]
        play = {"play": plays.newest(look, ids, 1)[0].play_id}
        things = [
            (kind, row.key)
            for kind in Kind
            for row in rankings.top(look, kind, ids, SPOTIFY_BEGAN, NOW.date(), limit=1)
        ]
        # One account has gaps and no play.
        played = {name: bool(years.years(look, [name])) for name in ids}
    everything = play | {"period": "all", "q": HOSTILE[1]}
    one, last = everything | {"account": ids[0]}, everything | {"account": ids[-1], "by": "time"}
    found = others
    for choice in (everything,) if is_sample else (everything, one, last, play):
        found |= {f"{path}?{urlencode(choice)}": 200 for path in pages}
        if len(ids) == 1:
            found[f"/together?{urlencode(choice)}"] = 404
        if not played[choice.get("account", ids[0])]:
            found[f"/year?{urlencode(choice)}"] = 404
    for kind, key in things:
        found[f"/{kind}/one?{urlencode({'key': key, 'period': 'all'})}"] = 200
    if is_sample:
        return found
    today = f"{NOW:%Y-%m-%d}..{NOW:%Y-%m-%d}"
    for kind, key in things:
        found[f"/plays?{urlencode({'kind': kind, 'key': key, **one})}"] = 200
        found[f"/{kind}/one?{urlencode({'key': key, **one})}"] = 200
        found[f"/top?{urlencode({'kind': kind, 'period': 'all'})}"] = 200
    found |= {f"/search?{urlencode({'q': words})}": 200 for words in (*HOSTILE[2:], "somebody")}
    found |= {f"/plays?period={today}": 200, f"/year?year={NOW:%Y}": 200, "/year?year=1999": 404}
    missing = {"/artists/one?key=nobody": 404, "/trace?play=nothing": 404, "/?period=nothing": 400}
    return found | missing


@pytest.mark.parametrize(
    ("world", "width", "scheme", "is_sample"),
    [
        *(pytest.param(name, *window, True) for name, window in SAMPLE.items()),
        *(
            pytest.param(name, *window, False, marks=pytest.mark.soak)
            for name in WORLDS
            for window in WINDOWS
        ),
    ],
    indirect=["world"],
)
def test_each_page_fits_runs_no_name_asks_nobody_else_and_is_open_to_all(
    world: Settings, width: int, scheme: str, is_sample: bool, browser: Browser
) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    found: dict[str, dict[str, object]] = {}
    with served(world) as address:
        watched = Watched(context.new_page(), address)
        for path, status in addresses(world, is_sample).items():
            answered = watched.visit(path)
            told = {
                "answers": answered if answered != status else None,
                "wider than the window": watched.overflow(),
                "runs": watched.page.title().startswith("run") or watched.alien(),
                "a reader cannot": watched.violations(),
                "no key reaches": watched.unreached(),
                "words": ONE_OF_MANY.findall(watched.page.evaluate(TEXTS)),
                "complaints": watched.faults.copy(),
            }
            watched.faults.clear()
            if any(told.values()):
                found[path] = {what: value for what, value in told.items() if value}
        context.close()
    assert found == {}
