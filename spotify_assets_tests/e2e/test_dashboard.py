"""`spotify-assets dashboard` in a real browser: its names, its covers, its files, the keyboard.

What holds of every page is in `test_every_page`.
"""

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from spotify_assets.outputs.dashboard.password import Access
from spotify_assets_tests.e2e.backing_up import copied
from spotify_assets_tests.e2e.watched import HOSTILE, Watched
from spotify_assets_tests.support import FirstRefresh, User, free_port, wait_for
from spotify_assets_tests.unit.spotify.export.downloads import a_row

WIDTHS = (390, 768, 1440)
SAMPLE = ((390, "dark"), (1440, "light"))
EVERYTHING = "account=hostile&period=all"


@contextmanager
def served(user: User, name: str | None = None) -> Iterator[str]:
    """The address of the user's dashboard, in a process of its own, also under a further name."""
    port = free_port()
    hosts = f"{name}:{port}" if name else ""
    process = user.start("dashboard", "--port", str(port), SPOTIFY_ASSETS_HOSTS=hosts)
    try:
        assert process.stdout is not None
        address = f"http://127.0.0.1:{port}"
        assert address in process.stdout.readline()
        wait_for(lambda: answers(address))
        yield address
    finally:
        process.terminate()
        _, complaints = process.communicate(timeout=30)
    assert complaints == ""


def answers(address: str) -> bool:
    try:
        urllib.request.urlopen(address, timeout=30).close()
    except (urllib.error.URLError, ConnectionError):
        return False
    return True


@pytest.fixture(scope="module")
def listener(first_refresh: FirstRefresh, tmp_path_factory: pytest.TempPathFactory) -> User:
    """The plays of two listeners, and of a third whose titles are hostile."""
    folder = tmp_path_factory.mktemp("dashboard")
    listener = copied(first_refresh.user, folder)
    rows = [
        a_row(
            number,
            master_metadata_track_name=name,
            master_metadata_album_artist_name=name,
            master_metadata_album_album_name=name,
        )
        for number, name in enumerate(HOSTILE)
    ]
    export = Path(folder, "Streaming_History_Audio_2024_0.json")
    export.write_text(json.dumps(rows))
    assert listener.run("import", str(export), "--account", "hostile", "--new").returncode == 0
    done = listener.run("refresh")
    assert done.returncode == 0, done.stderr
    assert json.loads(listener.run("covers", "--json").stdout)["fetched"] > 10
    assert json.loads(listener.run("covers", "--json").stdout)["fetched"] == 0
    return listener


@pytest.fixture(scope="module")
def address(listener: User) -> Iterator[str]:
    """Their dashboard."""
    with served(listener) as served_at:
        yield served_at


@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        pytest.param(width, scheme, marks=() if (width, scheme) in SAMPLE else pytest.mark.soak)
        for width in WIDTHS
        for scheme in ("light", "dark")
    ],
)
def test_the_run_leaves_a_year_in_review_that_opens_from_the_disk_and_prints(
    width: int, scheme: str, listener: User, browser: Browser, tmp_path: Path
) -> None:
    reports = listener.settings.reports
    assert len([*reports.glob("hostile-*.html")]) == len([*reports.glob("mira-*.html")]) == 1
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
        offline=True,
    )
    for path in (*reports.glob("*.html"), *reports.glob("*.svg")):
        watched = Watched(context.new_page(), path.parent.as_uri())
        page = watched.page
        page.goto(path.as_uri())
        assert "run" not in page.title()
        if path.suffix == ".html":
            assert watched.overflow() == 0
            page.pdf(path=tmp_path / "printed.pdf", prefer_css_page_size=True)
            assert (tmp_path / "printed.pdf").read_bytes().startswith(b"%PDF")
            assert watched.asked == [path.as_uri()]
            assert watched.violations() == []
        assert watched.faults == []
        page.close()
    context.close()


def test_hostile_names_are_shown_as_they_are_and_lead_to_pages_of_their_own(
    address: str, browser: Browser
) -> None:
    page = browser.new_page()
    page.goto(f"{address}/top?kind=tracks&{EVERYTHING}")
    shown = page.locator(".ranked .who a").all_inner_texts()
    assert sorted(shown) == sorted(HOSTILE)
    for place in range(len(HOSTILE)):
        page.goto(f"{address}/top?kind=tracks&{EVERYTHING}")
        link = page.locator(".ranked .who a").nth(place)
        name = link.inner_text()
        link.click()
        assert page.locator("h1").inner_text() == name
        assert page.title() == f"{name} · your listening"
    page.close()


def test_a_cover_is_shown_whole_and_a_large_one_leads_to_its_album(
    address: str, browser: Browser
) -> None:
    watched = Watched(browser.new_page(), address)
    page = watched.page
    page.goto(f"{address}/top?kind=albums&account=mira&period=all")
    covers = page.locator("img.tile")
    assert covers.count() > 5
    covers.last.scroll_into_view_if_needed()
    for cover in covers.all():
        page.wait_for_function("image => image.complete", arg=cover.element_handle())
        wide, high = cover.evaluate("image => [image.naturalWidth, image.naturalHeight]")
        assert wide == high > 0
        box = cover.bounding_box()
        assert box is not None
        assert box["width"] == box["height"] >= 40
    page.locator(".ranked .who a").first.click()
    large = page.locator(".title .cover")
    key = parse_qs(urlsplit(page.url).query)["key"][0]
    assert large.get_attribute("href") == (
        f"https://open.spotify.com/album/{key.removeprefix('spotify:album:')}"
    )
    assert large.locator("img").evaluate("image => getComputedStyle(image).filter") == "none"
    assert watched.faults == []
    page.close()


def test_with_scripts_turned_off_all_of_it_works_by_the_keyboard(
    address: str, browser: Browser
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    page.keyboard.press("Tab")
    assert page.locator(":focus").inner_text() == "To the content"
    seen = []
    for _ in range(200):
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        if not focused.count():
            break
        seen.append(focused.get_attribute("href") or focused.inner_text())
    # The days of a calendar are reached by their dates, not by hundreds of stops. What is folded
    # away has its own stop.
    stops = page.locator('a:not([tabindex="-1"]):not(details:not([open]) a)').all()
    links = {link.get_attribute("href") for link in stops} - {"#main"}
    assert links <= set(seen)
    page.get_by_role("link", name="This year").press("Enter")
    page.wait_for_url("**/?period=year")
    page.get_by_role("link", name="mira", exact=True).press("Enter")
    page.wait_for_url("**/?period=year&account=mira")
    page.locator("summary", has_text="Other dates").press("Enter")
    page.get_by_label("From").fill("2024-03-01")
    page.get_by_label("to", exact=True).fill("2024-03-09")
    page.get_by_role("button", name="Show").press("Enter")
    page.wait_for_url("**/?account=mira&period=2024-03-01..2024-03-09")
    page.go_back()
    assert page.url.endswith("/?period=year&account=mira")
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_under_another_name_a_phone_logs_in_and_out_with_scripts_turned_off(
    scheme: str, copied_user: User, browser: Browser
) -> None:
    Access(copied_user.settings.dashboard_password).set_password("a long password")
    context = browser.new_context(
        viewport={"width": 390, "height": 700},
        color_scheme="dark" if scheme == "dark" else "light",
        java_script_enabled=False,
    )
    page = context.new_page()
    with served(copied_user, "phone.example") as own_address:
        address = own_address.replace("127.0.0.1", "phone.example")
        page.goto(f"{address}/top?period=all")
        assert page.url == f"{address}/login?next=%2Ftop%3Fperiod%3Dall"
        with_scripts = browser.new_page(
            viewport={"width": 390, "height": 700},
            color_scheme="dark" if scheme == "dark" else "light",
        )
        with_scripts.goto(page.url)
        assert Axe().run(with_scripts).response["violations"] == []
        with_scripts.close()
        page.keyboard.type("a wrong password")  # the field has the focus
        page.keyboard.press("Enter")
        assert page.get_by_role("alert").inner_text() == "That is not the password."
        page.get_by_label("Password").fill("a long password")
        page.get_by_role("button", name="Log in").press("Enter")
        page.wait_for_url(f"{address}/top?period=all")
        assert page.locator(".ranked li").count()
        page.get_by_role("button", name="Log out").press("Enter")
        page.wait_for_url(f"{address}/login")
        page.goto(f"{address}/trust")
        assert page.url == f"{address}/login?next=%2Ftrust"
    context.close()


def test_a_port_that_is_taken_is_said_with_what_to_do(refreshed_user: User) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = refreshed_user.run("dashboard", "--port", str(port))
    assert done.returncode == 1
    assert f"Port {port} is taken" in done.stderr
    assert f"--port {port + 1}" in done.stderr
