"""The recently-played page: is this body one, what are its items, which play is an item.

Pure functions over JSON. What makes an item acceptable is the contract's to say.
"""

import hashlib
import json
from datetime import timedelta
from typing import Any

from spotify_assets import times
from spotify_assets.spotify.errors import BadAnswer

PATH = "me/player/recently-played"
LARGEST_PAGE = 50
# The page lists no shorter play, so two rows of one track that are closer are one play. The models
# fold them by dbt's listed_after_ms, which is the same.
SHORTEST_LISTED = timedelta(seconds=30)
LONGEST_BELIEVED = 10 * LARGEST_PAGE  # items; beyond that it is some other answer

# The one fault that is of the answer's time and not of the item: the next answer may mend it.
LATER_THAN_ANSWER = "played_at: later than Spotify's answer"


NO_PAGE = "Spotify's answer is not a page of recently played tracks; the next refresh tries again."


def check_answer(page: dict[str, Any]) -> None:
    """Return where an answer is the page that was asked for.

    Raises:
        BadAnswer: no page at all, or by its own `href` one of another endpoint, whose items would
            all go to quarantine.
    """
    items(page)
    href = page.get("href")
    if isinstance(href, str) and not href.partition("?")[0].endswith(f"/{PATH}"):
        raise BadAnswer(NO_PAGE)


def items(page: object) -> list[Any]:
    """The page's items as received, newest first.

    Raises:
        BadAnswer: no recently-played page at all.
    """
    listed = page.get("items") if isinstance(page, dict) else None
    if not isinstance(listed, list) or len(listed) > LONGEST_BELIEVED:
        raise BadAnswer(NO_PAGE)
    return listed


def payload(item: object) -> str:
    """The item as storable JSON text: `json.loads` of it gives the item back.

    A lone surrogate cannot be stored as UTF-8; its backslash form is the JSON escape of itself.
    """
    return json.dumps(item, ensure_ascii=False).encode("utf-8", "backslashreplace").decode("utf-8")


def played_at(item: object) -> str | None:
    """The end of the play as UTC text, cut to milliseconds; None where there is no such time."""
    text = item.get("played_at") if isinstance(item, dict) else None
    try:
        return times.to_text(times.from_text(text)) if isinstance(text, str) else None
    except ValueError:
        return None


def track_uri(item: object) -> str | None:
    """The URI of the track that was streamed, or None."""
    track = item.get("track") if isinstance(item, dict) else None
    uri = track.get("uri") if isinstance(track, dict) else None
    return uri if isinstance(uri, str) else None


def track_name(item: object) -> str | None:
    """The name of the track that was streamed, or None."""
    track = item.get("track") if isinstance(item, dict) else None
    name = track.get("name") if isinstance(track, dict) else None
    return name if isinstance(name, str) else None


def row_key(account_id: str, item: object) -> str:
    """The identity of an API play as one text, in every database alike: SHA-256, hex.

    Of account, end of the play to the millisecond, and track URI. An item that lacks one of them
    gets a key too, which no stored play has.
    """
    key = json.dumps([account_id, played_at(item), track_uri(item)])
    return hashlib.sha256(key.encode()).hexdigest()
