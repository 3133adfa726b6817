"""The host of the images: what stands for Spotify's i.scdn.co, which asks nobody for a token.

Belongs here: which picture is at which address. Does not belong here: how it looks (`sleeves`).
"""

from __future__ import annotations

from functools import lru_cache

from flask import Blueprint, Response

from spotify_assets.sandbox.errors import plain
from spotify_assets.sandbox.objects import IMAGE_IDS
from spotify_assets.sandbox.sleeves import sleeve
from spotify_assets.sandbox.world import World

KEPT = 256  # pictures, 10 kB each


def blueprint(world: World) -> Blueprint:
    """The images of this world's albums."""
    pictures = Blueprint("pictures", __name__, url_prefix="/image")
    albums = {album.image for album in world.catalogue.albums}
    sizes = {of_size: size for size, of_size in IMAGE_IDS.items()}
    length = len(IMAGE_IDS[64])
    draw = lru_cache(maxsize=KEPT)(sleeve)

    @pictures.get("/<image_id>")
    def image(image_id: str) -> Response:
        size, album = sizes.get(image_id[:length]), image_id[length:]
        if size is None or album not in albums:
            return plain(404, "Not found")
        response = Response(draw(album, size), mimetype="image/png")
        response.headers["Cache-Control"] = "public, max-age=31536000"
        return response

    return pictures
