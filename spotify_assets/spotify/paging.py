"""Following a paged answer: look at a page, say what the next request is, or that there is none.

A state machine of one field, with no HTTP in it. Spotify's offset and cursor pages both carry the
whole next address in `next`, so one class serves both.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

from spotify_assets.spotify.errors import BadAnswer


class Paging:
    """The addresses of one paged resource, from `first` until `next` is null."""

    def __init__(self, first: str) -> None:
        self.url: str | None = first
        self._origin = _origin(first)
        self._seen = {first}

    def advance(self, page: Mapping[str, object]) -> None:
        """Take the next address from a page; `url` is None after the last one.

        Raises:
            BadAnswer: the next address leads to another host (our bearer token would go there),
                or back to a page that was read already.
        """
        following = page.get("next")
        if following is None or page.get("items") == []:
            self.url = None
            return
        if not isinstance(following, str) or _origin(following) != self._origin:
            raise BadAnswer("Spotify's page points to a next page on another host; stopped there.")
        if following in self._seen:
            raise BadAnswer("Spotify's pages point in a circle; stopped there.")
        self._seen.add(following)
        self.url = following


def _origin(address: str) -> tuple[str, str] | None:
    """Scheme and host, or None where it is no address at all."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    return parts.scheme, parts.netloc
