"""A person's browser, as far as a login needs one: the page, the form, the way back.

Belongs here: what demo and tests do instead of a human being, over real HTTP. Does not belong
here: any knowledge of what the server does, beyond what its page says.
"""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import requests

TIMEOUT = 10  # seconds


class ConsentError(RuntimeError):
    """The login could not be taken to its end. The message never holds a code or a query."""


def consent(authorize_url: str, listener: str, agree: bool = True) -> str:
    """Log in as the listener, agree or cancel, and go back to the app.

    Returns the address at which the app was called back, with its code (or error) and state.
    Raises ConsentError.
    """
    with requests.Session() as browser:
        browser.trust_env = False  # a proxy knows no way to 127.0.0.1
        page = _ask(browser, "GET", authorize_url)
        if not page.ok:
            refusal = _Form(page.text).title or page.text[:200]
            raise ConsentError(f"the login page answers {page.status_code}: {refusal}")
        form = _Form(page.text)
        if listener not in form.listeners:
            known = ", ".join(form.listeners) or "nobody"
            raise ConsentError(f"{listener!r} cannot log in there; the page offers: {known}")
        answer = _ask(
            browser,
            form.method,
            urljoin(page.url, form.action) if form.action else page.url,
            {"listener": listener, "decision": "agree" if agree else "cancel"},
        )
        if not answer.is_redirect:
            raise ConsentError(f"the login form answers {answer.status_code} and leads nowhere")
        callback = urljoin(answer.url, answer.headers["Location"])
        _ask(browser, "GET", callback)
        return callback


def _ask(
    browser: requests.Session, method: str, url: str, fields: dict[str, str] | None = None
) -> requests.Response:
    try:
        return browser.request(method, url, data=fields, timeout=TIMEOUT, allow_redirects=False)
    except requests.RequestException as error:
        # The error's own text quotes the whole address, so it goes no further.
        parts = urlsplit(url)
        where = f"{parts.scheme}://{parts.netloc}{parts.path}"
        raise ConsentError(f"nothing answers at {where} ({type(error).__name__})") from None


class _Form(HTMLParser):
    """The page's title and form: where it goes, and the people whom it offers."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.method, self.action, self.listeners = "GET", "", list[str]()
        self.title, self._in_title = "", False
        self.feed(html)

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title += data

    def handle_endtag(self, tag: str) -> None:
        self._in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_title = tag == "title"
        named = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.method, self.action = named.get("method", "get").upper(), named.get("action", "")
        elif tag == "input" and named.get("name") == "listener":
            self.listeners.append(named.get("value", ""))
