"""The pictures in docs/images, from the demo's world in a real browser: `make screenshots`.

Needs Chromium on the PATH (Debian: the package chromium), and fonts for the made-up names in all
scripts (fonts-noto-core, fonts-noto-cjk, fonts-noto-color-emoji).
"""

import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, ViewportSize, sync_playwright

from spotify_assets.defs.serving import dashboard_port

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
PORT = 3911
URL = f"http://127.0.0.1:{PORT}"
READY_SECONDS = 600
SIZE = ViewportSize(width=1800, height=800)
GROUPS = ("raw", "staging", "intermediate")  # with the marts, nothing could be read
EXPANDED = "expanded=" + "%2C".join(f"global%40global%3A{group}" for group in GROUPS)


def main() -> None:
    """Start the demo with its UI, take the pictures, end it."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with demo_ui(), browser_page() as page:
        page.set_viewport_size({"width": 1750, "height": 1650})  # in which all of it fits
        page.goto(f"{URL}/asset-groups?{EXPANDED}")
        page.get_by_text("recently_played").last.wait_for(timeout=90_000)
        page.wait_for_timeout(4000)  # until the layout has settled and the live state is there
        page.screenshot(path=IMAGES / "lineage.png")
        page.set_viewport_size(SIZE)
        page.goto(f"{URL}/assets/raw/recently_played?view=events")
        page.get_by_text("rows_loaded").first.wait_for()
        page.wait_for_timeout(1000)
        page.screenshot(path=IMAGES / "accounting.png")
        page.goto(f"{URL}/assets/backups?view=checks")
        page.get_by_text("restore_drill").first.click()
        page.get_by_text("modelled").first.wait_for()
        page.wait_for_timeout(1000)
        page.screenshot(path=IMAGES / "drill.png")
        page.goto(f"{URL}/automation")
        page.get_by_text("recently_played_sensor").first.wait_for()
        page.wait_for_timeout(2000)
        page.screenshot(path=IMAGES / "automation.png")
        page.set_viewport_size({"width": 1440, "height": 1195})
        page.goto(f"http://127.0.0.1:{dashboard_port(PORT)}/?account=mira")
        page.screenshot(path=IMAGES / "dashboard.png")
        page.set_viewport_size({"width": 1440, "height": 1120})
        page.goto(f"http://127.0.0.1:{dashboard_port(PORT)}/year?account=mira")
        page.screenshot(path=IMAGES / "year.png")


@contextmanager
def demo_ui() -> Iterator[None]:
    """The demo with its UI, until the end of the block."""
    command = str(Path(sys.executable).with_name("spotify-assets"))
    served = subprocess.Popen([command, "demo", "--ui", "--port", str(PORT)])
    try:
        _wait_until_it_answers()
        yield
    finally:
        served.send_signal(signal.SIGTERM)
        served.wait()


@contextmanager
def browser_page() -> Iterator[Page]:
    """A page of headless Chromium."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("No Chromium on the PATH. Install it (Debian: apt install chromium).")
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield browser.new_page(viewport=SIZE)
        browser.close()


def _wait_until_it_answers() -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"{URL}/server_info", timeout=5).close()
        except (urllib.error.URLError, ConnectionError):
            time.sleep(1)
        else:
            return
    sys.exit(f"The Dagster UI did not answer within {READY_SECONDS} s.")


if __name__ == "__main__":
    main()
