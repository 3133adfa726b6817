"""A listener's privacy exports as Spotify packs them: the zip archives, and their rows.

Belongs here: windows, the account data, file names, archives. Does not belong here: what a row
of the extended history looks like (`export_plays`).

Everything follows from the listener and the window, byte for byte.
"""

from __future__ import annotations

import random
import zipfile
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

import orjson

from spotify_assets.sandbox.clock import to_ms
from spotify_assets.sandbox.export_form import ExportRow, Row, ts_text
from spotify_assets.sandbox.export_plays import History
from spotify_assets.sandbox.listener import DAY_STARTS_HOUR, Listener

# Woven into every file of an export that is nobody's business: search for it what was stored.
PERSONAL_MARK = "PRIVATE-do-not-read-me"
EXTENDED_FOLDER = "Spotify Extended Streaming History"
ACCOUNT_FOLDER = "Spotify Account Data"
EXTENDED_ROWS_IN_A_FILE = 16_000  # about 12 MB
ACCOUNT_ROWS_IN_A_FILE = 10_000
ACCOUNT_DATA_REACHES_BACK = timedelta(days=365)
LATEST_STAMP = timedelta(seconds=2)
SHUFFLED_WITHIN = 64  # rows
FAST = 1  # zip's level
PERSONAL_FILES = (
    *("Userdata", "Identity", "Payments", "SearchQueries", "YourLibrary", "Playlist1"),
    *("Follow", "Inferences", "Marquee", "MessageData", "Wrapped2025", "CarThing"),
)
_PDF = f"%PDF-1.4\n% A placeholder. {PERSONAL_MARK}\n%%EOF\n".encode()


def extended_rows(listener: Listener, start: datetime, end: datetime) -> Iterator[ExportRow]:
    """The extended streaming history of (`start`, `end`], day by day, by `ts` within a day.

    A play has the same rows whatever window is asked for. Its row is stamped up to 2 s after the
    Web API's `played_at`, by listener and play: the two do not agree to the second. It names the
    album's artist, and `offline_timestamp` is the start of the play, mostly in seconds. Beside
    the kinds of `ExportRow` there are, at low rates,

    - rows without names, as of tracks that are no longer available;
    - `offline_timestamp` null, and in milliseconds;
    - `reason_end` logout, stamped minutes to hours late;
    - runs of offline plays, of the country ZZ, all stamped when they were reported. There, as
      with logout, `offline_timestamp` + `ms_played` is the end of the play within 3 s.

    What Spotify was told only after `end` is missing; it is told all by the next 04:00 UTC. Until
    2022-09 `skipped` is always false, until 2023-10-18 `platform` is a long text. Every `ip_addr`
    begins with 203.0.113.
    """
    history = History(listener)
    after, until = ts_text(to_ms(start)), ts_text(to_ms(end))
    told_by = ts_text(to_ms(end + LATEST_STAMP))
    day = (start - timedelta(hours=DAY_STARTS_HOUR)).date()
    while day <= (end - timedelta(hours=DAY_STARTS_HOUR)).date():
        for item in history.day(day):
            ts = item.row["ts"]
            if item.play is None:
                if after < ts <= until:
                    yield item
            elif start < item.play.ended_at <= end and ts <= told_by:
                yield item
        day += timedelta(days=1)


def account_data_rows(listener: Listener, start: datetime, end: datetime) -> Iterator[ExportRow]:
    """The account data's streaming history of the year up to `end`, not before `start`.

    It is the same listening as in `extended_rows`, by the minute, without duplicates, copies and
    videos. Rows have endTime, artistName, trackName and msPlayed; of podcasts, podcastName and
    episodeName, and of audiobooks, audiobookName and authorName stand in place of the names.
    """
    authors = History(listener).shelf.authors
    start = max(start, end - ACCOUNT_DATA_REACHES_BACK)
    for row, play, kind in extended_rows(listener, start, end):
        if kind in {"duplicate", "copy", "video"}:
            continue
        if kind == "podcast":
            names = {"podcastName": row["episode_show_name"], "episodeName": row["episode_name"]}
        elif kind == "audiobook":
            title = row["audiobook_title"]
            names = {"audiobookName": title, "authorName": authors[title]}
        else:
            names = {
                "artistName": row["master_metadata_album_artist_name"] or "Unknown Artist",
                "trackName": row["master_metadata_track_name"] or "Unknown Track",
            }
        ended = {"endTime": row["ts"][:16].replace("T", " ")}
        yield ExportRow({**ended, **names, "msPlayed": row["ms_played"]}, play, kind)


def write_extended(path: Path, listener: Listener, start: datetime, end: datetime) -> None:
    """Write the archive of the extended streaming history of (`start`, `end`].

    Its files hold up to 16,000 rows each, which are in no strict order, and their spans overlap.
    """
    rng = random.Random(f"{listener.account_id}/export/files")
    videos: list[Row] = []

    def audio() -> Iterator[Row]:
        for item in extended_rows(listener, start, end):
            if item.kind == "video":
                videos.append(item.row)
            else:
                yield item.row

    with _Archive(path, EXTENDED_FOLDER, end) as archive:
        archive.add("ReadMeFirst_ExtendedStreamingHistory.pdf", _PDF)
        for number, rows in enumerate(_files(_shuffled(rng, audio()), EXTENDED_ROWS_IN_A_FILE)):
            is_only_one = number == 0 and len(rows) < EXTENDED_ROWS_IN_A_FILE
            counter = "" if is_only_one else f"_{number}"
            archive.add_json(f"Streaming_History_Audio_{_years(rows)}{counter}.json", rows)
        if videos:
            archive.add_json(f"Streaming_History_Video_{_years(videos)}.json", videos)


def write_account_data(path: Path, listener: Listener, start: datetime, end: datetime) -> None:
    """Write the archive of the account data: the history of its last year, and personal files.

    Every personal file holds `PERSONAL_MARK`.
    """
    waiting: dict[str, list[Row]] = {"music": [], "podcast": [], "audiobook": []}
    written = dict.fromkeys(waiting, 0)
    with _Archive(path, ACCOUNT_FOLDER, end) as archive:

        def write(content: str) -> None:
            name = f"StreamingHistory_{content}_{written[content]}.json"
            archive.add_json(name, waiting[content])
            written[content] += 1
            waiting[content] = []

        archive.add("Read_Me_First.pdf", _PDF)
        for name in PERSONAL_FILES:
            archive.add_json(f"{name}.json", {"personal": f"{PERSONAL_MARK} {name}"})
        for item in account_data_rows(listener, start, end):
            content = item.kind if item.kind in waiting else "music"
            waiting[content].append(item.row)
            if len(waiting[content]) == ACCOUNT_ROWS_IN_A_FILE:
                write(content)
        for content, rows in waiting.items():
            if rows:
                write(content)


class _Archive:
    """A zip archive of one folder, to be written in a `with`; its bytes follow from its content.

    All members bear the same time.
    """

    def __init__(self, path: Path, folder: str, made: datetime) -> None:
        self._zip = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED)
        self._folder, self._made = folder, made

    def __enter__(self) -> _Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def add(self, name: str, content: bytes) -> None:
        member = zipfile.ZipInfo(f"{self._folder}/{name}", self._made.timetuple()[:6])
        member.create_system, member.external_attr = 3, 0o644 << 16  # the same on any machine
        member.compress_type = zipfile.ZIP_DEFLATED
        self._zip.writestr(member, content, compresslevel=FAST)

    def add_json(self, name: str, value: object) -> None:
        self.add(name, orjson.dumps(value, option=orjson.OPT_INDENT_2))


def _files(rows: Iterator[Row], size: int) -> Iterator[list[Row]]:
    while file := list(islice(rows, size)):
        yield file


def _shuffled(rng: random.Random, rows: Iterable[Row]) -> Iterator[Row]:
    """The rows in another order; most are within some dozens of where they were."""
    pool: list[Row] = []
    for row in rows:
        if len(pool) < SHUFFLED_WITHIN:
            pool.append(row)
        else:
            place = rng.randrange(SHUFFLED_WITHIN)
            yield pool[place]
            pool[place] = row
    rng.shuffle(pool)
    yield from pool


def _years(rows: list[Row]) -> str:
    years = [row["ts"][:4] for row in rows]
    first, last = min(years), max(years)
    return first if first == last else f"{first}-{last}"
