"""What a listener hears that is not in the catalogue, and never in the Web API.

Belongs here: podcasts, audiobooks, local files, private sessions. Does not belong here: the
plays of the catalogue (`export_plays`).
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from spotify_assets.sandbox.catalogue import spotify_id
from spotify_assets.sandbox.clock import from_ms, to_ms
from spotify_assets.sandbox.export_form import ExportRow, Hand, Row
from spotify_assets.sandbox.listener import MINUTE, SECOND, Listener, Play
from spotify_assets.sandbox.names import SCRIPTS, phrase, title

# How likely each kind is on a day, and for how many minutes, at least and at most.
KINDS = {
    "podcast": (0.3, 5, 40),
    "audiobook": (0.12, 5, 35),
    "local": (0.12, 2, 5),
    "incognito": (0.1, 2, 5),
    "video": (0.04, 5, 30),
}
QUIET_MS = 46 * MINUTE  # holds any of them


class Shelf:
    """Four podcasts, three audiobooks and a few tracks, the same for the same listener.

    `authors` has the author of each audiobook by its title: the account data names it, the
    extended history does not.
    """

    def __init__(self, listener: Listener) -> None:
        """Fill the shelf."""
        self._rng = random.Random(f"{listener.account_id}/shelf")
        self.authors: dict[str, str] = {}
        episodes = [names for _ in range(4) for names in self._podcast()]
        self._names = {
            "podcast": episodes,
            "audiobook": [names for _ in range(3) for names in self._audiobook()],
            "local": [self._track() | {"spotify_track_uri": None} for _ in range(12)],
            "incognito": [self._track() for _ in range(30)],
            "video": episodes,
        }

    def rows(
        self, rng: random.Random, hand: Hand, plays: list[Play], day_ends: int
    ) -> Iterator[ExportRow]:
        """A day's rows: in a silence of its plays if one is long enough, else over the music."""
        ends = [to_ms(play.ended_at) for play in plays]
        starts = [*(to_ms(play.started_at) for play in plays[1:]), day_ends]
        quiet = [end for end, start in zip(ends, starts, strict=True) if start - end >= QUIET_MS]
        for kind, (chance, shortest, longest) in KINDS.items():
            started = rng.choice(quiet or ends) + rng.randint(5 * SECOND, 5 * MINUTE)
            ms_played = rng.randint(shortest * MINUTE, longest * MINUTE)
            if rng.random() >= chance or started + ms_played > day_ends - MINUTE:
                continue
            row = {
                **hand.begin(rng, from_ms(started).date()),
                "ts": hand.stamp(rng, started + ms_played),
                "ms_played": ms_played,
                **rng.choice(self._names[kind]),
                "reason_start": "clickrow",
                "reason_end": rng.choice(("trackdone", "endplay")),
                "skipped": False,
                "offline_timestamp": started // SECOND,
                "incognito_mode": kind == "incognito",
            }
            yield ExportRow(row, None, kind)

    def _podcast(self) -> Iterator[Row]:
        show = phrase(self._rng, self._script())
        for number in range(1, 41):
            yield {
                "episode_name": f"{number}: {title(self._rng, 'english')}",
                "episode_show_name": show,
                "spotify_episode_uri": f"spotify:episode:{spotify_id(self._rng)}",
            }

    def _audiobook(self) -> Iterator[Row]:
        name, book_id = title(self._rng, self._script()), spotify_id(self._rng)
        self.authors[name] = phrase(self._rng, self._script())
        for number in range(1, 25):
            yield {
                "audiobook_title": name,
                "audiobook_uri": f"spotify:show:{book_id}",
                "audiobook_chapter_uri": f"spotify:episode:{spotify_id(self._rng)}",
                "audiobook_chapter_title": f"Chapter {number}",
            }

    def _track(self) -> Row:
        script = self._script()
        return {
            "master_metadata_track_name": title(self._rng, script),
            "master_metadata_album_artist_name": phrase(self._rng, script),
            "master_metadata_album_album_name": title(self._rng, script),
            "spotify_track_uri": f"spotify:track:{spotify_id(self._rng)}",
        }

    def _script(self) -> str:
        return self._rng.choice(SCRIPTS)
