"""On which clock an account's days are: fixed at its first load, with the offsets that follow.

The zone of the settings or of the machine may change later, an account's does not by itself: its
days would move. Offsets come from the IANA data of Python's `zoneinfo`; no database is asked.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import tzlocal
from sqlalchemy import Connection, Engine, ScalarResult, delete, insert, select

from spotify_assets import times
from spotify_assets.warehouse.tables import account_zones, loads, zone_offsets

# Spotify was founded in 2006; both ends are far from every play.
BEGIN, END = datetime(2006, 1, 1, tzinfo=UTC), datetime(2060, 1, 1, tzinfo=UTC)
# No zone changed its offset twice within this time since the begin.
STEP, SECOND = timedelta(days=7), timedelta(seconds=1)


def fix_zones(engine: Engine, zone: str) -> None:
    """Give every account that has loads and no zone this one, and each zone its offsets.

    Args:
        zone: an IANA name; "" is this machine's.
    """
    with engine.begin() as connection:
        has_zone = select(account_zones.c.account_id)
        new: ScalarResult[str] = connection.execute(
            select(loads.c.account_id).distinct().where(loads.c.account_id.not_in(has_zone))
        ).scalars()
        interval = {"valid_from": times.to_text(BEGIN), "valid_to": times.to_text(END)}
        for account_id in new.all():
            connection.execute(
                insert(account_zones).values(
                    account_id=account_id, zone=zone or _machines_zone(), **interval
                )
            )
        zones: ScalarResult[str] = connection.execute(select(account_zones.c.zone)).scalars()
        for name in set(zones):
            _write_offsets(connection, name)


def offsets(zone: str) -> Iterator[tuple[datetime, datetime, timedelta]]:
    """The half-open UTC intervals between begin and end, and what a zone's clock adds in each."""
    clock = ZoneInfo(zone)

    def offset(moment: datetime) -> timedelta:
        return moment.astimezone(clock).utcoffset() or timedelta()

    start = moment = BEGIN
    while moment < END:
        after = min(moment + STEP, END)
        if offset(after) != offset(moment):
            change = _first_change(offset(moment), moment, after, clock)
            yield start, change, offset(moment)
            start = change
        moment = after
    yield start, END, offset(start)


def _first_change(was: timedelta, before: datetime, after: datetime, clock: ZoneInfo) -> datetime:
    """The second at which the offset is no longer what it was."""
    while after - before > SECOND:
        middle = before + (after - before) // SECOND // 2 * SECOND
        if middle.astimezone(clock).utcoffset() == was:
            before = middle
        else:
            after = middle
    return after


def _write_offsets(connection: Connection, zone: str) -> None:
    rows = [
        {
            "zone": zone,
            "valid_from": times.to_text(valid_from),
            "valid_to": times.to_text(valid_to),
            "offset_seconds": offset // SECOND,
        }
        for valid_from, valid_to, offset in offsets(zone)
    ]
    of_zone = zone_offsets.c.zone == zone
    stored = connection.execute(
        select(zone_offsets).where(of_zone).order_by(zone_offsets.c.valid_from)
    )
    if [dict(row) for row in stored.mappings()] != rows:  # also after an update of the IANA data
        connection.execute(delete(zone_offsets).where(of_zone))
        connection.execute(insert(zone_offsets), rows)


def _machines_zone() -> str:
    try:
        return ZoneInfo(tzlocal.get_localzone_name() or "UTC").key
    except (OSError, ValueError, KeyError):  # a machine that does not say, or not in IANA's words
        return "UTC"
