"""How numbers, times and dates are written, in one place for pages, pictures and the terminal.

Words are English; the rest is as the listener's locale has it. A process shows figures to one
listener, so the locale is the process's own: see `use`.
"""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from spotify_assets import times
from spotify_assets.outputs.locales import Locale, locale_of

MS_PER_SECOND = 1_000
MS_PER_MINUTE = 60_000
MINUTES_PER_HOUR = 60
NOON = 12
HOURS_IN_FULL = 100  # from here on the minutes say nothing
BAR_COLUMNS = 20
EIGHTHS = " ▏▎▍▌▋▊▉"


DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

_locale = Locale()


def use(name: str) -> None:
    """Write figures in this process as a locale such as de-CH has them."""
    global _locale  # noqa: PLW0603 # one listener, one process
    _locale = locale_of(name)


def number(value: int) -> str:
    """As in 1,284."""
    return f"{value:,}".replace(",", _locale.group)


def decimal(value: float) -> str:
    """As in 1.4."""
    return f"{value:.1f}".replace(".", _locale.decimal)


def duration(ms: int) -> str:
    """As in 86 h 12 m, rounded down; seconds where it is less than a minute."""
    hours, minutes = divmod(ms // MS_PER_MINUTE, MINUTES_PER_HOUR)
    if hours >= HOURS_IN_FULL:
        return f"{number(hours)} h"
    if hours or minutes:
        return f"{hours} h {minutes} m" if hours else f"{minutes} m"
    return f"{ms // MS_PER_SECOND} s"


def percent(part: int, whole: int) -> str:
    """As in 9 %, rounded; 0 % is nothing, and 100 % all."""
    if not 0 < part < whole:
        return f"{100 if part else 0} %"
    share = min(99, round(100 * part / whole))
    return f"{share} %" if share else "under 1 %"


def change(now: int, before: int) -> str:
    """As in +12 %; in words where a percentage says nothing."""
    if not before:
        return "none before" if now else "none, as before"
    share = round(100 * (now - before) / before)
    if not share:
        return "about the same as"
    return f"{'+' if share > 0 else '−'}{number(abs(share))} %"  # noqa: RUF001 # a minus sign


def day(value: date, today: date | None = None) -> str:
    """As in 2 Nov 2026; without the year where it is today's."""
    same_year = today is not None and value.year == today.year
    return _dated(f"{value.day}", f"{value:%b}", None if same_year else value.year)


def long_day(value: date) -> str:
    """As in 2 November 2026."""
    return _dated(f"{value.day}", f"{value:%B}", value.year)


def short_day(value: date) -> str:
    """As in 2 November, where the year is known."""
    return _dated(f"{value.day}", f"{value:%B}", None)


def _dated(day: str, month: str, year: int | None) -> str:
    if _locale.month_first:
        return f"{month} {day}" + (f", {year}" if year is not None else "")
    return f"{day} {month}" + (f" {year}" if year is not None else "")


def named_day(value: date) -> str:
    """As in Monday 2 November, where the year is known."""
    return f"{weekday(value.isoweekday())} {short_day(value)}"


def month_name(value: date) -> str:
    """As in November."""
    return f"{value:%B}"


def month(value: date) -> str:
    """As in November 2026."""
    return f"{value:%B} {value.year}"


def ago(text: str, now: datetime, clock: ZoneInfo) -> str:
    """When UTC text was: as in 4 min ago, 3 h ago, yesterday 23:10, 2 Nov."""
    then = times.from_text(text)
    minutes = int((now - then).total_seconds()) // 60
    if minutes < 1:
        return "now"
    if minutes < MINUTES_PER_HOUR:
        return f"{minutes} min ago"
    local_then, local_now = (moment.astimezone(clock) for moment in (then, now))
    days = (local_now.date() - local_then.date()).days
    if days == 0:
        return f"{minutes // MINUTES_PER_HOUR} h ago"
    if days == 1:
        return f"yesterday {time(f'{local_then:%H:%M}')}"
    return day(local_then.date(), local_now.date())


def weekday(number: int) -> str:
    """As in Monday, which is 1."""
    return DAYS[number - 1]


def short_weekday(number: int) -> str:
    """As in Mon."""
    return weekday(number)[:3]


def week() -> list[int]:
    """The days of the week as ISO numbers them, the first one first."""
    first = _locale.first_weekday
    return [*range(first, len(DAYS) + 1), *range(1, first)]


def begin_of_week(value: date) -> date:
    """The first day of a day's week."""
    return value - timedelta(days=(value.isoweekday() - _locale.first_weekday) % len(DAYS))


def hour(value: int) -> str:
    """As in 7:00, or 7 am."""
    if _locale.twelve_hours:
        return f"{value % 12 or 12} {'am' if value < NOON else 'pm'}"
    return f"{value}:00"


def time(text: str) -> str:
    """The time of HH:MM, as in 7:05, or 7:05 am."""
    value, minutes = int(text[:2]), text[3:5]
    if _locale.twelve_hours:
        return f"{value % 12 or 12}:{minutes} {'am' if value < NOON else 'pm'}"
    return f"{value}:{minutes}"


def bar(amount: int, most: int) -> str:
    """A bar of blocks, to an eighth of a column."""
    eighths = amount * BAR_COLUMNS * 8 // most
    return ("█" * (eighths // 8) + EIGHTHS[eighths % 8]).strip() or EIGHTHS[1]
