"""How the Web API writes things, as an app created in 2026 gets them.

Belongs here: the JSON shape of each object. `api_url` is the base of every `href`, and beside it
are the images; other addresses are Spotify's public ones. Does not belong here: endpoints, paging,
who may ask.
"""

from __future__ import annotations

from typing import Any

from spotify_assets import times
from spotify_assets.sandbox.catalogue import Album, Artist, Track
from spotify_assets.sandbox.listener import Listener, Play
from spotify_assets.sandbox.taste import Context

Json = dict[str, Any]

OPEN_URL = "https://open.spotify.com"
# An image's id says its size, as Spotify's do.
IMAGE_IDS = {640: "ab67616d0000b273", 300: "ab67616d00001e02", 64: "ab67616d00004851"}


def _identity(kind: str, spotify_id: str, api_url: str) -> Json:
    return {
        "external_urls": {"spotify": f"{OPEN_URL}/{kind}/{spotify_id}"},
        "href": f"{api_url}/{kind}s/{spotify_id}",
        "id": spotify_id,
        "type": kind,
        "uri": f"spotify:{kind}:{spotify_id}",
    }


def simplified_artist(artist: Artist, api_url: str) -> Json:
    """An artist as tracks and albums carry it."""
    return {**_identity("artist", artist.id, api_url), "name": artist.name}


def simplified_album(album: Album, api_url: str) -> Json:
    """An album as tracks carry it: without its tracks, label, markets and popularity."""
    images = f"{api_url.removesuffix('/v1')}/image"
    return {
        "album_type": album.album_type,
        "artists": [simplified_artist(artist, api_url) for artist in album.artists],
        **_identity("album", album.id, api_url),
        "images": [
            {"height": size, "width": size, "url": f"{images}/{of_size}{album.image}"}
            for size, of_size in IMAGE_IDS.items()
        ],
        "is_playable": True,
        "name": album.name,
        "release_date": album.release_date,
        "release_date_precision": album.release_date_precision,
        "total_tracks": album.total_tracks,
    }


def track(item: Track, api_url: str) -> Json:
    """A whole track: with album and ISRC, without markets, popularity, preview and linking."""
    return {
        "album": simplified_album(item.album, api_url),
        "artists": [simplified_artist(artist, api_url) for artist in item.artists],
        "disc_number": item.disc_number,
        "duration_ms": item.duration_ms,
        "explicit": item.explicit,
        "external_ids": {"isrc": item.isrc},
        **_identity("track", item.id, api_url),
        "is_local": False,
        "is_playable": True,
        "name": item.name,
        "track_number": item.track_number,
    }


def context(where: Context | None, api_url: str) -> Json | None:
    """From where a track was played; null when the player did not say."""
    if where is None:
        return None
    if where.type == "collection":
        href, address = f"{api_url}/me/tracks", f"{OPEN_URL}/collection/tracks"
    else:
        href = f"{api_url}/{where.type}s/{where.id}"
        address = f"{OPEN_URL}/{where.type}/{where.id}"
    return {
        "type": where.type,
        "external_urls": {"spotify": address},
        "href": href,
        "uri": where.uri,
    }


def play_history(play: Play, api_url: str) -> Json:
    """One item of recently-played. `played_at` is the end of the play."""
    return {
        "track": track(play.track, api_url),
        "played_at": times.to_text(play.ended_at),
        "context": context(play.context, api_url),
    }


def current_user(listener: Listener, api_url: str) -> Json:
    """`/me` without the five fields that Spotify documents as removed for new apps."""
    return {
        "account_id": listener.account_id,
        "display_name": listener.display_name,
        **_identity("user", listener.id, api_url),
        "images": [],
    }
