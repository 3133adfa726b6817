"""What several pages show."""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any

from markupsafe import Markup
from starlette.exceptions import HTTPException

from spotify_assets.outputs import charts, figures
from spotify_assets.outputs.dashboard.choice import Choice
from spotify_assets.outputs.marts import habits, rankings, sums
from spotify_assets.outputs.marts.look import Kind, Look

DAY = timedelta(days=1)
TITLES = {
    Kind.ARTISTS: "Artists",
    Kind.TRACKS: "Tracks",
    Kind.ALBUMS: "Albums",
    Kind.PODCASTS: "Podcasts",
}


def kind_of(name: str) -> Kind:
    """The kind of a name in an address.

    Raises:
        HTTPException: there is none; 404.
    """
    try:
        return Kind(name)
    except ValueError:
        raise HTTPException(404, "There is no such page.") from None


def ranked(look: Look, choice: Choice, kind: Kind, limit: int) -> list[rankings.Ranked]:
    """The most played of the chosen period, against the one before."""
    return rankings.top(
        look,
        kind,
        choice.ids,
        choice.period.first,
        choice.period.last,
        before=choice.period.before,
        by_time=choice.by_time,
        limit=limit,
    )


def days(look: Look, choice: Choice, height: int) -> dict[str, Any]:
    """The chosen period as bars of hours, and the same as rows of a table."""
    found = sums.days(look, choice.ids, choice.period.first, choice.period.last)
    unit, rows = charts.bars_of(found, choice.today)
    title = f"Hours a {unit}"
    return {
        "title": title,
        "svg": both(lambda width: charts.bars(rows, title, width, height)),
        "rows": rows,
        "estimated": any(row.ms_estimated for row in rows),
        "at_least": any(row.is_at_least for row in rows),
    }


def calendar(look: Look, choice: Choice, year: int) -> Markup:
    """The days of a year, each a link to its plays."""
    first, last = date(year, 1, 1), date(year, 12, 31)
    found = sums.days(look, choice.ids, first, last)
    title = f"Time listened on each day of {year}"

    def link(day: date) -> str:
        return choice.address("plays", period=f"{day}..{day}")

    return Markup('<div class="wide">{}</div><div class="narrow">{}</div>').format(
        charts.calendar(found, first, last, title, link), charts.months(found, year, title, link)
    )


def clock(look: Look, choice: Choice) -> dict[str, Any]:
    """The hours of the week in the chosen period."""
    counts = habits.clock(look, choice.ids, choice.period.first, choice.period.last)
    most = max(counts, key=lambda when: (counts[when], when), default=None)
    return {
        "svg": charts.clock(counts, "Plays by day of the week and hour", charts.NARROW),
        "most": f"{figures.weekday(most[0])}s at {figures.hour(most[1])}" if most else None,
    }


def both(draw: Callable[[int], Markup]) -> Markup:
    """A chart for a wide window and one for a phone, of which the page shows one."""
    return Markup('<div class="wide">{}</div><div class="narrow">{}</div>').format(
        draw(charts.WIDE), draw(charts.NARROW)
    )


def each_month(found: Mapping[date, int]) -> list[tuple[str, int]]:
    """Counts of each month from the first to the last, months without any too."""
    rows, month = [], min(found, default=None)
    while month is not None and month <= max(found):
        rows.append((figures.month(month), found.get(month, 0)))
        month = (month + 31 * DAY).replace(day=1)
    return rows
