"""What a download showed, so that gaps close: an export tells also where nothing was played.

A gap closes by a download that was imported to its last file, that shows the plays at both of the
gap's edges, and of which nothing between them is in quarantine. Downloads differ, so the rows that
others brought do not count. What each showed stays known, since a gap may be found later than the
download that closes it was imported.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, Row, ScalarResult, func, insert, or_, select, union

from spotify_assets import times
from spotify_assets.spotify.export import fields
from spotify_assets.spotify.export.fields import SPOTIFY_BEGAN
from spotify_assets.spotify.export.names import Kind
from spotify_assets.spotify.recently_played import SHORTEST_LISTED
from spotify_assets.warehouse.coverage import write_closure
from spotify_assets.warehouse.tables import (
    coverage_closures,
    coverage_gaps,
    export_days,
    export_files,
    export_packages,
    loads,
    open_gaps,
    quarantined_rows,
    raw_recently_played,
    raw_streaming_history,
)

if TYPE_CHECKING:
    import pandas as pd

STREAMING_HISTORY = "streaming_history"  # the source of its loads
# By these dbt pairs plays of the API with rows of exports; its variables have the same values.
SAME_PLAY_WITHIN = timedelta(seconds=60)  # same_play_across_sources_ms
MOVED_WITHIN = timedelta(minutes=15)  # same_play_moved_ms
LOOK_BACK = timedelta(hours=6)  # longest_look_back_ms
DAY = len("2026-01-01")
KEY_LENGTH = 16
KEYS_AT_ONCE = 100  # each is a range of the index; SQLite takes 1,000 terms in one condition
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
IN_MILLISECONDS = 10**11  # a player's time above is in ms, below in s


class ExportFile:
    """One file of a download, as it is loaded."""

    def __init__(self, package_id: str, name: str) -> None:
        self._package_id, self._name = package_id, name
        self._days: defaultdict[str, list[str]] = defaultdict(list)

    def observe(self, accepted: "pd.DataFrame") -> None:
        """Note which rows of `raw_streaming_history` it shows."""
        accepted = accepted[accepted["kind"].eq(str(Kind.EXTENDED))]
        if accepted.empty:
            return
        for ts, key in zip(accepted["ts"].tolist(), accepted["row_key"].tolist(), strict=True):
            self._days[ts[:DAY]].append(key[:KEY_LENGTH])
        # These may have been played on another day.
        late = accepted[accepted["offline"].eq(True) | accepted["reason_end"].eq("logout")]
        names = ["ts", "offline_timestamp", "ms_played", "row_key"]
        for ts, started, ms_played, key in late[names].itertuples(index=False, name=None):
            end = _end_by_player(ts, started, ms_played)
            if end and end[:DAY] != ts[:DAY]:
                self._days[end[:DAY]].append(key[:KEY_LENGTH])

    def record(self, connection: Connection, load_id: int) -> None:
        """Keep what was noted, in the transaction of the load."""
        connection.execute(
            insert(export_files).values(
                load_id=load_id, package_id=self._package_id, file=self._name
            )
        )
        if self._days:
            connection.execute(
                insert(export_days),
                [
                    {"load_id": load_id, "day": day, "row_keys": "".join(keys)}
                    for day, keys in self._days.items()
                ],
            )


def finish_package(engine: Engine, account_id: str, package_id: str, name: str) -> None:
    """Note that a download was imported to its last file, and close the gaps that it covers."""
    with engine.begin() as connection:
        load_id: int = connection.execute(
            select(func.max(export_files.c.load_id)).where(export_files.c.package_id == package_id)
        ).scalar_one()
        connection.execute(
            insert(export_packages).values(
                package_id=package_id, account_id=account_id, load_id=load_id, package=name
            )
        )
        gaps = _gaps(connection, account_id)
        _close(connection, account_id, gaps, [package_id], load_id)


def close_gaps(connection: Connection, account_id: str, load_id: int, *, found_by_it: bool) -> None:
    """Close the gaps that a download had covered before, in the transaction of a load.

    Args:
        found_by_it: only those that the load found; or else all, as a load may have let go of the
            row in quarantine that kept one open.
    """
    gaps = _gaps(connection, account_id, load_id if found_by_it else None)
    if gaps:
        _close(connection, account_id, gaps, _packages(connection, account_id), load_id)


@dataclass(frozen=True)
class _Shown:
    """A row that a download showed. Ends are UTC text; an offline row may have two."""

    ends: tuple[str, ...]
    row: Row[Any]


def _gaps(
    connection: Connection, account_id: str, found_by: int | None = None
) -> Sequence[Row[Any]]:
    query = select(open_gaps).where(open_gaps.c.account_id == account_id)
    if found_by is not None:
        tables = (coverage_gaps, coverage_closures)  # what a page leaves of a gap is a find, too
        found = union(*(select(each.c.gap_id).where(each.c.load_id == found_by) for each in tables))
        query = query.where(open_gaps.c.gap_id.in_(found))
    return connection.execute(query).all()


def _packages(connection: Connection, account_id: str) -> Sequence[str]:
    found: ScalarResult[str] = connection.execute(
        select(export_packages.c.package_id)
        .where(export_packages.c.account_id == account_id)
        .order_by(export_packages.c.load_id)
    ).scalars()
    return found.all()


def _close(
    connection: Connection,
    account_id: str,
    gaps: Sequence[Row[Any]],
    packages: Sequence[str],
    load_id: int,
) -> None:
    for gap in gaps:
        for package_id in packages:
            inside = _plays_inside(connection, account_id, gap, package_id)
            if inside is not None:
                write_closure(
                    connection,
                    gap_id=gap.gap_id,
                    load_id=load_id,
                    closed_from=gap.open_from,
                    closed_to=gap.open_to,
                    rows_inside=inside,
                )
                break


def _plays_inside(
    connection: Connection, account_id: str, gap: Row[Any], package_id: str
) -> int | None:
    """How many plays a download shows in a gap, or None where it does not cover the gap."""
    begin, end = gap.open_from, gap.open_to
    edges = set[str]()
    for edge in (begin, end):
        key = _row_of(connection, account_id, package_id, edge)
        if key is None:
            return None
        edges.add(key)
    if len(edges) == 1 and _distance(begin, end) >= timedelta(milliseconds=gap.spacing_ms):
        return None  # one row is one play, and these are two
    if _has_quarantined(connection, account_id, package_id, begin, end):
        return None
    return len(
        {
            shown.row.row_key
            for shown in _shown(connection, account_id, package_id, begin, end)
            if begin < shown.ends[-1] < end
            and shown.row.row_key not in edges
            and timedelta(milliseconds=shown.row.ms_played) >= SHORTEST_LISTED
            and not shown.row.incognito_mode
        }
    )


def _shown(
    connection: Connection, account_id: str, package_id: str, begin: str, end: str
) -> Iterator[_Shown]:
    """The rows of the extended history that a download shows on the days of a time."""
    days: ScalarResult[str] = connection.execute(
        select(export_days.c.row_keys)
        .join(export_files, export_files.c.load_id == export_days.c.load_id)
        .where(
            export_files.c.package_id == package_id,
            export_days.c.day >= begin[:DAY],
            export_days.c.day <= end[:DAY],
        )
    ).scalars()
    rows = raw_streaming_history.c
    keys = sorted(
        {
            day[place : place + KEY_LENGTH]
            for day in days
            for place in range(0, len(day), KEY_LENGTH)
        }
    )
    for start in range(0, len(keys), KEYS_AT_ONCE):
        some = keys[start : start + KEYS_AT_ONCE]
        # The account is in each of them, or SQLite would look through all its rows.
        ranges = (
            (rows.account_id == account_id) & (rows.row_key >= key) & (rows.row_key < f"{key}g")
            for key in some
        )
        found = select(raw_streaming_history).where(or_(*ranges))
        for row in connection.execute(found):
            is_late = row.offline or row.reason_end == "logout"
            by_player = is_late and _end_by_player(row.ts, row.offline_timestamp, row.ms_played)
            yield _Shown((row.ts, by_player) if by_player else (row.ts,), row)


def _row_of(connection: Connection, account_id: str, package_id: str, edge: str) -> str | None:
    """The key of the row that is the play at the edge of a gap; None where none is.

    By the rules of the models `int_near_pairs` and `int_plays_matched`: the end is near, or else
    the edge is the start of the play, or late by a pause.
    """
    plays = raw_recently_played.c
    known = connection.execute(
        select(raw_recently_played).where(plays.account_id == account_id, plays.played_at == edge)
    ).all()
    moment = times.from_text(edge)
    found = [
        (likeness, min(_distance(end, edge) for end in each.ends), each.row.row_key)
        for each in _shown(connection, account_id, package_id, *_around(edge))
        # A play that is in quarantine, or was lost by a restore, has nothing but its end.
        if (likeness := _likeness(known, each.row) if known else 0) is not None
    ]
    found = [candidate for candidate in found if candidate[1] <= SAME_PLAY_WITHIN]
    if not found and known:
        outside = MOVED_WITHIN if _is_in_span(connection, package_id, edge) else timedelta(0)
        around = _shown(
            connection,
            account_id,
            package_id,
            times.to_text(moment - MOVED_WITHIN),
            times.to_text(moment + LOOK_BACK + MOVED_WITHIN),
        )
        found = [
            (likeness, _distance(end, edge), each.row.row_key)
            for each in around
            if (likeness := _likeness(known, each.row)) is not None
            for end in each.ends
            if _may_be_within(moment, times.from_text(end), each.row.ms_played, outside)
            and not _is_listed_near(connection, account_id, each)
        ]
    return min(found, default=(None, None, None))[2]


def _likeness(known: Sequence[Row[Any]], row: Row[Any]) -> int | None:
    """0 where one of these plays has the row's URI, 1 its names, None where neither."""
    if any(play.track_uri in (row.spotify_track_uri, row.spotify_episode_uri) for play in known):
        return 0
    title, artist = row.master_metadata_track_name, row.master_metadata_album_artist_name
    has_names = any(
        title
        and artist
        and title == play.track_name
        and artist in (play.artist_name, play.album_artist_name)
        for play in known
    )
    return 1 if has_names else None


def _is_listed_near(connection: Connection, account_id: str, shown: _Shown) -> bool:
    """Whether the API lists a play near the end of a row, so that the row is that play."""
    plays = raw_recently_played.c
    return any(
        _likeness(
            connection.execute(
                select(raw_recently_played).where(
                    plays.account_id == account_id, plays.played_at.between(*_around(end))
                )
            ).all(),
            shown.row,
        )
        is not None
        for end in shown.ends
    )


def _may_be_within(moment: datetime, end: datetime, ms_played: int, outside: timedelta) -> bool:
    """Whether a moment is in a play that ended then, or outside of it by at most so much."""
    start = end - min(timedelta(milliseconds=ms_played), LOOK_BACK)
    return start - outside <= moment <= end + outside


def _is_in_span(connection: Connection, package_id: str, moment: str) -> bool:
    """Whether a file of the extended history in a download covers a moment."""
    files = (
        select(loads.c.load_id)
        .join(export_files, export_files.c.load_id == loads.c.load_id)
        .where(
            export_files.c.package_id == package_id,
            loads.c.window_from <= moment,
            loads.c.window_to >= moment,
            loads.c.load_id.in_(select(export_days.c.load_id)),
        )
    )
    return connection.execute(files.limit(1)).first() is not None


def _has_quarantined(
    connection: Connection, account_id: str, package_id: str, begin: str, end: str
) -> bool:
    """Whether a row of a download that is in quarantine may have ended in a time."""
    rows, files = quarantined_rows.c, export_files.c
    of_package = select(func.min(files.load_id), func.max(files.load_id))
    first, last = connection.execute(of_package.where(files.package_id == package_id)).one()
    payloads: ScalarResult[str] = connection.execute(
        select(rows.payload).where(
            rows.account_id == account_id,
            rows.source == STREAMING_HISTORY,
            rows.released_by.is_(None),
            rows.first_load_id <= last,
            rows.last_load_id >= first,
        )
    ).scalars()
    return any(
        _may_have_ended(json.loads(payload, parse_constant=str), begin, end) for payload in payloads
    )


def _may_have_ended(row: Any, begin: str, end: str) -> bool:
    """Whether a row that was rejected may have ended in a time."""
    told = fields.ended_at(row)
    if told is None:
        return True
    earliest = told
    if row.get("offline") not in (None, False) or row.get("reason_end") == "logout":
        # It may have been told days late, but not before its player began.
        earliest = _end_by_player(told, row.get("offline_timestamp"), 0) or ""
    return begin <= told and earliest <= end


def _end_by_player(ts: str, started: object, ms_played: int) -> str | None:
    """When a stream ended by the clock of its player, as the models reckon; UTC text.

    None where the stream cannot have begun then: before Spotify did, or after it was told of.
    """
    if not isinstance(started, int):
        return None
    milliseconds = started if started > IN_MILLISECONDS else started * 1000
    try:
        begin = EPOCH + timedelta(milliseconds=milliseconds)
        end = begin + timedelta(milliseconds=ms_played)
    except OverflowError:
        return None
    return times.to_text(end) if SPOTIFY_BEGAN <= times.to_text(begin) <= ts else None


def _around(moment: str) -> tuple[str, str]:
    middle = times.from_text(moment)
    return times.to_text(middle - SAME_PLAY_WITHIN), times.to_text(middle + SAME_PLAY_WITHIN)


def _distance(one: str, other: str) -> timedelta:
    return abs(times.from_text(one) - times.from_text(other))
