"""The browser of the tests that look at pages: the system's Chromium, without a window."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from spotify_assets_tests.support import need_tool


# Not for the whole session: Playwright keeps an event loop running in the thread of the tests.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for a module; each test opens pages of its own, which share no cookies."""
    chromium = need_tool("chromium", "the test looks at pages in a real browser")
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        arguments.append("--host-resolver-rules=MAP *.example 127.0.0.1")
        running = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield running
        running.close()
