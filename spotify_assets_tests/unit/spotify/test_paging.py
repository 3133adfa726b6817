"""Following `next`: to its end, and nowhere else."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from spotify_assets.sandbox.server import Sandbox
from spotify_assets.settings import Settings
from spotify_assets.spotify import recently_played
from spotify_assets.spotify.authorization import FreshLogin
from spotify_assets.spotify.client import SpotifyClient
from spotify_assets.spotify.errors import BadAnswer
from spotify_assets.spotify.paging import Paging
from spotify_assets.spotify.retrying import Retrying
from spotify_assets.spotify.state import Account
from spotify_assets.spotify.token_store import TokenStore

if TYPE_CHECKING:
    from spotify_assets_tests.unit.conftest import Serve

FIRST = "https://api.spotify.com/v1/me/tracks?limit=2"


def page(following: object, *items: int) -> bytes:
    return json.dumps({"items": items, "next": following}).encode()


def test_all_pages_come_in_order_until_next_is_null(
    serve: Serve, client: Callable[..., SpotifyClient]
) -> None:
    server = serve((200, {}, b""))
    addresses = [f"{server.url}/v1/me/tracks?{query}" for query in ("limit=2", "offset=2", "q=ü/%")]
    server.replies[:] = [
        (200, {}, page(addresses[1], 1, 2)),
        (200, {}, page(addresses[2], 3, 4)),
        (200, {}, page(None, 5)),
    ]
    answers = list(client(f"{server.url}/v1").pages("me/tracks", limit=2))
    assert [number for answer in answers for number in answer.json["items"]] == [1, 2, 3, 4, 5]
    assert [seen.path for seen in server.seen] == [
        "/v1/me/tracks?limit=2",
        "/v1/me/tracks?offset=2",
        "/v1/me/tracks?q=%C3%BC/%25",
    ]


def test_spotifys_empty_second_page_of_recent_plays_is_the_end(
    sandbox: Sandbox, settings: Settings, store: TokenStore, log_in: Callable[..., Account]
) -> None:
    log_in("mira")
    token = store.load("mira")
    assert token is not None
    api = SpotifyClient(settings, FreshLogin(token), Retrying.never())
    answers = list(api.pages(recently_played.PATH, limit=50))
    assert [len(answer.json["items"]) for answer in answers] == [50, 0]
    assert answers[0].json["next"] is not None
    assert answers[1].json["cursors"] is None


def test_an_empty_page_is_the_end_though_it_names_a_next_one() -> None:
    paging = Paging(FIRST)
    paging.advance({"items": [], "next": f"{FIRST}&offset=2"})
    assert paging.url is None


@pytest.mark.parametrize("last", [{"items": [1]}, {"items": [1], "next": None}])
def test_a_page_without_next_is_the_end(last: dict[str, object]) -> None:
    paging = Paging(FIRST)
    paging.advance(last)
    assert paging.url is None


@pytest.mark.parametrize(
    "following",
    [
        "https://example.org/v1/me/tracks?offset=2",
        "http://api.spotify.com/v1/me/tracks?offset=2",
        "https://api.spotify.com:8443/v1/me/tracks?offset=2",
        "https://api.spotify.com@example.org/v1/me/tracks?offset=2",
        "https://api.spotify.com\\@example.org/v1/me/tracks?offset=2",
        "https://api.spotify.com.example.org/v1/me/tracks",
        "//example.org/v1/me/tracks",
        "/v1/me/tracks?offset=2",
        "https://[",
        "",
        7,
        True,
        ["https://api.spotify.com/v1/me/tracks?offset=2"],
    ],
)
def test_a_next_page_on_another_host_is_refused(following: object) -> None:
    # The bearer token would go there.
    paging = Paging(FIRST)
    with pytest.raises(BadAnswer, match="another host"):
        paging.advance({"items": [1], "next": following})


def test_the_other_host_is_never_asked(serve: Serve, client: Callable[..., SpotifyClient]) -> None:
    other = serve((200, {}, page(None)))
    server = serve((200, {}, page(f"{other.url}/v1/me/tracks?offset=2", 1)))
    pages = client(f"{server.url}/v1").pages("me/tracks")
    assert next(pages).json["items"] == [1]
    with pytest.raises(BadAnswer):
        next(pages)
    assert other.seen == []


@pytest.mark.parametrize("length", [1, 2, 5])
def test_a_circle_of_pages_is_refused(length: int) -> None:
    circle = [FIRST] + [f"{FIRST}&offset={number}" for number in range(1, length)]
    paging = Paging(FIRST)
    for following in circle[1:]:
        paging.advance({"items": [1], "next": following})
        assert paging.url == following
    with pytest.raises(BadAnswer, match="circle"):
        paging.advance({"items": [1], "next": FIRST})
