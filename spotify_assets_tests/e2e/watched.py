"""What a browser says of a page: its complaints, what it asks of whom, and what no key reaches."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import ConsoleMessage, Page, Request, Response

# Names that harm a page where one of its texts is not written as a text; all of them set its title.
HOSTILE = [
    "<script>document.title='run'</script>",
    '"><img src=x onerror="document.title=\'run\'">',
    "'; drop table fct_plays; --",
    "x" * 300,
    "عربي \u202eمقلوب",
    "{{ 7 * 7 }} {% raw %}",
    "🎧 ünï \u0301\u0301\u0301",
    "javascript:alert(1)",
]
# What could run, or ask another server, had a name become a part of the page.
ALIEN = """() => [...document.querySelectorAll("*")].filter(element =>
    /^(script|iframe|object|embed|base)$/i.test(element.localName)
    || element.getAttributeNames().some(name => name.startsWith("on"))
    || (element.localName === "a" && !/^https?:/.test(new URL(
        element.getAttribute("href"), location).protocol))
).map(element => element.outerHTML)"""
# What can be pressed or typed in. A calendar's days are reached by their dates in the form.
STOPS = """() => {
    window.unreached = new Set([...document.querySelectorAll(
        "a[href], button, input, select, textarea, summary, [tabindex]"
    )].filter(element => element.getAttribute("tabindex") !== "-1" && element.checkVisibility()));
    document.addEventListener("focusin", event => window.unreached.delete(event.target));
    return window.unreached.size;
}"""
UNREACHED = "() => [...window.unreached].map(element => element.outerHTML)"


class Watched:
    """A page, what its browser complains of, and which other servers it asks."""

    def __init__(self, page: Page, address: str) -> None:
        self.page, self.address = page, address
        self.faults: list[str] = []
        self.asked: list[str] = []
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("request", self._see)
        page.on("requestfailed", self._failed)
        page.on("response", self._answered)

    def visit(self, path: str) -> int:
        """Open a page; the status of its answer."""
        response = self.page.goto(self.address + path)
        assert response is not None
        return response.status

    def overflow(self) -> int:
        """By how many pixels the page is wider than its window."""
        width: int = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        return max(0, width)

    def violations(self) -> list[tuple[str, str]]:
        """The rules of accessibility that the page breaks, each with the first element."""
        found = Axe().run(self.page).response["violations"]
        return [(each["id"], each["nodes"][0]["html"]) for each in found]

    def alien(self) -> list[str]:
        """The elements that can run a script or ask another server."""
        found: list[str] = self.page.evaluate(ALIEN)
        return found

    def unreached(self) -> list[str]:
        """What can be pressed or typed in and gets no focus by the Tab key."""
        for _ in range(self.page.evaluate(STOPS)):
            self.page.keyboard.press("Tab")
        for _ in range(9):  # the parts of a date are stops, too
            if not (found := self.page.evaluate(UNREACHED)):
                break
            self.page.keyboard.press("Tab")
        return list(found)

    def _hear(self, message: ConsoleMessage) -> None:
        if not message.text.startswith("Failed to load resource"):  # _answered says which
            self.faults.append(message.text)

    def _see(self, request: Request) -> None:
        self.asked.append(request.url)
        if not request.url.startswith(f"{self.address}/"):
            self.faults.append(f"asked {request.url}")

    def _failed(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # a cover that was still to come
            self.faults.append(f"{request.failure} {request.url}")

    def _answered(self, response: Response) -> None:
        is_page = response.request.is_navigation_request()
        if response.status not in (200, 303, 304) and not is_page:
            self.faults.append(f"{response.status} {response.url}")
