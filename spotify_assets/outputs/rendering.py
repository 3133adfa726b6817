"""Templates, and how they write names and figures: pages and files have them in common."""

from datetime import date
from zlib import crc32

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from spotify_assets import times
from spotify_assets.outputs import charts, dashboard, figures

HUES = 10


def environment() -> Environment:
    """The templates; names in them are text, whatever they hold."""
    templates = Environment(
        loader=PackageLoader(dashboard.__name__, "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.globals["hatch"] = charts.HATCH
    templates.filters.update(
        number=figures.number,
        decimal=figures.decimal,
        duration=figures.duration,
        percent=figures.percent,
        day=figures.day,
        long_day=figures.long_day,
        short_day=figures.short_day,
        named_day=figures.named_day,
        month=figures.month,
        month_name=figures.month_name,
        hue=_hue,
        initials=_initials,
        units=_units,
        time=figures.time,
        day_of=lambda text, clock: figures.day(times.from_text(text).astimezone(clock).date()),
        local_day=lambda text: figures.day(date.fromisoformat(text[:10])),
        code=_code,
    )
    return templates


def _code(text: str) -> Markup:
    """Words of a model's description, with what stands in backticks as code."""
    parts = text.split("`")
    return Markup().join(
        Markup("<code>{}</code>").format(part) if place % 2 else escape(part)
        for place, part in enumerate(parts)
    )


def _hue(key: str) -> str:
    """The class of a tile's colour, the same for a key each time."""
    return f"a{crc32(key.encode('utf-8', 'replace')) % HUES}"


def _initials(name: str | None) -> str:
    words = [word for word in (name or "").split() if word[0].isalnum()]
    return "".join(word[0] for word in words[:2]).upper() or "–"  # noqa: RUF001 # a dash


def _units(text: str) -> Markup:
    """A duration with its units smaller than its numbers."""
    words = text.split(" ")
    return Markup(" ").join(
        escape(word) if word[0].isdecimal() else Markup("<i>{}</i>").format(word) for word in words
    )
