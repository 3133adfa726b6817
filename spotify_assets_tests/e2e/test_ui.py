"""`spotify-assets dev` in a real browser: lineage, one click, plays that arrive by themselves."""

import re
import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from subprocess import Popen
from urllib.parse import urlencode

import pytest
import requests
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import text

from spotify_assets.sandbox.server import Sandbox
from spotify_assets.warehouse.warehouse import Warehouse
from spotify_assets_tests.e2e.killing import processes, statuses
from spotify_assets_tests.e2e.other_origin import EVIL, attack, somebody_elses_pages
from spotify_assets_tests.support import User, sandbox, user_of, wait_for

NO_PAGE = "about:blank"  # an open page asks the server for news, and draws, all the time
EXPANDED = "expanded=global%40global%3Araw%2Cglobal%40global%3Astaging%2Cglobal%40global%3Amarts"


@contextmanager
def served(
    user: User, log_file: Path, end: Callable[["Popen[str]"], object] = Popen.terminate
) -> Iterator[str]:
    """The address of the user's Dagster UI, which writes to a log file.

    Args:
        end: how it ends; by default as a service manager does it, and the rest ends by itself.
    """
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with log_file.open("w") as log:
        process = user.start("dev", "--port", str(port), output=log)
        try:
            wait_for(lambda: answers(url), seconds=120)
            yield url
        finally:
            end(process)
            process.wait(timeout=60)
            wait_for(lambda: not processes(user))


def answers(url: str) -> bool:
    try:
        urllib.request.urlopen(f"{url}/server_info", timeout=5).close()
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
    return True


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    # Large enough for the whole lineage: the UI draws only what is in view.
    opened = browser.new_page(viewport={"width": 5200, "height": 6400})
    yield opened
    opened.close()


def expect_pages_that_explain_themselves(page: Page, url: str) -> None:
    """Type, origin and use of a column, and when the asset is built, whatever ran last."""
    page.set_viewport_size({"width": 1600, "height": 1200})
    for asset, column, origin, when in (
        ("fct_plays", "track_name", "int_listed_plays.track_name", "Its other checks run once a"),
        ("mart_top_tracks", "plays", "fct_track_days.plays", "Built and checked once a day"),
    ):
        page.goto(f"{url}/assets/{asset}")
        row = page.get_by_role("row").filter(has=page.get_by_text(column, exact=True))
        expect(row.first).to_contain_text(origin, timeout=60_000)
        expect(row.first).to_contain_text(re.compile("text|integer"))
        expect(page.get_by_text(when).first).to_be_visible()
    page.goto(NO_PAGE)


def expect_that_only_its_own_pages_act(browser: Browser, url: str, spotify: Sandbox) -> None:
    """Nothing that another origin's page sends changes anything, or is read by it."""
    pause = "mutation { setAutoMaterializePaused(paused: true) }"
    question = {"query": "{ instance { autoMaterializePaused } }"}

    def is_paused() -> bool:
        answer = requests.post(f"{url}/graphql", json=question, timeout=10).json()
        return bool(answer["data"]["instance"]["autoMaterializePaused"])

    now = spotify.clock.now()
    requests.post(
        f"{url}/graphql", json={"query": pause.replace("true", "false")}, timeout=10
    ).raise_for_status()
    with somebody_elses_pages(browser) as pages:
        for page in pages:
            query = f"?{urlencode({'query': pause})}"
            assert attack(page, f"{url}/graphql", {"query": pause}, query, "graphql-ws") == set()
            for path, body in (
                ("clock", {"advance_seconds": 5}),
                ("revoke", {"listener": "mira"}),
                ("faults/frozen", {}),
                ("rotation", {"rotation": True}),
            ):
                assert attack(page, f"{spotify.url}/sandbox/{path}", body) == set()
        for address in (url, spotify.url):
            rebound = pages[0].goto(address.replace("127.0.0.1", EVIL))
            assert rebound is not None
            assert rebound.status == 403
    assert not is_paused()
    assert spotify.clock.now() == now
    assert not spotify.rotation
    assert spotify.faults.get("frozen") is None
    # What a page of its own can do, so that the tries above have something to miss.
    page = browser.new_page()
    page.goto(f"{url}/runs")
    script = """query => fetch("/graphql", {method: "POST", body: JSON.stringify({query}),
        headers: {"Content-Type": "application/json"}}).then(answer => answer.ok)"""
    assert page.evaluate(script, pause)
    page.close()
    assert is_paused()


def test_one_click_brings_a_play_to_the_marts_and_the_next_comes_by_itself(
    browser: Browser, page: Page, tmp_path: Path
) -> None:
    with sandbox(always_on=True) as spotify:
        user = user_of(spotify.environment(), tmp_path / "user")
        warehouse = Warehouse(user.settings.warehouse_path)

        def counted() -> int:
            if not warehouse.has_table("mart_listening_by_day"):
                return 0
            query = text("select coalesce(sum(plays), 0) from mart_listening_by_day")
            return int(warehouse.read(query)[0][0])

        log = tmp_path / "dev.log"
        with served(user, log, end=Popen.kill) as url:
            wait_for(lambda: "Run: spotify-assets login" in log.read_text(), seconds=120)
            user.log_in("mira")
            page.goto(f"{url}/asset-groups?{EXPANDED}")
            for asset in ("recently_played", "stg_recently_played", "fct_plays", "mart_top_tracks"):
                expect(page.get_by_text(asset, exact=True).last).to_be_visible(timeout=60_000)
            page.get_by_role("button", name="Materialize all").click()
            wait_for(lambda: statuses(user), seconds=60)
            page.goto(NO_PAGE)
            wait_for(lambda: counted() == 50, seconds=300)
            page.goto(f"{url}/runs")
            expect(page.get_by_text("Success").first).to_be_visible(timeout=60_000)
            expect_pages_that_explain_themselves(page, url)

            spotify.clock.advance(timedelta(minutes=30))
            wait_for(lambda: counted() > 50, seconds=300)
            expect_pages_that_explain_themselves(page, url)
            page.goto(f"{url}/automation")
            expect(page.get_by_text("recently_played_sensor")).to_be_visible(timeout=60_000)
            expect_that_only_its_own_pages_act(browser, url, spotify)
            assert "Traceback" not in log.read_text()
            assert "DEBUG" not in log.read_text()
        logs = sorted(user.settings.dbt_target.glob("*/dbt.log"), key=lambda at: at.stat().st_mtime)
        assert len(logs) >= 2
        assert "no changes found, skipping parsing" in logs[-1].read_text()
