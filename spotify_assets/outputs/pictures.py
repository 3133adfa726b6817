"""Pictures for where no page of ours is, as Markdown: charts as images, and drawn in characters.

An image brings its colours with it, in light and in dark, from the stylesheet of the pages. A name
stands in code blocks only, where Markdown takes nothing for markup.
"""

from base64 import b64encode
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from xml.etree import ElementTree as ET

from markupsafe import Markup, escape

from spotify_assets.outputs import charts, figures
from spotify_assets.outputs.marts.rankings import Ranked

STYLE = Path(__file__).parent / "dashboard" / "static" / "charts.css"
WIDTH, HEIGHT = 520, 150
MARGIN = 8
# Dagster shows Markdown of less than 1,000 characters at once, and more of it after a click. No
# image is that small, so each chart is told in characters too.
TEN = 10
LONGEST_NAME = 60
EIGHTHS = " ▁▂▃▄▅▆▇█"
SHADES = " ·░▒█"


def image(chart: Markup) -> str:
    """A chart of `charts` as an image in Markdown.

    Nobody can point at the parts of an image, so their titles go, and bars of one colour become
    one path: a fifth of the size.
    """
    svg = ET.fromstring(chart)  # noqa: S314 # ours
    _, _, width, height = map(float, svg.attrib["viewBox"].split())
    paths: dict[str, str] = {}
    behind, before = "", ""
    for part in svg.iter():
        if part.tag == "rect" and part.attrib["class"] != "over":
            kind = part.attrib["class"]
            paths[kind] = paths.get(kind, "") + _outline(part.attrib)
        elif part.tag == "line":
            behind += ET.tostring(part, "unicode")
        elif part.tag in ("text", "polyline"):
            before += ET.tostring(part, "unicode")
    # The hatching is behind the bars.
    drawn = [
        Markup('<path class="{}" d="{}"/>').format(kind, paths[kind])
        for kind in sorted(paths, key=lambda kind: kind != "doubt")
    ]
    title = svg.attrib["aria-label"]
    text = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width + 2 * MARGIN:g}" '
        f'height="{height + 2 * MARGIN:g}" '
        f'viewBox="{-MARGIN} {-MARGIN} {width + 2 * MARGIN:g} {height + 2 * MARGIN:g}" '
        'font-family="system-ui, sans-serif">'
        f"<title>{escape(title)}</title><style>{_style()}</style>{charts.HATCH}"
        f'<rect class="card" x="{-MARGIN}" y="{-MARGIN}" width="100%" height="100%"/>'
        f"{behind}{''.join(drawn)}{before}</svg>"
    )
    return f"![{title}](data:image/svg+xml;base64,{b64encode(text.encode()).decode()})"


def ranking(rows: Sequence[Ranked]) -> str:
    """A ranking with bars, in ten lines at most."""
    most = max([row.plays for row in rows], default=1)
    return _block(
        f"{row.rank:>2} {figures.bar(row.plays, most):<{figures.BAR_COLUMNS}} "
        f"{figures.number(row.plays):>7} {one_line(', '.join(filter(None, _names(row))))}"
        for row in rows[:TEN]
    )


def days(amounts: Sequence[int], at_least: Collection[int]) -> str:
    """A block for each day, as high as its amount, and a mark below where plays may be missing.

    Args:
        at_least: the places of these days, from 0.
    """
    most = max(amounts, default=0) or 1
    # The lowest block is for little, so that nothing looks like nothing.
    blocks = [EIGHTHS[-(-each * (len(EIGHTHS) - 1) // most)] for each in amounts]
    marks = ["^" if place in at_least else " " for place in range(len(amounts))]
    return _block(["".join(blocks), "".join(marks).rstrip()][: 2 if at_least else 1])


def clock(counts: Mapping[tuple[int, int], int]) -> str:
    """The hours of the week: a line for each day, denser for more plays."""
    most = max(counts.values(), default=0) or 1
    hours = range(charts.HOURS)
    lines = [f"    {''.join(f'{hour:<6}' for hour in hours[::6]).rstrip()}"]
    for weekday in figures.week():
        steps = (charts.step(counts.get((weekday, hour), 0) / most) for hour in hours)
        lines.append(f"{figures.short_weekday(weekday)} {''.join(SHADES[step] for step in steps)}")
    return _block(lines)


def one_line(name: str) -> str:
    """A name without control characters, and not longer than fits."""
    text = "".join(each if each.isprintable() else " " for each in name[:LONGEST_NAME])
    return text if len(name) <= LONGEST_NAME else f"{text[:-1]}…"


def _names(row: Ranked) -> tuple[str, str | None]:
    return row.name or "(no name)", row.subtitle


def _block(lines: Iterable[str]) -> str:
    """Lines as a code block. None of ours begins with a backtick, so none can end it."""
    return "\n".join(["```", *lines, "```"])


def _outline(rect: Mapping[str, str]) -> str:
    x, y, width, height = (float(rect[name]) for name in ("x", "y", "width", "height"))
    return f"M{x:g} {y:g}h{width:g}v{height:g}h{-width:g}z" if height else ""


@cache
def _style() -> str:
    return f"{STYLE.read_text('utf-8')}.card {{ fill: var(--card) }}"
