"""Albums of which Spotify listed a play each, in a warehouse with the models that covers ask."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from spotify_assets.sandbox.sleeves import sleeve
from spotify_assets.settings import Settings
from spotify_assets.spotify.state import Identity, State
from spotify_assets.spotify.token_store import TokenStore
from spotify_assets.warehouse.loading import Load, write_load
from spotify_assets.warehouse.tables import raw_recently_played
from spotify_assets.warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    from spotify_assets_tests.unit.conftest import Server

PICTURE = sleeve("somebody's", 300)
# What these columns hold in the models, of plays that Spotify listed.
MODELS = (
    """
    create table dim_tracks as
    select distinct
        track_uri as track_key, track_uri, 'track' as content_type, album_uri as album_key
    from raw_recently_played
    """,
    """
    create table fct_track_days as
    select track_uri as track_key, 'track' as content_type, '2026-11-20' as local_date, 1 as plays
    from raw_recently_played
    """,
)


def album_key(number: int) -> str:
    return f"spotify:album:{number:022}"


def track_path(number: int) -> str:
    return f"/v1/tracks/{number:022}"


Library = Callable[..., Settings]


@pytest.fixture
def library(
    settings: Settings, items: list[Any], new_load: Callable[..., Load], new_token: Any
) -> Library:
    """Make settings of a server, whose albums 0, 1, 2 … were played once each.

    `images` are what Spotify listed for each album; by default one image at the server.
    """

    def make(server: Server, count: int = 1, images: Any = None) -> Settings:
        made = replace(settings, api_url=f"{server.url}/v1", accounts_url=server.url)
        listed = []
        for number in range(count):
            item = copy.deepcopy(items[number])
            item["track"]["uri"] = f"spotify:track:{number:022}"
            item["track"]["album"]["uri"] = album_key(number)
            usual = [{"url": f"{server.url}/image/{number}", "width": 300, "height": 300}]
            item["track"]["album"]["images"] = usual if images is None else images
            listed.append(item)
        warehouse = Warehouse(made.warehouse_path)
        write_load(warehouse.writer(), raw_recently_played, new_load(listed))
        with warehouse.writer().begin() as connection:
            for model in MODELS:
                connection.execute(text(model))
        token = new_token()
        State(made.state_path).attach(Identity("mira", None, None), None, token.authorized_at)
        TokenStore(made.tokens).save("mira", token)
        return made

    return make
