"""The plays of one account and its track days, worked out once more: in Python, from the rules.

It was written from the rules of identity, time and counting and from the models' descriptions, not
from their SQL: plain loops over all rows of an account, without days, slices and watermarks.
"""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from spotify_assets import times

Row = dict[str, Any]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SPOTIFY_BEGAN = datetime(2006, 1, 1, tzinfo=UTC)
SECOND, MINUTE, DAY = 1_000, 60_000, 86_400_000
SAME_PLAY_WITHIN = 60 * SECOND
MOVED_WITHIN = 15 * MINUTE
LOOK_BACK = 6 * 60 * MINUTE
COUNTED_AFTER = LISTED_AFTER = 30 * SECOND
LONGEST_PLAY = 10 * 60 * MINUTE
LARGEST_SECONDS = 10**11  # a larger time of a player is in ms

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
    spans: dict[str, list[tuple[str, str]]]

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
        spans = rows(
            "select account_id, window_from, window_to from loads"
            " where load_id in (select load_id from export_days)"
        )
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
            spans={
                account: [(row["window_from"], row["window_to"]) for row in found]
                for account, found in spans.items()
            },
        )


def plays(raw: Raw, account_id: str) -> list[Row]:
    """The rows of `fct_plays` of an account, ordered by `play_id`."""
    listed = listed_plays(raw.listed.get(account_id, []))
    exported = exported_plays(raw.exported.get(account_id, []))
    spans = raw.spans.get(account_id, [])
    partners = {one: (other, by) for one, other, by in _pairs(listed, exported, spans)}
    paired = {key for key, _ in partners.values()}
    by_key = {row["row_key"]: row for row in listed}
    found = [
        _exported_play(row, by_key.get(key), matched_by)
        for row in exported
        for key, matched_by in [partners.get(row["row_key"], ("", None))]
    ]
    found += [_listed_play(row) for row in listed if row["row_key"] not in paired]
    ends = sorted({play["end"] for play in found})
    for play in found:
        if play["source"] == "api":
            before = [end for end in ends if play["end"] - LONGEST_PLAY <= end < play["end"]]
            length = LISTED_AFTER if play["duration"] is None else play["duration"]
            play["ms_played"] = min([length, *(play["end"] - end for end in before)])
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
    """What the API lists, without what it lists again within half a minute."""
    kept, ends = [], dict[str, int]()
    for row in sorted(rows, key=lambda row: (row["end"], row["row_key"])):
        before = ends.get(row["track_uri"])
        if before is None or row["end"] - before >= LISTED_AFTER:
            kept.append(row)
        ends[row["track_uri"]] = row["end"]
    return kept


def exported_plays(rows: Iterable[Row]) -> list[Row]:
    """What exports tell: of each row the best variant, the better export, and each play once."""
    variants = defaultdict(list)
    for row in rows:
        variants[row["row_key"]].append(row)
    extended = [each for each in variants.values() if each[0]["kind"] == "extended"]
    account_data = [_best(each) for each in variants.values() if each[0]["kind"] != "extended"]
    once = list(_each_once(_with_uri_or_names(extended)))
    # Under whatever names a download tells it.
    told = {
        (row["row_key"], each["title"], each["by"]): row
        for row in once
        for each in [row, *variants[row["row_key"]]]
    }
    left = list(_not_told_better(account_data, told))
    return list(_with_their_titles(once, left))


def _best(variants: list[Row]) -> Row:
    def filled(row: Row) -> Row:
        return {name: row[name] for name in FIELDS if row[name] is not None}

    def text(row: Row) -> str:
        return json.dumps(filled(row), sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    return min(variants, key=lambda row: (-len(filled(row)), text(row)))


def _with_uri_or_names(extended: list[list[Row]]) -> Iterator[Row]:
    """The best variant of each row but those that another row tells with its URI or more names."""
    names = ("track", "artist", "album", "title", "by")
    by_second = defaultdict(list)
    for row in (row for variants in extended for row in variants):
        by_second[row["ts"], row["ms_played"]].append(row)

    def filled(row: Row) -> int:
        return sum(row[name] is not None for name in names[:3])

    def is_better(other: Row, row: Row) -> bool:
        if other["row_key"] == row["row_key"]:
            return False
        if any(row[n] and other[n] and row[n] != other[n] for n in names[:3]):
            return False
        if row["content"] != other["content"] and filled(row) and filled(other):
            return False
        order = (-filled(other), other["row_key"]) < (-filled(row), row["row_key"])
        return other["uri"] is not None or order

    best = {variants[0]["row_key"]: _best(variants) for variants in extended}
    told = defaultdict(list)
    for row in best.values():
        if row["uri"] is None and row["ms_played"] > 0:
            together = by_second[row["ts"], row["ms_played"]]
            better = [other for other in together if is_better(other, row)]
            if better:
                chosen = min(better, key=lambda o: (o["uri"] is None, -filled(o), o["row_key"]))
                told[chosen["row_key"]].append(row)
    gone = {row["row_key"] for rows in told.values() for row in rows}
    for key, row in best.items():
        if key not in gone:
            others = {
                name: max((o[name] for o in told[key] if o[name] is not None), default=None)
                for name in names
            }
            yield row | {n: row[n] or _first(others[n], row[n]) for n in names}


def _each_once(rows: Iterable[Row]) -> Iterator[Row]:
    by_end, by_length = defaultdict(list), defaultdict(list)
    for row in rows:
        by_end[_what(row), row["end"]].append(row)
    for together in by_end.values():
        longest = min(together, key=lambda row: (-row["ms_played"], row["row_key"]))
        by_length[_what(longest), longest["ms_played"]].append(longest)
    for (_, length), alike in by_length.items():
        alike.sort(key=lambda row: (row["end"], row["row_key"]))
        yield alike[0]
        for before, row in pairwise(alike):
            if row["end"] - before["end"] >= length - SECOND:
                yield row


def _what(row: Row) -> tuple[str, ...]:
    """What a row and another of it may be one play of."""
    track = row["track"] if row["uri"] is None or row["content"] == "audiobook" else None
    artist, album = (row["artist"], row["album"]) if row["uri"] is None else (None, None)
    return row["content"], row["uri"] or "", track or "", artist or "", album or ""


def _not_told_better(
    account_data: list[Row], told: dict[tuple[str, str, str], Row]
) -> Iterable[Row]:
    """Rows of the account data for which no row of the extended history is left."""
    left = {row["row_key"]: row for row in account_data}
    steps = ((True, 0), (True, 1), (True, -1), (False, 0))
    for of_equal_length, minutes in steps:

        def key(row: Row, title: str, by: str, later: int, same: bool) -> tuple[Any, ...]:
            return (row["ts_ms"] // MINUTE + later, title, row["ms_played"] if same else by)

        free: dict[tuple[Any, ...], dict[str, Row]] = defaultdict(dict)
        for (row_key, title, by), row in told.items():
            free[key(row, title, by, 0, of_equal_length)][row_key] = row
        wanting = defaultdict(list)
        for row in left.values():
            wanting[key(row, row["title"], row["by"], minutes, of_equal_length)].append(row)
        used = set()
        for where, rows in wanting.items():
            rows.sort(key=lambda row: (-row["ms_played"], row["row_key"]))
            better = sorted(
                free[where].values(), key=lambda row: (-row["ms_played"], row["row_key"])
            )
            for row, other in zip(rows, better, strict=False):
                del left[row["row_key"]]
                used.add(other["row_key"])
        told = {names: row for names, row in told.items() if names[0] not in used}
    return left.values()


def _with_their_titles(once: list[Row], account_data: list[Row]) -> Iterator[Row]:
    """Each play; one that lost its title has that of the row of its minute and length."""

    def minute(row: Row) -> tuple[int, int]:
        return row["ts_ms"] // MINUTE, row["ms_played"]

    titled = defaultdict(list)
    for row in sorted(account_data, key=lambda row: row["row_key"]):
        titled[minute(row)].append(row)
    for row in sorted(once, key=lambda row: row["row_key"]):
        if not row["title"] and titled[minute(row)]:
            other = titled[minute(row)].pop(0)
            yield row | {n: _first(row[n], other[n]) for n in ("track", "artist", "album")}
        else:
            yield row
    for rows in titled.values():
        yield from rows


def _pairs(
    listed: list[Row], exported: list[Row], spans: list[tuple[str, str]]
) -> Iterator[tuple[str, str, str]]:
    """Keys of an export's and the API's row that are one play, and by what: nearest neighbours."""
    candidates: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
    for row in exported:
        for play in listed:
            by_uri = row["uri"] is not None and row["uri"] == play["track_uri"]
            artists = (play["artist_name"], play["album_artist_name"])
            by_names = row["track"] and row["track"] == play["track_name"] and row["artist"]
            if not by_uri and not (by_names and row["artist"] in artists):
                continue
            is_extended = row["kind"] == "extended"
            is_short = row["ms_played"] < LISTED_AFTER
            order = (play["played_at"], row["row_key"], play["row_key"])
            distance = _distance(row, play)
            if distance <= SAME_PLAY_WITHIN:
                step = (0 if by_uri else 2 if is_extended else 4) + is_short
                candidates[step].append((distance, *order))
            moved = _moved(row, play, spans)
            if is_extended and moved is not None:
                candidates[(6 if by_uri else 8) + is_short].append((moved, *order))
    free = {key for found in candidates.values() for order in found for key in order[2:]}
    names = ("uri", "names", "names_and_minute", "uri_moved", "names_moved")
    for step in sorted(candidates):
        orders = sorted(candidates[step])
        for _ in range(3 if step < 6 else 2):
            nearest: dict[str, Any] = {}
            for order in orders:
                if free.issuperset(order[2:]):
                    for key in order[2:]:
                        nearest.setdefault(key, order)
            for order in set(nearest.values()):
                one, other = order[2:]
                if nearest[one] == nearest[other] == order:
                    free -= {one, other}
                    yield one, other, names[step // 2]


def _distance(row: Row, play: Row) -> int:
    listed: int = play["end"]
    ts: int = row["ts_ms"]
    if row["kind"] != "extended":  # to the minute: anywhere in it is no difference at all
        return max(0, ts - listed, listed - ts - MINUTE + 1)
    return min(abs(end - listed) for end in _possible_ends(row))


def _moved(row: Row, play: Row, spans: list[tuple[str, str]]) -> int | None:
    """How far the API's time is from an end whose play it can be in, None where from none."""
    listed: int = play["end"]
    look_back = min(row["ms_played"], LOOK_BACK)
    in_a_span = any(begin <= play["played_at"] <= end for begin, end in spans)
    outside = MOVED_WITHIN if in_a_span else 0
    inside = [
        abs(end - listed)
        for end in _possible_ends(row)
        if end - look_back - outside <= listed <= end + outside
    ]
    return min(inside, default=None)


def _possible_ends(row: Row) -> list[int]:
    return [end for end in (row["ts_ms"], row["player_end"]) if end is not None]


def _exported_play(row: Row, play: Row | None, matched_by: str | None) -> Row:
    listed: Row = play or {}
    is_skip = row["skipped"] == 1 or row["reason_end"] in SKIPS
    tells = row["skipped"] is not None or row["reason_end"]
    to_the_minute = row["kind"] != "extended" and play is not None
    return {
        "end": listed["end"] if to_the_minute else row["end"],
        "play_id": (listed or row)["row_key"][:20],
        "track_uri": row["uri"] or listed.get("track_uri"),
        "content_type": row["content"],
        "track_name": listed.get("track_name") or row["track"],
        "artist_name": listed.get("artist_name") or row["artist"],
        "album_name": listed.get("album_name") or row["album"],
        "ms_played": row["ms_played"],
        "time_is_unreliable": int(row["is_late"]),
        "skipped": 1 if is_skip else 0 if tells else None,
        "reason_end": row["reason_end"] or None,
        "incognito": row["incognito_mode"] or 0,
        "platform": row["platform"] or None,
        "country": row["conn_country"] if row["conn_country"] not in ("", "ZZ") else None,
        "shuffle": row["shuffle"],
        "context_type": listed.get("context_type"),
        "context_uri": listed.get("context_uri"),
        "source": "both" if play else "export",
        "matched_by": matched_by,
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
        "reason_end": None,
        "incognito": 0,
        "platform": None,
        "country": None,
        "shuffle": None,
        "context_type": row["context_type"],
        "context_uri": row["context_uri"],
        "source": "api",
        "matched_by": None,
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
    is_counted = play["ms_played"] >= COUNTED_AFTER
    if play["source"] == "api":
        listed, spans = play["api_played_at"], raw.spans.get(account_id, [])
        in_a_span = any(begin <= listed <= end for begin, end in spans)
        is_counted = play["ms_played"] >= SECOND or not in_a_span
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
        "reason_end": play["reason_end"],
        "incognito": play["incognito"],
        "platform": play["platform"],
        "country": play["country"],
        "shuffle": play["shuffle"],
        "context_type": play["context_type"],
        "context_uri": play["context_uri"],
        "is_counted": int(is_counted),
        "source": play["source"],
        "matched_by": play["matched_by"],
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
        "title": title_in_both or "",
        "by": artist_in_both or "",
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
