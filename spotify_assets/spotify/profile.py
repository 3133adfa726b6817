"""Who a login belongs to (`GET /me`)."""

from spotify_assets.spotify.client import SpotifyClient
from spotify_assets.spotify.errors import BadAnswer
from spotify_assets.spotify.state import Identity

PATH = "me"


def identity_of(client: SpotifyClient) -> Identity:
    """Ask Spotify who a client's login is of.

    Raises:
        SpotifyError: there was no answer, or none that says it.
    """
    profile = client.get(PATH).json
    user_id = _text(profile.get("id"))
    if not user_id:
        raise BadAnswer("Spotify did not say who logged in.")
    return Identity(user_id, _text(profile.get("account_id")), _text(profile.get("display_name")))


def _text(value: object) -> str | None:
    """The value where it is text that every database takes: no NUL, no lone surrogate."""
    if not isinstance(value, str) or any(c == "\0" or "\ud800" <= c <= "\udfff" for c in value):
        return None
    return value
