"""What may have been lost: gaps between what an account's looks showed, judged at every load.

Spotify lists the last fifty plays. Where a page reaches back to the newest play that was known
before, nothing that came in time was lost; where it does not, whatever lies between is in a gap,
with a bound on how many plays that can be. What a later page lists of a gap closes that part.

Plays that were listed so late that they were too old for every page (overtaken) nobody can see;
so there is "no known loss", never "complete".
"""

import logging
from collections.abc import Sequence
from datetime import timedelta
from itertools import chain, pairwise

from sqlalchemy import Connection, ScalarResult, func, insert, select

from spotify_assets import times
from spotify_assets.warehouse.tables import (
    coverage_closures,
    coverage_gaps,
    loads,
    open_gaps,
    raw_recently_played,
)

# Spotify lists what played for half a minute; shorter plays were seen, and one player needs time.
USUAL_SPACING = timedelta(seconds=30)
SMALLEST_SPACING = timedelta(seconds=3)

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
    known = _newest_known(connection, load_id, account_id)
    if known is None or known in listed:
        _close(connection, load_id, account_id, listed)  # before the first page is before history
    elif listed[0] > known:
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


def _newest_known(connection: Connection, load_id: int, account_id: str) -> str | None:
    """The end of the newest play on the account's pages before this load."""
    newest: str | None = connection.execute(
        select(func.max(loads.c.window_to)).where(
            loads.c.account_id == account_id,
            loads.c.page_id.is_not(None),
            loads.c.load_id < load_id,
        )
    ).scalar()
    return newest


def _open(
    connection: Connection,
    load_id: int,
    account_id: str,
    gap_from: str,
    gap_to: str,
    cause: str | None,
) -> None:
    spacing = _spacing(connection, account_id)
    most = (times.from_text(gap_to) - times.from_text(gap_from)) // spacing - 1
    connection.execute(
        insert(coverage_gaps).values(
            account_id=account_id,
            gap_from=gap_from,
            gap_to=gap_to,
            max_lost_plays=max(0, most),
            spacing_ms=spacing // timedelta(milliseconds=1),
            cause=cause,
            load_id=load_id,
        )
    )
    log.warning(
        "%s: at most %s plays may be lost between %s and %s.",
        account_id,
        max(0, most),
        gap_from,
        gap_to,
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
    for piece in pieces.all():
        connection.execute(
            insert(coverage_closures).values(
                gap_id=piece.gap_id,
                load_id=load_id,
                closed_from=max(piece.open_from, listed[0]),
                closed_to=min(piece.open_to, listed[-1]),
                rows_inside=sum(piece.open_from < end < piece.open_to for end in listed),
            )
        )


def _spacing(connection: Connection, account_id: str) -> timedelta:
    """The shortest time between the ends of two plays that this account is believed to manage."""
    plays = raw_recently_played.c
    ends: ScalarResult[str] = connection.execute(
        select(plays.played_at)
        .where(plays.account_id == account_id)
        .distinct()
        .order_by(plays.played_at)
    ).scalars()
    seen = (after - before for before, after in pairwise(map(times.from_text, ends)))
    return max(SMALLEST_SPACING, min(chain([USUAL_SPACING], seen)))
