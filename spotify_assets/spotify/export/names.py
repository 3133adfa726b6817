"""What the name of a file says: whether it may be a history, and which files continue each other.

Spotify's names as of 2026: `Streaming_History_Audio_2019-2020_3.json`, `…_Video_2017-2024.json`,
before 2023 `endsong_3.json` and `endvideo.json`; in the account data
`StreamingHistory_music_0.json`, `…_podcast_0.json`, `…_audiobook_0.json`, before 2023
`StreamingHistory0.json`. Browsers, file managers and people change names (" (1)", " 2",
" - Kopie", or another name), so a name only helps: the rows tell what they are.
"""

import re
import string
from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from pathlib import PurePath


class Kind(StrEnum):
    """What a row is; the value is the column `kind` of the raw table."""

    EXTENDED = "extended"
    MUSIC = "music"
    PODCAST = "podcast"
    AUDIOBOOK = "audiobook"


_NAMES = {
    Kind.EXTENDED: r"streaming_history_(?:audio|video)|endsong|endvideo",
    Kind.PODCAST: r"streaminghistory_podcast",
    Kind.AUDIOBOOK: r"streaminghistory_audiobook",
    Kind.MUSIC: r"streaminghistory(?:_music)?",
}
# The name, numbers and years, and what a copy has behind them: " (1)", " - Kopie", "_old".
_PATTERNS = {
    kind: re.compile(
        rf"(?P<begin>(?:{name})(?:_?\d[\d_-]*)?)(?P<copy>(?:[ .(~-].*|(?<=\d)_.*)?)\.json",
        re.IGNORECASE,
    )
    for kind, name in _NAMES.items()
}
_LOOKS_LIKE_HISTORY = re.compile(
    r"(stream|listen|play).*hist|hist.*(stream|listen|play)|^end[a-z]+_?\d*\.json$",
    re.IGNORECASE,
)
# Spotify's other files. They are about the person, and nobody calls a history like this.
_OTHERS = re.compile(
    r"(userdata|identity|identifiers|payments|searchqueries|yourlibrary|playlist|follow|inferences"
    r"|marquee|messagedata|wrapped|carthing|yoursoundcapsule|userattributes|userprompts"
    r"|podcastinteractivity\w*|duonewfamily|familyplan)_?\d*( ?\(\d+\))?\.json",
    re.IGNORECASE,
)


def kind_of(name: str) -> Kind | None:
    """Which of Spotify's histories has this name, or None; what the rows are is theirs to say."""
    base = _base(name)
    return next((kind for kind, name in _PATTERNS.items() if name.fullmatch(base)), None)


def may_be_history(name: str) -> bool:
    """Whether to look into a file with this name, if only at its first rows."""
    base = _base(name)
    return (
        base.lower().endswith(".json") and not base.startswith(".") and not _OTHERS.fullmatch(base)
    )


def looks_like_history(name: str) -> bool:
    """Whether a file may be a history that Spotify writes in a form that is not known here."""
    return may_be_history(name) and bool(_LOOKS_LIKE_HISTORY.search(_base(name)))


# The same for files that continue each other; different for all others of their download.
Series = tuple[str | int, ...]


def series(paths: Iterable[str]) -> list[Series]:
    """The series of each file of one download: `…_0.json` and `…_1.json` continue each other.

    Files do so only if they lie in one folder and their names are the same but for the number at
    the end. Whatever else differs begins another series: `StreamingHistory0.json` is not
    continued by `StreamingHistory_music_1.json`, nor by a copy (`StreamingHistory1 (1).json`).
    So does a number that occurs again (`…_0.json` and `…_00.json`), and a name without one.

    Args:
        paths: of the files in their download, in the order in which they are read.
    """
    times = Counter[tuple[str, ...]]()
    found: list[Series] = []
    for path in paths:
        folder = str(PurePath(path).parent)
        before, number, behind = _parts(_base(path))
        times[folder, before, number, behind] += 1
        found.append((folder, before, bool(number), behind, times[folder, before, number, behind]))
    return found


def _parts(base: str) -> tuple[str, str, str]:
    """What stands before a file's number, the number, and what marks it as a copy."""
    kind = kind_of(base)
    match = _PATTERNS[kind].fullmatch(base) if kind else None
    if not match:
        return base, "", ""
    begin = match["begin"].rstrip("_-")
    before = begin.rstrip(string.digits)
    digits = begin[len(before) :]
    return before, digits and (digits.lstrip("0") or "0"), match["copy"]


def as_text(name: str) -> str:
    """A file's name as it can be stored and printed: bytes that are no UTF-8 escaped."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def in_order(name: str) -> tuple[list[int], str]:
    """A sort key by which file 10 comes after file 2."""
    return [int(digits) for digits in re.findall(r"\d{1,18}", _base(name))], name


def _base(name: str) -> str:
    # A Windows tool may have written backslashes; macOS adds ._ files, which match nothing here.
    return PurePath(name.replace("\\", "/")).name
