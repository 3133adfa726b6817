"""Which covers a page shows: those that were fetched before. A page asks nobody for one."""

from collections.abc import Iterable
from dataclasses import dataclass

from spotify_assets.covers.folder import MEDIUM, SMALL, CoverFolder
from spotify_assets.outputs.dashboard.pages.things import in_spotify
from spotify_assets.outputs.marts.albums import albums_of, uri_of_album
from spotify_assets.outputs.marts.look import Kind, Look
from spotify_assets.settings import Settings

ALBUMS_LOOKED_AT = 5  # of an artist


@dataclass(frozen=True)
class Cover:
    """An album's cover. `small` and `medium` are names of files, and parts of addresses.

    Attributes:
        small: 64 pixels wide; the medium one where Spotify has one size only.
    """

    album_key: str
    small: str
    medium: str


class Covers:
    """The covers, and the look at the marts that says which album stands for what."""

    def __init__(self, settings: Settings, look: Look) -> None:
        self._folder = CoverFolder(settings.covers) if settings.covers_on else None
        self._look = look

    def __call__(self, kind: str, keys: Iterable[str]) -> dict[str, Cover]:
        """The covers of these tracks, albums or artists by key; what has none is not in it."""
        if self._folder is None:
            return {}
        found = {
            key: next(filter(None, map(self._cover, albums[:ALBUMS_LOOKED_AT])), None)
            for key, albums in albums_of(self._look, Kind(kind), list(keys)).items()
        }
        return {key: cover for key, cover in found.items() if cover}

    def address(self, cover: Cover) -> str | None:
        """Where the album of a cover is in Spotify."""
        return in_spotify(uri_of_album(self._look, cover.album_key))

    def _cover(self, album_key: str) -> Cover | None:
        names = self._folder.names(album_key) if self._folder else {}
        if MEDIUM not in names:
            return None
        return Cover(album_key, names.get(SMALL, names[MEDIUM]), names[MEDIUM])
