"""The form of a row of the extended streaming history, and of the truth about it.

Belongs here: keys, how moments and devices are written. Does not belong here: what was played.
"""

from __future__ import annotations

import random
from datetime import date
from typing import Any, NamedTuple

from spotify_assets.sandbox.clock import from_ms
from spotify_assets.sandbox.listener import SECOND, Listener, Play

Row = dict[str, Any]

# In the order in which the exports of 2025 have them.
EXTENDED_KEYS = (
    *("ts", "platform", "ms_played", "conn_country", "ip_addr"),
    *("master_metadata_track_name", "master_metadata_album_artist_name"),
    *("master_metadata_album_album_name", "spotify_track_uri"),
    *("episode_name", "episode_show_name", "spotify_episode_uri"),
    *("audiobook_title", "audiobook_uri", "audiobook_chapter_uri", "audiobook_chapter_title"),
    *("reason_start", "reason_end", "shuffle", "skipped"),
    *("offline", "offline_timestamp", "incognito_mode"),
)
_BLANK: Row = dict.fromkeys(EXTENDED_KEYS)

# How a platform was written until 2023-10-18, and since.
PLATFORMS = (
    ("Android OS 13 API 33 (samsung, SM-G991B)", "android"),
    ("iOS 16.6 (iPhone13,2)", "ios"),
    ("Windows 10 (10.0.19045; x64; AppX)", "windows"),
    ("Linux [x86-64 0]", "linux"),
    ("Partner google cast_tv;Chromecast;;tpapi", "not_applicable"),
)
PLATFORMS_ARE_SHORT_SINCE = date(2023, 10, 19)


class ExportRow(NamedTuple):
    """A row as Spotify writes it, and the truth: whose row it is, and why it is there.

    `play` is None for what is no play of `Listener.plays`. `kind` is one of

    - `play`: the one row of that play;
    - `duplicate`: that row once more, the same in all fields;
    - `copy`: that row once more, with null in `skipped`;
    - `zero`: 0 ms of a track that began anew at once;
    - `podcast`, `audiobook`, `video` (an episode), `local` (a file: names, no uri) and
      `incognito` (a track in a private session), none of which is ever in the Web API.
    """

    row: Row
    play: Play | None
    kind: str


class Hand:
    """How the rows of one listener are written: their country, devices and clock."""

    def __init__(self, listener: Listener) -> None:
        """Choose them, by listener."""
        rng = random.Random(f"{listener.account_id}/hand")
        self._country = rng.choice(("DE", "NO", "PT", "CZ", "US"))
        self._devices = rng.sample(PLATFORMS, k=3)
        self._delay_s = rng.randint(0, 1)

    def begin(self, rng: random.Random, day: date) -> Row:
        """A row on one of the devices: all keys in their order, and what a session shares."""
        return {
            **_BLANK,
            "platform": rng.choice(self._devices)[day >= PLATFORMS_ARE_SHORT_SINCE],
            "conn_country": self._country,
            "ip_addr": f"203.0.113.{rng.randint(1, 254)}",  # for documentation, by RFC 5737
            "shuffle": False,
            "offline": False,
            "incognito_mode": False,
        }

    def stamp(self, rng: random.Random, ended: int) -> str:
        """`ts` of what ended then (ms since 1970): its second, or up to 2 s later."""
        return ts_text(ended + (self._delay_s + (rng.random() < 0.3)) * SECOND)


def ts_text(ms: int) -> str:
    """Milliseconds since 1970 as an export writes a moment: UTC, cut to the second."""
    return from_ms(ms).isoformat()[:19] + "Z"
