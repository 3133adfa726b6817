"""Finding an artist, a track, an album or a podcast by what somebody typed."""

import sqlite3
import threading
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from spotify_assets.outputs.marts.look import COLUMNS, Kind, Look

TRIGRAM = 3
CANDIDATES = 60
ALIKE = 0.7  # of 1; quene is 0.8 like queen
ALIKE_BESIDE = 0.85  # beside names that have what was typed as it is
LONGEST = 100  # characters of what is typed that are looked at


@dataclass(frozen=True)
class Found:
    """What a search found, with its plays of all time."""

    kind: Kind
    key: str
    name: str
    subtitle: str | None
    plays: int


class Names:
    """All names, by their trigrams, so that one that is misspelled is found as well.

    A database of SQLite's own, which holds a part of it in memory and the rest in a temporary file
    that nobody else can open. It is made again when the models were.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._index: sqlite3.Connection | None = None
        self._made_of: object = None

    def find(self, look: Look, words: str, accounts: Sequence[str], limit: int) -> list[Found]:
        """The names that are most like some words, of each kind at most so many.

        First those that have the words as they are, then those that are spelled most alike; of
        equals the most played.
        """
        typed = plain(words[:LONGEST])
        if not typed:
            return []
        with self._lock:
            index = self._current(look)
            kinds = {kind: self._candidates(index, kind, typed) for kind in Kind}
        return [
            found
            for kind, candidates in kinds.items()
            for found in _ranked(look, kind, candidates, typed, accounts)[:limit]
        ]

    def _current(self, look: Look) -> sqlite3.Connection:
        state = look.built_at("dim_tracks")
        if self._index is None or state != self._made_of:
            self._index = sqlite3.connect("", check_same_thread=False)
            self._index.execute(
                "create virtual table names using fts5("
                "plain, kind unindexed, key unindexed, tokenize = 'trigram')"
            )
            for kind in Kind:
                rows = look.each_row(_all_names(kind))
                self._index.executemany(
                    "insert into names values (?, ?, ?)",
                    ((plain(row.name), kind.value, row.key) for row in rows),
                )
            self._made_of = state
        return self._index

    def _candidates(self, index: sqlite3.Connection, kind: Kind, typed: str) -> list[str]:
        as_it_is = "select key from names where kind = ? and plain like ? escape '!' limit ?"
        pattern = "".join(f"!{each}" if each in "!%_" else each for each in typed)
        found = index.execute(as_it_is, (kind.value, f"%{pattern}%", CANDIDATES)).fetchall()
        if len(typed) >= TRIGRAM:
            parts = {typed[at : at + TRIGRAM] for at in range(len(typed) - TRIGRAM + 1)}
            query = " OR ".join('"' + part.replace('"', '""') + '"' for part in sorted(parts))
            alike = "select key from names where names match ? and kind = ? order by rank limit ?"
            found += index.execute(alike, (query, kind.value, CANDIDATES)).fetchall()
        return list(dict.fromkeys(key for (key,) in found))


def plain(name: str) -> str:
    """A name without case and marks, in any script, as it is compared."""
    parts = unicodedata.normalize("NFKD", name.replace("\0", " ").casefold())
    return " ".join("".join(each for each in parts if not unicodedata.combining(each)).split())


def _all_names(kind: Kind) -> str:
    columns = COLUMNS[kind]
    return f"""
        select {columns.key} as key, max({columns.name}) as name from dim_tracks
        where content_type = '{columns.content_type}' and {columns.key} <> 'unknown'
        group by {columns.key} having max({columns.name}) <> ''
    """  # noqa: S608 # ours


def _ranked(
    look: Look, kind: Kind, keys: Sequence[str], typed: str, accounts: Sequence[str]
) -> list[Found]:
    if not keys:
        return []
    columns = COLUMNS[kind]
    query = f"""
        select
            tracks.{columns.key} as key, max(tracks.{columns.name}) as name,
            max({"tracks." * (columns.subtitle != "null")}{columns.subtitle}) as subtitle,
            sum(days.plays) as plays
        from dim_tracks as tracks
        cross join fct_track_days as days
        where
            days.track_key = tracks.track_key
            and tracks.{columns.key} in :keys and days.account_id in :accounts
            and days.content_type = :content_type
        group by tracks.{columns.key}
    """  # noqa: S608 # ours
    rows = look.rows(
        query, keys=list(keys), accounts=list(accounts), content_type=columns.content_type
    )
    found = [(likeness(plain(row.name), typed), Found(kind, **row._mapping)) for row in rows]
    found.sort(key=lambda each: (-each[0], -each[1].plays, each[1].key))
    least = ALIKE_BESIDE if found and found[0][0] > 1 else ALIKE
    return [each for alike, each in found if alike >= least]


def likeness(name: str, typed: str) -> float:
    """How like what was typed a name is: 1 for the same, above 1 where it has that as it is.

    What was typed is compared with as many words in a row as it has, and without any spaces.
    """
    if typed in name:
        return 2.0 + (name.startswith(typed)) + (name == typed)
    words, many = name.split(), len(typed.split())
    parts = (" ".join(words[at : at + many]) for at in range(max(1, len(words) - many + 1)))
    pairs = [(part, typed) for part in parts] + [(name.replace(" ", ""), typed.replace(" ", ""))]
    return max(SequenceMatcher(None, one, other).ratio() for one, other in pairs)
