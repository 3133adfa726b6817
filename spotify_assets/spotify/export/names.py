"""Recognising the histories in a download by their names.

Spotify's names as of 2026: `Streaming_History_Audio_2019-2020_3.json`, `…_Video_2017-2024.json`,
before 2023 `endsong_3.json` and `endvideo.json`; in the account data
`StreamingHistory_music_0.json`, `…_podcast_0.json`, `…_audiobook_0.json`, before 2023
`StreamingHistory0.json`. Browsers and file managers add " (1)" or " copy" where a name is taken.
"""

import re
from enum import StrEnum
from pathlib import PurePath


class Kind(StrEnum):
    """What the rows of a file are; the value is the column `kind` of the raw table."""

    EXTENDED = "extended"
    MUSIC = "music"
    PODCAST = "podcast"
    AUDIOBOOK = "audiobook"


_COPY = r"( ?\(\d+\)| copy( \d+)?| - copy)?"
_NAMES = {
    Kind.EXTENDED: r"(streaming_history_(audio|video)|endsong|endvideo)(_[\d_-]*)?",
    Kind.PODCAST: r"streaminghistory_podcast_?\d*",
    Kind.AUDIOBOOK: r"streaminghistory_audiobook_?\d*",
    Kind.MUSIC: r"streaminghistory(_music_?)?\d*",
}
_PATTERNS = {
    kind: re.compile(f"{name}{_COPY}\\.json", re.IGNORECASE) for kind, name in _NAMES.items()
}
_LOOKS_LIKE_HISTORY = re.compile(
    r"(stream|listen|play).*hist|hist.*(stream|listen|play)|^end[a-z]+_?\d*\.json$",
    re.IGNORECASE,
)


def kind_of(name: str) -> Kind | None:
    """The kind of history in a file of this name, or None where the name is not known."""
    base = _base(name)
    return next((kind for kind, name in _PATTERNS.items() if name.fullmatch(base)), None)


def looks_like_history(name: str) -> bool:
    """Whether a file with an unknown name may be a history: Spotify renames them."""
    base = _base(name)
    return (
        base.lower().endswith(".json")
        and not base.startswith(".")
        and bool(_LOOKS_LIKE_HISTORY.search(base))
    )


def in_order(name: str) -> tuple[list[int], str]:
    """A sort key by which file 10 comes after file 2."""
    return [int(digits) for digits in re.findall(r"\d{1,18}", _base(name))], name


def _base(name: str) -> str:
    # A Windows tool may have written backslashes; macOS adds ._ files, which match nothing here.
    return PurePath(name.replace("\\", "/")).name
