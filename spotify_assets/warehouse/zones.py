"""On which clock an account's days are: fixed at its first load, with the offsets that follow.

The zone of the settings or of the machine may change later, an account's does not by itself: its
days would move. Whoever moved says so, and since when. Offsets come from the IANA data of Python's
`zoneinfo`; no database is asked.
"""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from sqlalchemy import Connection, Engine, ScalarResult, Select, delete, insert, select

from spotify_assets import times
from spotify_assets.settings import NO_ZONES, machines_zone
from spotify_assets.warehouse.tables import (
    account_zones,
    loads,
    model_watermarks,
    zone_offsets,
)
from spotify_assets.warehouse.warehouse import Warehouse

# Spotify was founded in 2006; both ends are far from every play.
BEGIN, END = datetime(2006, 1, 1, tzinfo=UTC), datetime(2060, 1, 1, tzinfo=UTC)
# No zone changed its offset twice within this time since the begin.
STEP, SECOND = timedelta(days=7), timedelta(seconds=1)


@dataclass(frozen=True)
class Stay:
    """A half-open interval, as UTC text, in which an account's days are on a zone's clock."""

    zone: str
    valid_from: str
    valid_to: str


@dataclass(frozen=True)
class ZoneChange:
    """What came of setting an account's zone.

    Attributes:
        stays: all of the account's, from the begin to the end.
        before: what they were until now; none where it had no zone.
        has_loads: whether the account has loads, so that models show its days.
    """

    stays: list[Stay]
    before: list[Stay]
    has_loads: bool

    @property
    def is_new(self) -> bool:
        return self.stays != self.before


def fix_zones(engine: Engine, zone: str) -> None:
    """Give every account that has loads and no zone this one, and each zone its offsets.

    Args:
        zone: an IANA name.
    """
    with engine.begin() as connection:
        has_zone = select(account_zones.c.account_id)
        new: ScalarResult[str] = connection.execute(
            select(loads.c.account_id).distinct().where(loads.c.account_id.not_in(has_zone))
        ).scalars()
        interval = {"valid_from": times.to_text(BEGIN), "valid_to": times.to_text(END)}
        for account_id in new.all():
            connection.execute(
                insert(account_zones).values(account_id=account_id, zone=zone, **interval)
            )
        zones: ScalarResult[str] = connection.execute(select(account_zones.c.zone)).scalars()
        for name in set(zones):
            _write_offsets(connection, name)


def set_zone(
    engine: Engine,
    account_id: str,
    zone: str,
    day: date | None = None,
    default: str | None = None,
) -> ZoneChange:
    """Put an account's days on the clock of a zone; for the holder of the writer lock.

    Models that showed the days on another clock are to be built anew; that is written in the same
    transaction, so a kill leaves all of it as it was, or all of it done.

    Args:
        zone: a name that `check_zone` lets pass.
        day: the first day there, past or future, one that `check_day` lets pass; None is the
            whole time.
        default: the zone before that day where the account has none yet; None is this
            machine's.
    """
    mine = account_zones.c.account_id == account_id
    with engine.begin() as connection:
        stored = [Stay(**row._mapping) for row in connection.execute(_stays_of(account_id))]
        starts = {times.from_text(stay.valid_from): stay.zone for stay in stored}
        stays = list(_stays(moved(starts or {BEGIN: default or machines_zone()}, zone, day)))
        has_loads = select(loads.c.load_id).where(loads.c.account_id == account_id).limit(1)
        change = ZoneChange(stays, stored, connection.execute(has_loads).first() is not None)
        if change.is_new:
            rows = [{"account_id": account_id, **asdict(stay)} for stay in stays]
            connection.execute(delete(account_zones).where(mine))
            connection.execute(insert(account_zones), rows)
            if change.has_loads:
                forget_models(connection)
        for name in {stay.zone for stay in stays}:
            _write_offsets(connection, name)
    return change


def stays_of(warehouse: Warehouse, account_id: str) -> list[Stay]:
    """In which zones an account's days are, begin to end; none before its first load."""
    return [Stay(**row._mapping) for row in warehouse.read(_stays_of(account_id))]


def _stays_of(account_id: str) -> Select[Any]:
    columns = account_zones.c
    query = select(columns.zone, columns.valid_from, columns.valid_to)
    return query.where(columns.account_id == account_id).order_by(columns.valid_from)


def moved(starts: Mapping[datetime, str], zone: str, day: date | None) -> dict[datetime, str]:
    """Where somebody is who moves to a zone, and since when: until the next move that is known.

    Args:
        starts: the zones by the moment from which somebody is there, the first one the begin.
        day: the first day in the zone, on its own clock; another move on it is replaced. None: the
            whole time.
    """
    if day is None:
        return {BEGIN: zone}
    others = {
        start: name
        for start, name in starts.items()
        if start == BEGIN or start.astimezone(ZoneInfo(name)).date() != day
    }
    ordered = sorted({**others, max(first_moment(day, zone), BEGIN): zone}.items())
    before = [None, *(name for _, name in ordered)]
    # Staying where one is is no move.
    return {
        start: name for (start, name), last in zip(ordered, before, strict=False) if name != last
    }


def first_moment(day: date, zone: str) -> datetime:
    """The first instant, in UTC, that a zone's clock shows as this day.

    That is midnight. Where clocks leap over it, they did so at midnight (each of the 501 times
    from 2006 to 2037), so an offset of the day before leads to the leap.
    """
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


def check_zone(name: str) -> None:
    """Do nothing where this names a zone of the IANA list.

    Raises:
        ValueError: it does not; the message says which ones are close.
    """
    zones = _zones()
    if name in zones:
        return
    # Many know the town and not the continent.
    words = {
        word.lower().replace("_", " "): zone
        for zone in zones
        for word in (zone, zone.rpartition("/")[2])
    }
    close = difflib.get_close_matches(name.lower().replace("_", " "), words)
    found = list(dict.fromkeys(words[word] for word in close))
    hint = f"Did you mean {' or '.join(found)}?" if found else "Write it as in Europe/Berlin."
    raise ValueError(f"{name!r} is no time zone of the IANA list. {hint}")


def check_day(day: date) -> None:
    """Do nothing where an account can move on this day.

    Raises:
        ValueError: it is before there was Spotify, or far ahead.
    """
    if not BEGIN.date() <= day < END.date():
        last = END.date() - timedelta(days=1)
        raise ValueError(f"{day} is not between {BEGIN.date()} and {last}.")


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
    before = [dict(row) for row in stored.mappings()]
    if before != rows:
        connection.execute(delete(zone_offsets).where(of_zone))
        connection.execute(insert(zone_offsets), rows)
        if before:  # an update of the IANA data: models show the days by the old offsets
            forget_models(connection)


def forget_models(connection: Connection) -> None:
    """Have all models built anew from raw: days of any age may have changed."""
    connection.execute(delete(model_watermarks))


def _stays(starts: Mapping[datetime, str]) -> Iterator[Stay]:
    ends = [*list(starts)[1:], END]
    for (start, zone), end in zip(starts.items(), ends, strict=True):
        yield Stay(zone, times.to_text(start), times.to_text(end))


@cache
def _zones() -> list[str]:
    return sorted(available_timezones() - NO_ZONES)
