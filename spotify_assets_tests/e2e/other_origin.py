"""A page of another origin that tries, in a real browser, whatever a page can send."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from playwright.sync_api import Browser, Page

EVIL = "evil.example"  # the browser of the tests is told that this is 127.0.0.1

# Every way in which a script can send something; what came back to it, by the way.
ATTACKS = """async ({address, query, body, protocol}) => {
  const said = {};
  const settle = (ways) => Promise.all(ways.map(async ([way, send]) => {
    try { said[way] = await send(); } catch (error) { said[way] = "refused"; }
  }));
  const read = async (answer) => answer.ok ? await answer.text() : "refused";
  const form = (method, type) => new Promise((resolve) => {
    const frame = document.createElement("iframe"), sent = document.createElement("form");
    frame.name = `${method} ${type}`; document.body.append(frame, sent);
    Object.assign(sent, {method, enctype: type, action: address + query, target: frame.name});
    const field = document.createElement("input");
    Object.assign(field, {name: body.slice(0, -2) + ', "x": "', value: '"}'}); sent.append(field);
    frame.onload = () => { if (sent.done) resolve("sent"); };
    sent.done = true; sent.submit(); setTimeout(() => resolve("sent"), 2000);
  });
  const post = (type, options = {}) => fetch(address + query, {
    method: "POST", body, headers: {"Content-Type": type}, ...options}).then(read);
  await settle([
    ["image", () => new Promise((resolve) => {
      const image = new Image(); image.onload = image.onerror = () => resolve("sent");
      image.src = address + query;
    })],
    ["GET", () => fetch(address + query).then(read)],
    ["GET without an answer", () => fetch(address + query, {mode: "no-cors"}).then(() => "sent")],
    ["text", () => post("text/plain")],
    ["text that says JSON", () => post("text/plain; application/json")],
    ["text without an answer", () => post("text/plain", {mode: "no-cors"}).then(() => "sent")],
    ["form by script", () => post("application/x-www-form-urlencoded")],
    ["parts", () => post("multipart/form-data; boundary=x")],
    ["JSON", () => post("application/json")],
    ["PUT", () => fetch(address, {method: "PUT", body}).then(read)],
    ["beacon", async () => navigator.sendBeacon(address + query, body) && "sent"],
    ["form", () => form("post", "text/plain")],
    ["form of fields", () => form("post", "application/x-www-form-urlencoded")],
    ["form by GET", () => form("get", "application/x-www-form-urlencoded")],
    ["WebSocket", () => new Promise((resolve, reject) => {
      const socket = new WebSocket(address.replace("http", "ws"), protocol || undefined);
      socket.onopen = () => resolve("open"); socket.onerror = reject;
    })],
  ]);
  return said;
}"""


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>A page of somebody else's</title><body>")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def somebody_elses_pages(browser: Browser) -> Iterator[list[Page]]:
    """Pages of another site, and of another port of this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        pages = []
        for name in (EVIL, "127.0.0.1"):
            page = browser.new_page()
            page.goto(f"http://{name}:{server.server_port}/")
            pages.append(page)
        yield pages
        for page in pages:
            page.close()
    finally:
        server.shutdown()
        server.server_close()


def attack(page: Page, address: str, body: object, query: str = "", protocol: str = "") -> set[str]:
    """Send a body and a query to an address in every way; which of them brought an answer."""
    given = {"address": address, "query": query, "body": json.dumps(body), "protocol": protocol}
    said: dict[str, str] = page.evaluate(ATTACKS, given)
    return {way for way, answer in said.items() if answer not in ("sent", "refused")}
