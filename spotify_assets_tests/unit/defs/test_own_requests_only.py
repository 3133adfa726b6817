"""What reaches Dagster's web server, with the server's own routes behind the check."""

import json

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from spotify_assets.defs.child import not_in_json
from spotify_assets.same_origin import OwnRequestsOnly, hosts_of

URL = "http://127.0.0.1:3000"
PAUSE = "mutation { setAutoMaterializePaused(paused: true) }"


@pytest.fixture
def client() -> TestClient:
    async def answer(_: Request) -> PlainTextResponse:
        return PlainTextResponse("Dagster")

    async def talk(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text("Dagster")
        await socket.close()

    routes = [
        Route("/{path:path}", answer, methods=["GET", "POST", "PUT"]),
        WebSocketRoute("/graphql", talk),
    ]
    app = Starlette(routes=routes)
    app.add_middleware(OwnRequestsOnly, hosts=hosts_of(3000), further=not_in_json)
    return TestClient(app, base_url=URL)


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8"])
def test_json_of_an_own_page_reaches_it(client: TestClient, kind: str) -> None:
    body = json.dumps({"query": PAUSE})
    answer = client.post("/graphql", content=body, headers={"Content-Type": kind, "Origin": URL})
    assert (answer.status_code, answer.text) == (200, "Dagster")


@pytest.mark.parametrize(
    "kind",
    [
        "",
        "text/plain",
        "text/plain; application/json",  # what Dagster looks for is in it
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=application/json",
        "application/graphql",
        "application/jsonx",
    ],
)
@pytest.mark.parametrize("path", ["/graphql", "/report_asset_materialization/raw/recently_played"])
def test_what_a_page_may_send_anywhere_does_not_reach_it(
    client: TestClient, path: str, kind: str
) -> None:
    headers = {"Content-Type": kind} if kind else {}
    answer = client.post(f"{path}?query={PAUSE}", content=b"{}", headers=headers)
    assert answer.status_code == 403
    assert "Dagster" not in answer.text


@pytest.mark.parametrize("path", ["/graphql", "/graphql/", "/prefix/graphql"])
def test_no_query_is_taken_from_an_address(client: TestClient, path: str) -> None:
    assert client.get(f"{path}?query={PAUSE}").status_code == 403
    assert client.get(path).text == "Dagster"  # its page to write queries in
    assert client.get("/runs?query=any").text == "Dagster"


def test_a_subscription_of_an_own_page_is_open_and_of_another_is_not(client: TestClient) -> None:
    address = URL.replace("http", "ws") + "/graphql"
    with client.websocket_connect(address, headers={"Origin": URL}) as socket:
        assert socket.receive_text() == "Dagster"
    for headers in (
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:3001"},
        {"Host": "evil.example:3000"},
        {"Origin": URL, "Sec-Fetch-Site": "same-site"},
    ):
        with (
            pytest.raises(WebSocketDisconnect),
            client.websocket_connect(address, headers=headers),
        ):
            pass
