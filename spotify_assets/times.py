"""The one text form of a time: UTC, milliseconds, `YYYY-MM-DDTHH:MM:SS.mmmZ`.

Its fixed width makes text order time order, in Python and in every database. Local times are
presentation and have no place here, except to print one for a person.
"""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from zoneinfo import ZoneInfo


def to_text(moment: datetime) -> str:
    """An aware datetime as UTC text, cut (not rounded) to the millisecond."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def now() -> datetime:
    """The present moment: the only clock that the rooms read, so a test can turn it."""
    return datetime.now(UTC)


def now_text() -> str:
    """The present moment as UTC text."""
    return to_text(now())


def from_text(text: str) -> datetime:
    """Parse any ISO 8601 time that names its offset.

    Raises:
        ValueError: no such time, no offset, or outside the years 1 to 9999 in UTC.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} names no time zone")
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{text!r} is outside the calendar") from error


def from_http_date(header: str | None) -> datetime | None:
    """The `Date` header of a response, or None where it is missing or malformed."""
    try:
        moment = parsedate_to_datetime(header or "")
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def local(text: str, zone: str) -> str:
    """UTC text as a wall clock in an IANA zone ("": this machine's), to the minute."""
    try:
        clock = from_text(text).astimezone(ZoneInfo(zone) if zone else None)
    except OverflowError:  # the first and the last day of the calendar
        return text
    return clock.strftime("%Y-%m-%d %H:%M %Z")
