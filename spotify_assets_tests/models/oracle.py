"""The plays of one account and its track days, worked out once more: in Python, from the rules.

It was written from the rules of identity, time and counting and from the models' descriptions, not
from their SQL: plain loops over all rows of an account, without days, slices and watermarks.
"""

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from spotify_assets import times

Row = dict[str, Any]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SPOTIFY_BEGAN = datetime(2006, 1, 1, tzinfo=UTC)
SECOND, MINUTE, DAY = 1_000, 60_000, 86_400_000
LISTED_TWICE_WITHIN = 2 * SECOND
SAME_PLAY_WITHIN = 60 * SECOND
COUNTED_AFTER = LISTED_AFTER = 30 * SECOND
LONGEST_PLAY = 10 * 60 * MINUTE
LARGEST_SECONDS = 10**11  # a larger time of a player is in ms
ROUNDS = 3

SKIPS = ("fwdbtn", "backbtn", "endplay", "unknown")
# All fields of a row of an export: which of its variants is taken depends on them.
FIELDS = (
    *("ts", "ms_played", "platform", "conn_country", "master_metadata_track_name"),
    *("master_metadata_album_artist_name", "master_metadata_album_album_name"),
    *("spotify_track_uri", "episode_name", "episode_show_name", "spotify_episode_uri"),
    *("audiobook_title", "audiobook_uri", "audiobook_chapter_uri", "audiobook_chapter_title"),
    *("audiobook_author_name", "reason_start", "reason_end", "shuffle", "skipped", "offline"),
    *("offline_timestamp", "incognito_mode"),
)


@dataclass(frozen=True)
class Raw:
    """Everything that plays are made of: raw rows by account, and on which clock accounts live."""

    listed: dict[str, list[Row]]
    exported: dict[str, list[Row]]
    zones: dict[str, list[tuple[datetime, datetime, ZoneInfo]]]

    @classmethod
    def read(cls, path: Path) -> "Raw":
        """Read a warehouse."""
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        connection.row_factory = sqlite3.Row

        def rows(query: str) -> dict[str, list[Row]]:
            found = defaultdict(list)
            for row in connection.execute(query):
                found[row["account_id"]].append(dict(row))
            return found

        listed = rows("select * from raw_recently_played")
        exported = rows("select * from raw_streaming_history")
        zones = rows("select * from account_zones")
        connection.close()
        return cls(
            listed={
                account: [row | {"end": to_ms(row["played_at"])} for row in found]
                for account, found in listed.items()
            },
            exported={
                account: [_typed(row) for row in found] for account, found in exported.items()
            },
            zones={
                account: [
                    (
                        times.from_text(row["valid_from"]),
                        times.from_text(row["valid_to"]),
                        ZoneInfo(row["zone"]),
                    )
                    for row in found
                ]
                for account, found in zones.items()
            },
        )

    @cached_property
    def recordings(self) -> dict[str, set[str]]:
        """Of every track that any account was told of, its ISRCs."""
        found = defaultdict(set)
        for row in self._all_listed():
            if row["isrc"]:
                found[row["track_uri"]].add(row["isrc"])
        return found

    @cached_property
    def lengths(self) -> dict[str, int]:
        """Of every track that any account was told of, the greatest length."""
        found: dict[str, int] = {}
        for row in self._all_listed():
            found[row["track_uri"]] = max(found.get(row["track_uri"], 0), row["duration_ms"])
        return found

    def _all_listed(self) -> Iterator[Row]:
        for rows in self.listed.values():
            yield from rows


def plays(raw: Raw, account_id: str) -> list[Row]:
    """The rows of `fct_plays` of an account, ordered by `play_id`."""
    listed = listed_plays(raw.listed.get(account_id, []))
    exported = exported_plays(raw.exported.get(account_id, []))
    partners = dict(_pairs(raw, listed, exported))
    paired = set(partners.values())
    found = [
        _exported_play(raw, row, next((a for a in listed if a["row_key"] == key), None))
        for row in exported
        for key in [partners.get(row["row_key"])]
    ]
    found += [_listed_play(row) for row in listed if row["row_key"] not in paired]
    ends = sorted({play["end"] for play in found})
    for play in found:
        if play["source"] == "api":
            before = [end for end in ends if play["end"] - LONGEST_PLAY <= end < play["end"]]
            play["ms_played"] = min([play["duration"], *(play["end"] - end for end in before)])
    finished = [_finished(raw, account_id, play) for play in found]
    return sorted(finished, key=lambda play: str(play["play_id"]))


def track_days(found: Iterable[Row]) -> list[Row]:
    """The rows of `fct_track_days` of these plays, ordered by their key."""
    days = defaultdict(list)
    for play in found:
        if play["is_counted"]:
            key = (play[name] for name in ("account_id", "local_date", "content_type", "track_key"))
            days[tuple(key)].append(play)
    return [_track_day(key, of_day) for key, of_day in sorted(days.items())]


def listed_plays(rows: Iterable[Row]) -> list[Row]:
    """What the API lists, but what it lists twice."""
    kept, ends = [], dict[str, int]()
    for row in sorted(rows, key=lambda row: (row["end"], row["row_key"])):
        before = ends.get(row["track_uri"])
        if before is None or row["end"] - before > LISTED_TWICE_WITHIN:
            kept.append(row)
        ends[row["track_uri"]] = row["end"]
    return kept


def exported_plays(rows: Iterable[Row]) -> list[Row]:
    """What exports tell: of each row the best variant, the better export, and each play once."""
    variants = defaultdict(list)
    for row in rows:
        variants[row["row_key"]].append(row)
    extended = [each for each in variants.values() if each[0]["kind"] == "extended"]
    # Under whatever names a download tells it.
    told = Counter(names for each in extended for names in {row["names"] for row in each})
    kept = [_best(each) for each in extended]
    account_data = [_best(each) for each in variants.values() if each[0]["kind"] != "extended"]
    once = list(_each_once(kept))
    for row in sorted(account_data, key=lambda row: (-row["ms_played"], row["row_key"])):
        if told[row["names"]]:
            told[row["names"]] -= 1
        else:
            once.append(row)
    return once


def _best(variants: list[Row]) -> Row:
    def filled(row: Row) -> Row:
        return {name: row[name] for name in FIELDS if row[name] is not None}

    def text(row: Row) -> str:
        return json.dumps(filled(row), sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    return min(variants, key=lambda row: (-len(filled(row)), text(row)))


def _each_once(rows: list[Row]) -> Iterator[Row]:
    by_end, by_length = defaultdict(list), defaultdict(list)
    for row in rows:
        by_end[row["what"], row["end"]].append(row)
    for together in by_end.values():
        longest = min(together, key=lambda row: (-row["ms_played"], row["row_key"]))
        by_length[longest["what"], longest["ms_played"]].append(longest)
    for (_, length), alike in by_length.items():
        alike.sort(key=lambda row: row["end"])
        yield alike[0]
        for before, row in pairwise(alike):
            if row["end"] - before["end"] >= min(length - SECOND, LONGEST_PLAY):
                yield row


def _pairs(raw: Raw, listed: list[Row], exported: list[Row]) -> Iterator[tuple[str, str]]:
    """Keys of an export's and the API's row that are one play: mutual nearest neighbours."""
    candidates = []
    for row in exported:
        for play in listed:
            distance = _distance(row, play)
            step = distance <= SAME_PLAY_WITHIN and _step(raw, row, play)
            if step:
                order = (distance, play["played_at"], row["row_key"], play["row_key"])
                candidates.append((step, order))
    free = {key for _, (_, _, *keys) in candidates for key in keys}
    for step in sorted({step for step, _ in candidates}):
        orders = sorted(order for each, order in candidates if each == step)
        for _ in range(ROUNDS):
            nearest: dict[str, Any] = {}
            for order in orders:
                if free.issuperset(order[2:]):
                    for key in order[2:]:
                        nearest.setdefault(key, order)
            for order in set(nearest.values()):
                one, other = order[2:]
                if nearest[one] == nearest[other] == order:
                    free -= {one, other}
                    yield one, other


def _distance(row: Row, play: Row) -> int:
    listed: int = play["end"]
    ts: int = row["ts_ms"]
    if row["kind"] != "extended":  # to the minute: anywhere in it is no difference at all
        return max(0, ts - listed, listed - ts - MINUTE + 1)
    by_player: int | None = row["player_end"]
    return min(abs(end - listed) for end in (ts, by_player) if end is not None)


def _step(raw: Raw, row: Row, play: Row) -> tuple[int, bool] | None:
    """Of which class a pair is, and whether it is of the second half of it."""
    is_short = row["ms_played"] < LISTED_AFTER
    if row["uri"] == play["track_uri"]:
        return 1, is_short
    if play["isrc"] and play["isrc"] in raw.recordings.get(row["uri"], ()):
        return 2, is_short
    artists = (play["artist_name"], play["album_artist_name"])
    if row["track"] and row["track"] == play["track_name"] and row["artist"] in artists:
        return (3 if row["kind"] == "extended" else 4), is_short
    return None


def _exported_play(raw: Raw, row: Row, play: Row | None) -> Row:
    listed: Row = play or {}
    is_skip = row["skipped"] == 1 or row["reason_end"] in SKIPS
    tells = row["skipped"] is not None or row["reason_end"]
    to_the_minute = row["kind"] != "extended" and play is not None
    return {
        "end": listed["end"] if to_the_minute else row["end"],
        "duration": listed.get("duration_ms", raw.lengths.get(row["uri"])),
        "play_id": (listed or row)["row_key"][:20],
        "track_uri": row["uri"] or listed.get("track_uri"),
        "content_type": row["content"],
        "track_name": listed.get("track_name") or row["track"],
        "artist_name": listed.get("artist_name") or row["artist"],
        "album_name": listed.get("album_name") or row["album"],
        "ms_played": row["ms_played"],
        "time_is_unreliable": int(row["is_late"]),
        "skipped": 1 if is_skip else 0 if tells else None,
        "incognito": row["incognito_mode"] or 0,
        "source": "both" if play else "export",
        "api_played_at": listed.get("played_at"),
        "export_ended_at": row["ts"],
        "api_row_key": listed.get("row_key"),
        "export_row_key": row["row_key"],
    }


def _listed_play(row: Row) -> Row:
    is_episode = row["track_uri"].startswith("spotify:episode:")
    return {
        "end": row["end"],
        "duration": row["duration_ms"],
        "play_id": row["row_key"][:20],
        "track_uri": row["track_uri"],
        "content_type": "episode" if is_episode else "track",
        "track_name": row["track_name"],
        "artist_name": row["artist_name"],
        "album_name": row["album_name"],
        "time_is_unreliable": 0,
        "skipped": None,
        "incognito": 0,
        "source": "api",
        "api_played_at": row["played_at"],
        "export_ended_at": None,
        "api_row_key": row["row_key"],
        "export_row_key": None,
    }


def _finished(raw: Raw, account_id: str, play: Row) -> Row:
    """All columns of the fact in their order."""
    started_at = EPOCH + timedelta(milliseconds=play["end"] - play["ms_played"])
    zones = raw.zones[account_id]
    zone = next((zone for begin, end, zone in zones if begin <= started_at < end), UTC)
    local = started_at.astimezone(zone)
    title, artist = play["track_name"] or None, play["artist_name"] or None
    by_names = "unknown" if title is None else f"{len(title)} characters: {title}, {artist or ''}"
    is_long = play["ms_played"] >= COUNTED_AFTER
    is_half = play["duration"] is not None and play["ms_played"] * 2 >= play["duration"]
    is_counted = play["source"] == "api" or (play["ms_played"] > 0 and (is_long or is_half))
    return {
        "play_id": play["play_id"],
        "account_id": account_id,
        "track_uri": play["track_uri"],
        "content_type": play["content_type"],
        "track_key": play["track_uri"] or by_names,
        "track_name": title,
        "artist_name": artist,
        "album_name": play["album_name"] or None,
        "started_at": times.to_text(started_at),
        "ended_at": to_text(play["end"]),
        "local_started_at": local.isoformat(timespec="milliseconds"),
        "local_date": str(local.date()),
        "local_hour": local.hour,
        "local_weekday": local.isoweekday(),
        "ms_played": play["ms_played"],
        "ms_played_is_estimated": int(play["source"] == "api"),
        "time_is_unreliable": play["time_is_unreliable"],
        "skipped": play["skipped"],
        "incognito": play["incognito"],
        "is_counted": int(is_counted),
        "source": play["source"],
        "api_played_at": play["api_played_at"],
        "export_ended_at": play["export_ended_at"],
        "api_row_key": play["api_row_key"],
        "export_row_key": play["export_row_key"],
    }


def _track_day(key: tuple[str, ...], of_day: list[Row]) -> Row:
    last = max(play["ended_at"] for play in of_day)
    newest = min(
        (play for play in of_day if play["ended_at"] == last), key=lambda play: play["play_id"]
    )
    account_id, local_date, content_type, track_key = key
    return {
        "account_id": account_id,
        "local_date": local_date,
        "track_key": track_key,
        "content_type": content_type,
        "track_uri": newest["track_uri"],
        "track_name": newest["track_name"],
        "artist_name": newest["artist_name"],
        "album_name": newest["album_name"],
        "plays": len(of_day),
        "ms_played": sum(play["ms_played"] for play in of_day),
        "ms_played_estimated": sum(
            play["ms_played"] for play in of_day if play["ms_played_is_estimated"]
        ),
        "first_played_at": min(play["ended_at"] for play in of_day),
        "last_played_at": last,
    }


def _typed(row: Row) -> Row:
    """A row of an export with what its fields say about when and what."""
    uris = ("spotify_track_uri", "spotify_episode_uri", "audiobook_chapter_uri", "audiobook_uri")
    uri = next((row[name] for name in uris if row[name]), None)
    titles = ("master_metadata_track_name", "episode_name", "audiobook_chapter_title")
    artists = ("master_metadata_album_artist_name", "episode_show_name", "audiobook_author_name")
    track = _first(*(row[name] for name in titles), row["audiobook_title"])
    artist = _first(*(row[name] for name in artists))
    album = _first(row["master_metadata_album_album_name"], row["audiobook_title"])
    title, of = row[titles[0]], row[artists[0]]
    title_in_both = _first(
        None if title == "Unknown Track" else title, row["episode_name"], row["audiobook_title"]
    )
    artist_in_both = _first(None if of == "Unknown Artist" else of, row["episode_show_name"])
    ts = to_ms(row["ts"])
    is_late = row["offline"] == 1 or row["reason_end"] == "logout"
    player_end = _end_by_player(row, ts) if is_late else None
    return row | {
        "uri": uri,
        "track": track,
        "artist": artist,
        "album": album,
        "names": (title_in_both or "", artist_in_both or "", row["ts"][:16]),
        "what": uri or ("", track or "", artist or "", album or ""),
        "content": _content(row),
        "is_late": is_late,
        "ts_ms": ts,
        "player_end": player_end,
        "end": player_end if row["offline"] == 1 and player_end is not None else ts,
    }


def _content(row: Row) -> str:
    # By its file, by what it was, or by its names: files of one's own have no more.
    tells = {
        "track": row["kind"] == "music" or row["spotify_track_uri"],
        "episode": row["kind"] == "podcast" or row["spotify_episode_uri"],
        "audiobook": row["kind"] == "audiobook"
        or row["audiobook_chapter_uri"]
        or row["audiobook_uri"],
    }
    names = {
        "track": row["master_metadata_track_name"],
        "episode": _first(row["episode_name"], row["episode_show_name"]),
        "audiobook": row["audiobook_title"],
    }
    found = [content for content, is_it in tells.items() if is_it]
    found += [content for content, name in names.items() if name is not None]
    return [*found, "track"][0]


def _end_by_player(row: Row, ts: int) -> int | None:
    start: int | None = row["offline_timestamp"]
    if start is None:
        return None
    start *= 1 if start > LARGEST_SECONDS else SECOND
    return start + row["ms_played"] if _ms(SPOTIFY_BEGAN) <= start <= ts else None


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _ms(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(milliseconds=1)


def to_ms(text: str) -> int:
    """UTC text as milliseconds since 1970."""
    return _ms(times.from_text(text))


def to_text(moment: int) -> str:
    """Milliseconds since 1970 as UTC text."""
    return times.to_text(EPOCH + timedelta(milliseconds=moment))
