"""A review as it is shown: its charts and words, the picture to share."""

import unicodedata
from datetime import date
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from spotify_assets.outputs import charts, figures
from spotify_assets.outputs.year.review import Before, Review

MS_PER_HOUR = 3_600_000
HOURS_PER_DAY = 24
JOINER = "\u200d"  # between the emoji that are drawn as one
FEW_DAYS = 10  # below, a part of a day is worth a decimal


def story(review: Review) -> dict[str, Any]:
    """What the templates of page and file need."""
    year, days = review.year, review.days
    title = f"Time listened on each day of {year}"
    big, small = hours(review.totals.ms_played)
    at_least = ", at least" if review.totals.days_at_least else ""
    busy = max(review.clock, key=lambda when: (review.clock[when], when), default=None)
    return {
        "review": review,
        "names": names(review),
        "in_days": in_days(review.totals.ms_played),
        "ring": charts.ring(days, title, big, f"{small}{at_least}"),
        "star": charts.columns(
            [(figures.month_name(month), plays) for month, plays in review.star],
            "Plays of the artist of the year, by month",
            charts.NARROW,
            110,
        ),
        "calendar": _both(
            charts.calendar(days, date(year, 1, 1), date(year, 12, 31), title),
            charts.months(days, year, title),
        ),
        "clock": _both(
            *(
                charts.clock(review.clock, "Plays by day of the week and hour", width)
                for width in (charts.WIDE, charts.NARROW)
            )
        ),
        "busy": f"{figures.weekday(busy[0])}s at {figures.hour(busy[1])}" if busy else None,
        "against": against(review.before, year - 1) if review.before else None,
        "months_with_artist": sum(1 for _, artist in review.months if artist),
        "days_with_plays": sum(1 for day in days if day.plays),
    }


def card(review: Review, templates: Environment) -> str:
    """The picture to share, 1080 by 1350: one SVG that needs nothing but itself."""
    big, small = hours(review.totals.ms_played)
    return templates.get_template("year_card.svg").render(
        review=review,
        names=names(review),
        rays=charts.rays(review.days, 168, 320),
        big=big,
        small=small,
        in_days=in_days(review.totals.ms_played),
        fit=fit,
    )


def against(before: Before, year: int) -> str:
    """The time listened against that of the year before, in words."""
    now, then = before.now.ms_played, before.then.ms_played
    share = round(100 * (now - then) / then) if then else 0
    if not share:
        return f"About as much as in {year}"
    return f"{figures.number(abs(share))} % {'more' if share > 0 else 'less'} than in {year}"


def names(review: Review) -> str:
    """Whose year it is."""
    return " and ".join(each.name for each in review.accounts)


def hours(ms: int) -> tuple[str, str]:
    """A year's time as its number and unit: hours, or minutes where there is no whole hour."""
    whole = ms // MS_PER_HOUR
    if whole:
        return figures.number(whole), "hour" if whole == 1 else "hours"
    minutes = ms * 60 // MS_PER_HOUR
    return figures.number(minutes), "minute" if minutes == 1 else "minutes"


def in_days(ms: int) -> str | None:
    """A time as days and nights, rounded down; None where it is less than one."""
    whole = ms // (MS_PER_HOUR * HOURS_PER_DAY)
    if not whole:
        return None
    if whole >= FEW_DAYS:
        return f"{whole} days and nights"
    tenths = ms * 10 // (MS_PER_HOUR * HOURS_PER_DAY)
    return "1 day and night" if tenths == FEW_DAYS else f"{tenths / 10:g} days and nights"


def fit(name: str | None, columns: int) -> str:
    """A name in at most so many columns, cut with a mark: nothing wraps a text in a picture."""
    text = "".join(
        each if each.isprintable() or each == JOINER else " " for each in name or "without a name"
    )
    used = 0
    for place, each in enumerate(text):
        used += _columns(each)
        if used > columns:
            return f"{text[: max(place - 1, 0)].rstrip()}…"
    return text


def _columns(character: str) -> int:
    """How wide a character is: 2 for Chinese, Japanese, Korean and emoji, 0 for a mark on one."""
    if character == JOINER or unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _both(wide: Markup, narrow: Markup) -> Markup:
    """A chart for a wide window and one for a phone, of which one is shown."""
    return Markup('<div class="wide">{}</div><div class="narrow">{}</div>').format(wide, narrow)
