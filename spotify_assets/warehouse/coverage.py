"""What may have been lost: gaps between what an account's looks showed, judged at every load.

Spotify lists the last fifty plays. Where a page reaches back to the newest play that was known
before, nothing that came in time was lost; where it does not, whatever lies between is in a gap,
with a bound on how many plays that can be. What a later page lists of a gap closes that part.

Plays that were listed so late that they were too old for every page (overtaken) nobody can see;
so there is "no known loss", never "complete".
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain, groupby, pairwise
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Row, ScalarResult, delete, func, insert, select

from spotify_assets import times
from spotify_assets.spotify.recently_played import SHORTEST_LISTED
from spotify_assets.warehouse.tables import (
    coverage_closures,
    coverage_gaps,
    loads,
    model_watermarks,
    open_gaps,
    raw_recently_played,
    restores,
)

# Shorter plays were seen, and one player needs time.
SMALLEST_SPACING = timedelta(seconds=3)
SHORTEST_GAP = timedelta(milliseconds=1)
LAST_LOAD = 2**63 - 1

log = logging.getLogger(__name__)


def judge(
    connection: Connection, load_id: int, account_id: str, listed: Sequence[str], cause: str | None
) -> None:
    """Compare a page with what was known before it, in the transaction of its load.

    Args:
        load_id: the page's load, whose rows are written already.
        listed: the ends of all plays on the page that can be true, as UTC text, ascending.
        cause: why there was no look for long before this one.
    """
    if not listed:
        return
    known = newest_known(connection, account_id, before_load=load_id)
    if known is None or known in listed:
        _close(connection, load_id, account_id, listed)  # before the first page is before history
    elif listed[0] > known:
        cause = _restored_since(connection, load_id, account_id) or cause
        _open(connection, load_id, account_id, known, listed[0], cause)
        _close(connection, load_id, account_id, listed)
    else:
        if listed[-1] > known:
            log.warning(
                "%s: Spotify's list, %s to %s, lacks the play that ended at %s, the newest before.",
                account_id,
                listed[0],
                listed[-1],
                known,
            )
        # An old list may lack what was listed late since then, and one with a hole lacks something:
        # they show their plays, not that there is nothing between them.
        for end in listed:
            _close(connection, load_id, account_id, [end])


def newest_known(
    connection: Connection, account_id: str, before_load: int = LAST_LOAD
) -> str | None:
    """The end of the newest play that was known of the account before a load."""
    on_pages = select(func.max(loads.c.window_to)).where(
        loads.c.account_id == account_id,
        loads.c.page_id.is_not(None),
        loads.c.load_id < before_load,
    )
    # What a restore lost was known, too.
    lost = select(func.max(coverage_gaps.c.gap_to)).where(
        coverage_gaps.c.account_id == account_id, coverage_gaps.c.load_id < before_load
    )
    ends: list[str | None] = [connection.execute(query).scalar() for query in (on_pages, lost)]
    return max(filter(None, ends), default=None)


@dataclass(frozen=True)
class OpenGap:
    """A part of a gap that no page has closed: a row of `open_gaps`, without whose it is."""

    open_from: str
    open_to: str
    max_lost_plays: int
    spacing_ms: int
    cause: str | None


def record_lost(
    connection: Connection,
    load_id: int,
    account_id: str,
    lost: Sequence[str],
    still_open: Sequence[OpenGap],
) -> None:
    """Open gaps where plays were known, or known to be missing, that a restored backup is without.

    Args:
        load_id: the restore's own load.
        lost: the ends of plays that were here and are not in the backup, as UTC text.
        still_open: the gaps that were open here; the backup may not know of them.
    """
    pieces = _pieces(connection, account_id)
    for gap in still_open:
        if not _is_in(pieces, gap.open_from, gap.open_to):
            connection.execute(
                insert(coverage_gaps).values(
                    account_id=account_id,
                    gap_from=gap.open_from,
                    gap_to=gap.open_to,
                    max_lost_plays=gap.max_lost_plays,
                    spacing_ms=gap.spacing_ms,
                    cause=gap.cause,
                    load_id=load_id,
                )
            )
    if not lost:
        return
    plays = raw_recently_played.c
    kept: ScalarResult[str] = connection.execute(
        select(plays.played_at).where(plays.account_id == account_id).distinct()
    ).scalars()
    ends = sorted([(end, False) for end in kept] + [(end, True) for end in set(lost)])
    runs = [(gone, [end for end, _ in run]) for gone, run in groupby(ends, key=itemgetter(1))]
    pieces = _pieces(connection, account_id)
    restore = _last_restore(connection)
    for number, (is_lost, run) in enumerate(runs):
        if not is_lost:
            continue
        # At an edge a lost play itself is the end of the gap, and lost as well.
        before = runs[number - 1][1][-1] if number else None
        after = runs[number + 1][1][0] if number + 1 < len(runs) else None
        gap_from, gap_to = before or run[0], after or run[-1]
        if gap_from == gap_to:  # nothing else is known, or a kept play ended in the same moment
            gap_to = times.to_text(times.from_text(gap_to) + SHORTEST_GAP)
        if _is_in(pieces, gap_from, gap_to, holding=len(run)):
            continue
        _open(
            connection,
            load_id,
            account_id,
            gap_from,
            gap_to,
            cause=_restored(restore) if restore else None,
            lost_at_edges=(before is None) + (after is None),
            at_least=len(run),
        )


def _pieces(connection: Connection, account_id: str) -> Sequence[Row[Any]]:
    return connection.execute(select(open_gaps).where(open_gaps.c.account_id == account_id)).all()


def _is_in(pieces: Sequence[Row[Any]], gap_from: str, gap_to: str, holding: int = 0) -> bool:
    return any(
        piece.open_from <= gap_from and gap_to <= piece.open_to and piece.max_lost_plays >= holding
        for piece in pieces
    )


def _last_restore(connection: Connection) -> Row[Any] | None:
    return connection.execute(
        select(restores).order_by(restores.c.restore_id.desc()).limit(1)
    ).one_or_none()


def _restored(restore: Row[Any]) -> str:
    return f"a backup of {restore.made_at} was restored, and what came after it was not kept"


def _restored_since(connection: Connection, load_id: int, account_id: str) -> str | None:
    """What to say of a gap where no page was loaded since a restore; None where one was."""
    restore = _last_restore(connection)
    if restore is None:
        return None
    newest_load: int | None = connection.execute(
        select(func.max(loads.c.load_id)).where(
            loads.c.account_id == account_id,
            loads.c.page_id.is_not(None),
            loads.c.load_id < load_id,
        )
    ).scalar()
    return _restored(restore) if (newest_load or 0) <= restore.highest_load else None


def _open(
    connection: Connection,
    load_id: int,
    account_id: str,
    gap_from: str,
    gap_to: str,
    cause: str | None,
    lost_at_edges: int = 0,
    at_least: int = 0,
) -> None:
    spacing = _spacing(connection, account_id)
    between = (times.from_text(gap_to) - times.from_text(gap_from)) // spacing - 1
    most = max(0, at_least, between + lost_at_edges)
    connection.execute(
        insert(coverage_gaps).values(
            account_id=account_id,
            gap_from=gap_from,
            gap_to=gap_to,
            max_lost_plays=most,
            spacing_ms=spacing // timedelta(milliseconds=1),
            cause=cause,
            load_id=load_id,
        )
    )
    log.warning(
        "%s: at most %s plays may be lost between %s and %s.",
        account_id,
        f"{most:,}",
        times.local(gap_from, "UTC"),
        times.local(gap_to, "UTC"),
    )


def _close(connection: Connection, load_id: int, account_id: str, listed: Sequence[str]) -> None:
    """Close what the page shows of open gaps: Spotify had listed less before than it does now."""
    pieces = connection.execute(
        select(open_gaps).where(
            open_gaps.c.account_id == account_id,
            open_gaps.c.open_from < listed[-1],
            open_gaps.c.open_to > listed[0],
        )
    )
    once = set(listed) - listed_twice(connection, account_id, listed[0], listed[-1])
    for piece in pieces.all():
        write_closure(
            connection,
            gap_id=piece.gap_id,
            load_id=load_id,
            closed_from=max(piece.open_from, listed[0]),
            closed_to=min(piece.open_to, listed[-1]),
            rows_inside=sum(piece.open_from < end < piece.open_to for end in once),
        )


def write_closure(connection: Connection, **closure: Any) -> None:
    """Write that a part of a gap is closed.

    What closes it may bring no row, by which models hear of a load: the one that tells of gaps is
    to be built again.
    """
    connection.execute(insert(coverage_closures).values(closure))
    connection.execute(
        delete(model_watermarks).where(model_watermarks.c.model == "int_days_with_gaps")
    )


def _spacing(connection: Connection, account_id: str) -> timedelta:
    """The shortest time between the ends of two plays that this account is believed to manage."""
    plays = raw_recently_played.c
    ends: ScalarResult[str] = connection.execute(
        select(plays.played_at).where(plays.account_id == account_id).distinct()
    ).scalars()
    once = sorted(set(ends) - listed_twice(connection, account_id))
    seen = (after - before for before, after in pairwise(map(times.from_text, once)))
    return max(SMALLEST_SPACING, min(chain([SHORTEST_LISTED], seen)))


def listed_twice(
    connection: Connection, account_id: str, begin: str = "", end: str = "9"
) -> set[str]:
    """The ends, from one to another, at which Spotify lists plays that it lists before, too.

    A row less than `SHORTEST_LISTED` after the row before of its track is the same play, as in the
    model `int_listed_plays`.
    """
    plays = raw_recently_played.c
    first = times.to_text(times.from_text(begin) - SHORTEST_LISTED) if begin else begin
    rows: Sequence[Row[Any]] = connection.execute(
        select(plays.played_at, plays.track_uri)
        .where(plays.account_id == account_id, plays.played_at.between(first, end))
        .order_by(plays.played_at)
    ).all()
    twice, once, before = set[str](), set[str](), dict[str, str]()
    for play in rows:
        earlier = before.get(play.track_uri)
        is_close = earlier is not None and (
            times.from_text(play.played_at) - times.from_text(earlier) < SHORTEST_LISTED
        )
        (twice if is_close else once).add(play.played_at)
        before[play.track_uri] = play.played_at
    return {end for end in twice - once if end >= begin}
