"""A listener's days as rows of the extended streaming history, untidy as real ones are.

Belongs here: what the row of a play says, what is odd about some. Does not belong here: what is
no play (`export_shelf`), windows, the account data, archives (`export`).

The oddities are those of exports that people published or measured until 2026: of 177,600 rows
1,217 with the uri and `ts` of another one; copies that differ in `skipped` alone; `logout` rows
stamped 602 s and 11.6 h late; offline sessions under one stamp; starts in seconds and in ms.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

from spotify_assets.sandbox.clock import to_ms
from spotify_assets.sandbox.export_form import ExportRow, Hand, Row, ts_text
from spotify_assets.sandbox.export_shelf import Shelf
from spotify_assets.sandbox.listener import (
    DAY_STARTS_HOUR,
    HOUR,
    MINUTE,
    SECOND,
    Listener,
    Play,
)

# What may be odd about the row of a play, and how often it is.
ODDITIES = {
    "duplicate": 0.005,
    "copy": 0.003,
    "zero": 0.003,
    "nameless": 0.001,
    "no start": 0.003,
    "start in ms": 0.02,
}
LOGOUT_CHANCE, LOGOUT_CHANCE_OF_LAST = 0.0005, 0.02  # of a play, of the last one of a session
OFFLINE_CHANCE = 0.01  # of a session
LONGEST_OFFLINE_RUN = 8

SESSION_GAP = timedelta(minutes=10)
BUFFERING = timedelta(seconds=1.5)  # what lasts longer is a pause
SKIPS = ("fwdbtn", "backbtn", "endplay")
FIRST_STARTS = ("clickrow", "playbtn", "appload", "remote")
# What is not here starts what follows under its own name.
STARTS_AFTER = {"endplay": "clickrow", "logout": "appload", "unexpected-exit": "appload"}
# In one account `skipped` is false throughout before that month.
SKIPPED_IS_TOLD_SINCE = date(2022, 10, 1)


class History:
    """What Spotify writes down of one listener. A day's rows follow from listener and date."""

    def __init__(self, listener: Listener) -> None:
        """Choose how their rows are written, and what they hear beside the catalogue."""
        self.shelf = Shelf(listener)
        self._listener, self._hand = listener, Hand(listener)

    def day(self, day: date) -> list[ExportRow]:
        """All rows of the listening day from 04:00 to 04:00 UTC, sorted by `ts`."""
        rng = random.Random(f"{self._listener.account_id}/export/{day.isoformat()}")
        starts = datetime.combine(day, time(DAY_STARTS_HOUR), UTC)
        plays = self._listener.plays(starts, starts + timedelta(days=1), with_short=True)
        day_ends = to_ms(starts + timedelta(days=1))
        rows: list[ExportRow] = []
        for session in _sessions(plays):
            rows += self._session(rng, session, day_ends)
        if plays:
            rows += self.shelf.rows(rng, self._hand, plays, day_ends)
        return sorted(rows, key=lambda item: str(item.row["ts"]))

    def _session(self, rng: random.Random, plays: list[Play], day_ends: int) -> Iterator[ExportRow]:
        """The rows of plays that follow each other, all on one device."""
        day, shuffles = plays[0].started_at.date(), rng.random() < 0.4
        shared = self._hand.begin(rng, day)
        offline = _offline_run(rng, plays) if rng.random() < OFFLINE_CHANCE else []
        back_online = _later(rng, offline[-1], 3 * HOUR, day_ends) if offline else 0
        reason_start = rng.choice(FIRST_STARTS)
        for play in plays:
            is_last = play is plays[-1]
            started, track = to_ms(play.started_at), play.track
            reason_end = _reason_end(rng, play, is_last)
            row = {
                **shared,
                "ts": self._hand.stamp(rng, to_ms(play.ended_at)),
                "ms_played": play.ms_played,
                "master_metadata_track_name": track.name,
                "master_metadata_album_artist_name": track.album.artists[0].name,
                "master_metadata_album_album_name": track.album.name,
                "spotify_track_uri": f"spotify:track:{track.id}",
                "reason_start": reason_start,
                "reason_end": reason_end,
                "shuffle": shuffles and _may_be_shuffled(play),
                "skipped": day >= SKIPPED_IS_TOLD_SINCE and reason_end in SKIPS,
                "offline_timestamp": started // SECOND,
            }
            logs_out = rng.random() < (LOGOUT_CHANCE_OF_LAST if is_last else LOGOUT_CHANCE)
            if play in offline:
                row |= {"ts": ts_text(back_online), "offline": True, "conn_country": "ZZ"}
            elif logs_out and not _has_pause(play):
                told = _later(rng, play, 12 * HOUR, day_ends)
                row |= {"ts": ts_text(told), "reason_end": "logout", "skipped": False}
            yield from _with_oddities(rng, row, play, self._hand.stamp(rng, started))
            reason_start = STARTS_AFTER.get(row["reason_end"], row["reason_end"])


def _with_oddities(
    rng: random.Random, row: Row, play: Play, stamp_of_start: str
) -> Iterator[ExportRow]:
    """The row of a play, seldom with something odd about it, and with what is odd beside it."""
    oddity = _oddity(rng)
    if oddity == "nameless":
        row |= {key: None for key in row if key.startswith("master_metadata_")}
    elif oddity == "start in ms":
        row["offline_timestamp"] = to_ms(play.started_at)
    elif oddity == "no start" and not (row["offline"] or row["reason_end"] == "logout"):
        row["offline_timestamp"] = None
    yield ExportRow(row, play, "play")
    if oddity == "duplicate":
        yield ExportRow(dict(row), play, "duplicate")
    elif oddity == "copy":
        yield ExportRow({**row, "skipped": None}, play, "copy")
    elif oddity == "zero":
        failed = {"ts": stamp_of_start, "ms_played": 0, "reason_end": "trackerror"}
        yield ExportRow({**row, **failed, "skipped": False}, None, "zero")


def _oddity(rng: random.Random) -> str | None:
    draw = rng.random()
    for oddity, chance in ODDITIES.items():
        draw -= chance
        if draw < 0:
            return oddity
    return None


def _sessions(plays: list[Play]) -> Iterator[list[Play]]:
    session: list[Play] = []
    for play in plays:
        if session and play.started_at - session[-1].ended_at > SESSION_GAP:
            yield session
            session = []
        session.append(play)
    if session:
        yield session


def _offline_run(rng: random.Random, plays: list[Play]) -> list[Play]:
    """Some plays in a row, of different tracks: under one stamp, one track's would be one row."""
    first, run = rng.randrange(len(plays)), list[Play]()
    for play in plays[first : first + rng.randint(2, LONGEST_OFFLINE_RUN)]:
        if _has_pause(play) or play.track in [earlier.track for earlier in run]:
            break
        run.append(play)
    return run


def _has_pause(play: Play) -> bool:
    return play.ended_at - play.started_at > timedelta(milliseconds=play.ms_played) + BUFFERING


def _later(rng: random.Random, play: Play, longest: int, day_ends: int) -> int:
    """When Spotify was told of a play, in ms: minutes to hours later, but on the same day."""
    return min(to_ms(play.ended_at) + rng.randint(2 * MINUTE, longest), day_ends)


def _reason_end(rng: random.Random, play: Play, is_last: bool) -> str:
    if play.ms_played >= play.track.duration_ms:
        return "trackdone"
    if is_last:
        return rng.choice(("endplay", "unexpected-exit"))
    return rng.choices(SKIPS, (8, 1, 1))[0]


def _may_be_shuffled(play: Play) -> bool:
    return play.context is not None and play.context.type in {"playlist", "collection"}
