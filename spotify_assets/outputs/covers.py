"""Which covers a page or a file shows: those that were fetched before. Neither asks for one."""

from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass

from spotify_assets.covers.folder import MEDIUM, SMALL, CoverFolder
from spotify_assets.outputs.marts.albums import albums_of, uri_of_album
from spotify_assets.outputs.marts.look import Kind, Look
from spotify_assets.settings import Settings

ALBUMS_LOOKED_AT = 5  # of an artist
ROOM_IN_A_FILE = 600_000  # bytes of images, so that a file stays under 1 MB


@dataclass(frozen=True)
class Cover:
    """An album's cover: what its images' `src` is.

    Attributes:
        small: 64 pixels wide; the medium one where Spotify has one size only.
    """

    album_key: str
    small: str
    medium: str


class Covers:
    """The covers, and the look at the marts that says which album stands for what.

    Args:
        in_file: the images themselves are in what is shown, and not their addresses here.
    """

    def __init__(self, settings: Settings, look: Look, *, in_file: bool = False) -> None:
        self._folder = CoverFolder(settings.covers) if settings.covers_on else None
        self._look = look
        self._in_file = in_file
        self._room = ROOM_IN_A_FILE

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
        small, medium = names.get(SMALL, names[MEDIUM]), names[MEDIUM]
        if not self._in_file:
            return Cover(album_key, f"/covers/{small}", f"/covers/{medium}")
        contents = self._content(small), self._content(medium)
        return Cover(album_key, *contents) if all(contents) else None

    def _content(self, name: str) -> str:
        content, kind = (self._folder and self._folder.read(name)) or (b"", "")
        if not content or len(content) > self._room:
            return ""
        self._room -= len(content)
        return f"data:{kind};base64,{b64encode(content).decode()}"


def in_spotify(uri: str | None) -> str | None:
    """The address that opens it in Spotify."""
    words = (uri or "").split(":")
    if len(words) == 3 and words[2].isalnum() and words[1].isalpha():  # noqa: PLR2004
        return f"https://open.spotify.com/{words[1]}/{words[2]}"
    return None
