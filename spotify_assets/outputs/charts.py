"""Charts as SVG, each a function of rows. Colours are those of the page, by class.

Each text in a chart has its size in the chart's own units, so a chart is made for a width: one for
a wide window and one for a phone.
"""

from calendar import isleap, monthrange
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, timedelta
from math import cos, sin, tau
from typing import NamedTuple

from markupsafe import Markup, escape

from spotify_assets.outputs import figures
from spotify_assets.outputs.marts.sums import Day

WIDE, NARROW = 760, 350  # of a chart in a wide window, and on a phone
HOURS = 24
DOUBT = 14  # how high the hatching above a bar is
NUMBERED = 26  # from this width on a bar has room for its number
PARTS = 6  # colours of shares
WIDEST = 90  # of a bar, so that a single one does not fill the chart; two hold their labels
MS_PER_HOUR = 3_600_000
AVERAGED_BARS = 7
# What `doubt` is filled with; once in each page.
HATCH = Markup(
    '<pattern id="hatch" width="5" height="5" patternUnits="userSpaceOnUse" '
    'patternTransform="rotate(45)"><rect class="hatch" width="2" height="5"/></pattern>'
)
MOST_BARS = 62
DAYS_PER_WEEK = 7


class Bar(NamedTuple):
    """One bar: measured and estimated ms, and whether plays may be missing in it."""

    label: str
    ms: int
    ms_estimated: int
    is_at_least: bool
    axis: str


def bars_of(days: Sequence[Day], today: date) -> tuple[str, list[Bar]]:
    """Days as bars, by week or month where they are many; what one bar stands for comes first."""
    if len(days) <= MOST_BARS:
        unit, begins = "day", [each.date for each in days]
    elif len(days) <= MOST_BARS * DAYS_PER_WEEK:
        unit, begins = "week", [figures.begin_of_week(each.date) for each in days]
    elif len(days) <= MOST_BARS * 31:
        unit, begins = "month", [each.date.replace(day=1) for each in days]
    else:
        unit, begins = "year", [each.date.replace(month=1, day=1) for each in days]
    grouped: dict[date, list[Day]] = {}
    for begin, each in zip(begins, days, strict=True):
        grouped.setdefault(begin, []).append(each)
    return unit, [
        Bar(
            _called(unit, begin, today),
            sum(each.ms_played for each in part),
            sum(each.ms_played_estimated for each in part),
            any(each.is_at_least for each in part),
            _on_axis(unit, begin, today),
        )
        for begin, part in grouped.items()
    ]


def _on_axis(unit: str, begin: date, today: date) -> str:
    if unit == "year":
        return str(begin.year)
    return f"{begin:%b} {begin.year}" if unit == "month" else figures.day(begin, today)


def _called(unit: str, begin: date, today: date) -> str:
    if unit == "year":
        return str(begin.year)
    if unit == "month":
        return figures.month(begin)
    begins = f"{figures.weekday(begin.isoweekday())}, " if unit == "day" else "week of "
    return f"{begins}{figures.day(begin, today)}"


def bars(rows: Sequence[Bar], title: str, width: int, height: int) -> Markup:
    """Bars of hours: measured and estimated as two steps of one colour, hatched where doubtful."""
    left, bottom, top = 0, 22, 8
    right = 38
    wide, high = width - left - right, height - bottom - top
    most = max([row.ms for row in rows], default=0)
    step = _step(most)
    scale = high / (max(most, 1) * 1.04)
    each = min(wide / max(len(rows), 1), WIDEST)
    gap = min(3.0, each * 0.2)
    parts = []
    for lines in range(step, most + 1, step) if step else ():
        y = top + high - lines * scale
        parts.append(f'<line class="grid" x1="0" x2="{wide}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{wide + 6}" y="{y + 4:.1f}">{_hours(lines)}</text>')
    for place, row in enumerate(rows):
        x, full = left + place * each + gap / 2, row.ms * scale
        measured = (row.ms - row.ms_estimated) * scale
        said = f"{row.label}: {figures.duration(row.ms)}"
        if row.ms_estimated:
            said += f", {figures.percent(row.ms_estimated, row.ms)} of it estimated"
        if row.is_at_least:
            said += ", at least: plays may be missing"
        bar = each - gap
        parts.append(f"<g><title>{escape(said)}</title>")
        parts.append(_rect("over", x, top, bar, high))
        if row.is_at_least:
            parts.append(_rect("doubt", x, max(top, top + high - full - DOUBT), bar, DOUBT))
        if row.ms_estimated:
            parts.append(_rect("est", x, top + high - full, bar, full - measured))
        parts.append(_rect("meas", x, top + high - measured, bar, measured))
        parts.append("</g>")
    if len(rows) >= 2 * AVERAGED_BARS:
        points = [
            f"{left + (place + 0.5) * each:.1f},{top + high - ms * scale:.1f}"
            for place, ms in enumerate(_averages(rows))
        ]
        parts.append(f'<polyline class="avg" points="{" ".join(points)}"/>')
    labels = _labelled(len(rows), 3 if width <= NARROW else 5)
    for place in labels:
        anchor = "start" if place == 0 else "end" if place == len(rows) - 1 else "middle"
        x = left + (place + {"start": 0, "end": 1, "middle": 0.5}[anchor]) * each
        parts.append(
            f'<text x="{x:.1f}" y="{height - 5}" text-anchor="{anchor}">'
            f"{escape(rows[place].axis)}</text>"
        )
    return _svg(width, height, title, parts)


def calendar(
    days: Sequence[Day],
    first: date,
    last: date,
    title: str,
    link: Callable[[date], str] | None = None,
) -> Markup:
    """A square for each day, a column for each week, darker for more time.

    Args:
        link: the address of a day's plays. Each day with plays is a link that no Tab stops at:
            a table or a form has to lead to every day, too.
    """
    found = {each.date: each for each in days}
    begin = figures.begin_of_week(first)
    most = _high([each.ms_played for each in days])
    left, top, cell = 30, 18, 13
    weeks = (last - begin).days // DAYS_PER_WEEK + 1
    parts = [
        f'<text x="0" y="{top + place * cell + cell - 3}">{figures.short_weekday(day)}</text>'
        for place, day in enumerate(figures.week())
        if place % 2 == 0
    ]
    named = None
    for week in range(weeks):
        for weekday in range(DAYS_PER_WEEK):
            date_ = begin + timedelta(days=week * DAYS_PER_WEEK + weekday)
            if not first <= date_ <= last:
                continue
            x, y = left + week * cell, top + weekday * cell
            if date_.day <= DAYS_PER_WEEK and named != date_.month:
                named = date_.month
                parts.append(f'<text x="{x}" y="{top - 6}">{date_:%b}</text>')
            day = found.get(date_)
            parts.append(_square(date_, day, most, x, y, cell - 2, cell - 2, link))
    return _svg(
        left + weeks * cell, top + DAYS_PER_WEEK * cell, title, parts, "group" if link else "img"
    )


def months(
    days: Sequence[Day], year: int, title: str, link: Callable[[date], str] | None = None
) -> Markup:
    """A square for each day as in `calendar`, a row for each month: as wide as a phone."""
    found = {each.date: each for each in days}
    most = _high([each.ms_played for each in days])
    left, high = 30, 15
    wide = (NARROW - left) / 31
    parts = []
    for month in range(1, 13):
        begin, y = date(year, month, 1), (month - 1) * high
        parts.append(f'<text x="0" y="{y + high - 4}">{begin:%b}</text>')
        for number in range(monthrange(year, month)[1]):
            date_, x = begin + timedelta(days=number), left + number * wide
            parts.append(_square(date_, found.get(date_), most, x, y, wide - 2, high - 2, link))
    return _svg(NARROW, 12 * high, title, parts, "group" if link else "img")


def rays(days: Sequence[Day], inner: float, outer: float) -> list[str]:
    """A year as a circle around 0, 0: a ray for each day from the top on, longer for more time.

    Returns:
        The paths of the rays, one for each of five steps of colour: none, then little to much.
    """
    most = _high([each.ms_played for each in days]) * 1.25
    paths: list[list[str]] = [[] for _ in range(5)]
    for each in days:
        share = min(1.0, each.ms_played / most)
        turn = tau * each.date.timetuple().tm_yday / (366 if isleap(each.date.year) else 365)
        end = inner + 3 + (outer - inner - 3) * share
        x, y = sin(turn), -cos(turn)
        line = f"M{inner * x:.1f} {inner * y:.1f}L{end * x:.1f} {end * y:.1f}"
        paths[step(share)].append(line)
    return ["".join(path) for path in paths]


def ring(days: Sequence[Day], title: str, big: str, small: str) -> Markup:
    """The rays of a year with a figure in their middle."""
    parts = ['<circle class="rim" r="109"/>']
    parts += [
        f'<path class="ray r{step}" d="{path}"/>'
        for step, path in enumerate(rays(days, 112, 196))
        if path
    ]
    for month in range(12):
        turn = tau * (month + 0.5) / 12
        x, y = 97 * sin(turn), 4 - 97 * cos(turn)
        letter = date(2000, month + 1, 1).strftime("%b")[0]
        parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle">{letter}</text>')
    parts.append(f'<text class="big" y="12" text-anchor="middle">{escape(big)}</text>')
    parts.append(f'<text class="unit" y="36" text-anchor="middle">{escape(small)}</text>')
    return Markup(  # noqa: S704 # each text in the parts is escaped
        f'<svg class="ring" viewBox="-200 -200 400 400" role="img" aria-label="{escape(title)}">'
        f"{''.join(parts)}</svg>"
    )


def clock(counts: Mapping[tuple[int, int], int], title: str, width: int) -> Markup:
    """The hours of the week: a row for each day, a square for each hour, darker for more plays."""
    left, top, bottom = 34, 2, 18
    cell = (width - left) / HOURS
    high = max(14.0, cell * 0.8)
    most = max(counts.values(), default=0) or 1
    parts = []
    for place, weekday in enumerate(figures.week()):
        y = top + place * high
        if place % 2 == 0:
            label = figures.short_weekday(weekday)
            parts.append(f'<text x="0" y="{y + high / 2 + 3:.1f}">{label}</text>')
        for hour in range(HOURS):
            plays = counts.get((weekday, hour), 0)
            when = f"{figures.short_weekday(weekday)} {figures.hour(hour)}"
            said = f"{when}: {_count(plays, 'plays')}"
            square = _heat(left + hour * cell, y, cell - 2, plays / most, high - 2)
            parts.append(f"<g><title>{said}</title>{square}</g>")
    base = top + DAYS_PER_WEEK * high
    parts += [
        f'<text x="{left + hour * cell:.1f}" y="{base + 13:.1f}">{figures.hour(hour)}</text>'
        for hour in range(0, HOURS, 6)
    ]
    return _svg(width, round(base + bottom), title, parts)


def hours_by_month(counts: Mapping[tuple[date, int], int], title: str) -> Markup:
    """The hours of the day, a row for each, and a column for each month, darker for more plays."""
    months, month = [], min((month for month, _ in counts), default=None)
    while month is not None and month <= max(month for month, _ in counts):
        months.append(month)
        month = (month + timedelta(days=31)).replace(day=1)
    left, top, cell, width = 44, 2, 13, 1000
    wide = min(60.0, (width - left) / max(len(months), 1))
    most = max(counts.values(), default=0) or 1
    parts = [
        f'<text x="0" y="{top + hour * cell + cell - 3}">{figures.hour(hour)}</text>'
        for hour in range(0, HOURS, 4)
    ]
    for place, month in enumerate(months):
        for hour in range(HOURS):
            plays = counts.get((month, hour), 0)
            said = f"{figures.month(month)}, {figures.hour(hour)}: {_count(plays, 'plays')}"
            x, y = left + place * wide, top + hour * cell
            square = _heat(x, y, wide - 2, plays / most, cell - 2)
            parts.append(f"<g><title>{said}</title>{square}</g>")
    base = top + HOURS * cell
    for place in _labelled(len(months), 5) if wide * len(months) > width / 2 else [0]:
        last = place and place == len(months) - 1
        x, anchor = left + (place + bool(last)) * wide, "end" if last else "start"
        label = figures.month(months[place]) if months else ""
        parts.append(f'<text x="{x:.1f}" y="{base + 13}" text-anchor="{anchor}">{label}</text>')
    return _svg(width, base + 18, title, parts)


def trend(counts: Sequence[int]) -> Markup:
    """A small line of counts, for a row of a table: the row says what it is of."""
    width, height = 72, 20
    most = max(counts, default=0) or 1
    step = width / max(len(counts) - 1, 1)
    points = " ".join(
        f"{place * step:.1f},{height - 2 - (height - 4) * count / most:.1f}"
        for place, count in enumerate(counts)
    )
    return Markup(  # noqa: S704 # numbers only
        f'<svg class="trend" viewBox="0 0 {width} {height}" aria-hidden="true">'
        f'<polyline points="{points}"/></svg>'
    )


def shares(rows: Sequence[tuple[str, int]], title: str) -> Markup:
    """One bar, cut into parts as large as the counts; the table beside it names them."""
    width, height, left = WIDE, 18, 0.0
    whole = sum(count for _, count in rows) or 1
    parts = []
    for place, (label, count) in enumerate(rows):
        wide = width * count / whole
        said = escape(f"{label}: {figures.percent(count, whole)}")
        part = _rect(f"part p{min(place, PARTS - 1)}", left, 0, wide - 2, height, 3)
        parts.append(f"<g><title>{said}</title>{part}</g>")
        left += wide
    return _svg(width, height, title, parts)


def columns(
    rows: Sequence[tuple[str, int]],
    title: str,
    width: int,
    height: int,
    what: str = "plays",
    at_least: Collection[int] = (),
) -> Markup:
    """Bars of counts, with their numbers where there is room; the ends are on the axis.

    Args:
        at_least: the places of rows in which something may be missing, from 0; hatched.
    """
    each = min(width / max(len(rows), 1), WIDEST)
    are_numbered = each >= NUMBERED
    bottom, top = 20, 20 if are_numbered else 6
    high = height - bottom - top
    most = max([count for _, count in rows], default=0) or 1
    gap = min(3.0, each * 0.2)
    parts = []
    for place, (label, count) in enumerate(rows):
        tall = high * count / most
        x = place * each + gap / 2
        said = escape(f"{label}: {_count(count, what)}")
        doubt = _rect("doubt", x, top, each - gap, high) if place in at_least else ""
        parts.append(
            f"<g><title>{said}</title>{_rect('over', x, top, each - gap, high)}{doubt}"
            f"{_rect('meas', x, top + high - tall, each - gap, tall)}</g>"
        )
        if are_numbered and count:
            middle, y = x + (each - gap) / 2, top + high - tall - 5
            number = figures.number(count)
            parts.append(f'<text x="{middle:.1f}" y="{y:.1f}" text-anchor="middle">{number}</text>')
    if rows:
        parts.append(f'<text x="0" y="{height - 5}">{escape(rows[0][0])}</text>')
    if len(rows) > 1:
        parts.append(
            f'<text x="{len(rows) * each:.1f}" y="{height - 5}" text-anchor="end">'
            f"{escape(rows[-1][0])}</text>"
        )
    return _svg(width, height, title, parts)


def step(share: float) -> int:
    """Which of five steps of a colour a share of the most has; 0 is for none."""
    return 0 if share <= 0 else 1 + min(3, int(share * 4))


def _averages(rows: Sequence[Bar]) -> list[float]:
    """The mean of each bar and the six before it, or of as many as there are."""
    parts = (rows[max(0, end - AVERAGED_BARS) : end] for end in range(1, len(rows) + 1))
    return [sum(row.ms for row in part) / len(part) for part in parts]


def _svg(width: int, height: int, title: str, parts: Sequence[str], role: str = "img") -> Markup:
    return Markup(  # noqa: S704 # each text in the parts is escaped
        f'<svg viewBox="0 0 {width} {height}" role="{role}" aria-label="{escape(title)}">'
        f"{''.join(parts)}</svg>"
    )


def _rect(kind: str, x: float, y: float, width: float, height: float, round_by: int = 2) -> str:
    return (
        f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{max(width, 0.5):.1f}" '
        f'height="{max(height, 0):.1f}" rx="{round_by}"/>'
    )


def _square(
    date_: date,
    day: Day | None,
    most: int,
    x: float,
    y: float,
    width: float,
    height: float,
    link: Callable[[date], str] | None = None,
) -> str:
    """A day of a calendar, which says what was played on it, and may lead to its plays."""
    share = min(1.0, (day.ms_played if day else 0) / most)
    said = f"{figures.weekday(date_.isoweekday())}, {figures.day(date_)}: "
    said += figures.duration(day.ms_played) if day and day.ms_played else "nothing"
    mark = ""
    if day and day.is_at_least:
        said += ", at least: plays may be missing"
        mark = _rect("doubt", x, y, width, height, 3)
    square = f"<title>{escape(said)}</title>{_heat(x, y, width, share, height)}{mark}"
    if link and day and day.plays:
        return f'<a href="{escape(link(date_))}" tabindex="-1">{square}</a>'
    return f"<g>{square}</g>"


def _heat(x: float, y: float, width: float, share: float, height: float) -> str:
    return _rect(f"heat h{step(share)}", x, y, width, height, 3)


def _high(values: Sequence[int]) -> int:
    """What counts as much: nine of ten days are below, so that one long day does not pale all."""
    above_zero = sorted(value for value in values if value)
    return above_zero[len(above_zero) * 9 // 10] if above_zero else 1


def _step(most: int) -> int:
    """The distance of the lines behind bars: two to four of them, in round hours or minutes."""
    minute = MS_PER_HOUR // 60
    hours = (1, 2, 4, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1000, 2000)
    steps = [minutes * minute for minutes in (1, 5, 15, 30)]
    steps += [each * MS_PER_HOUR for each in hours]
    return next((step for step in steps if most <= 4 * step), steps[-1]) if most else 0


def _hours(ms: int) -> str:
    if ms < MS_PER_HOUR:
        return f"{ms * 60 // MS_PER_HOUR} m"
    hours, rest = divmod(ms, MS_PER_HOUR)
    return f"{figures.decimal(ms / MS_PER_HOUR) if rest else figures.number(hours)} h"


def _count(count: int, what: str) -> str:
    """As in 1 play, or 1,284 plays."""
    return f"{figures.number(count)} {what.removesuffix('s') if count == 1 else what}"


def _labelled(count: int, most: int) -> list[int]:
    if count <= 1:
        return list(range(count))
    steps = min(most, count) - 1
    return [round(place * (count - 1) / steps) for place in range(steps + 1)]
