"""The year in review as files: a page and a picture for each account and year, in data/reports."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from urllib.parse import quote
from zoneinfo import ZoneInfo

from jinja2 import Environment
from markupsafe import Markup

from spotify_assets import database, times
from spotify_assets.kernel_lock import kernel_lock
from spotify_assets.outputs import dashboard, figures
from spotify_assets.outputs.covers import Covers
from spotify_assets.outputs.marts import years
from spotify_assets.outputs.marts.look import Account, Look, Marts
from spotify_assets.outputs.rendering import environment
from spotify_assets.outputs.year.review import Review, review, year_to_show
from spotify_assets.outputs.year.story import card, story
from spotify_assets.settings import Settings

LONGEST_NAME = 100  # characters of a file's name, before the year


@dataclass(frozen=True)
class Report:
    """A year of one account, and its files.

    Attributes:
        page, picture: the HTML file, and the SVG beside it.
        changed: those of the two that this run wrote.
    """

    review: Review
    page: Path
    picture: Path
    changed: list[Path]


def write_reports(
    settings: Settings,
    account: str | None = None,
    year: int | None = None,
    *,
    all_years: bool = False,
) -> list[Report] | None:
    """Write the reports whose content changed; None where no model is built yet.

    A report is of an account and a year with plays: without a year, of the last one that is over,
    or the newest. Each file is replaced at once, so a killed run leaves the one before.
    """
    figures.use(settings.locale)
    today = times.now().astimezone(ZoneInfo(settings.timezone)).date()
    folder, templates, reports = settings.reports, environment(), []
    with Marts(settings.warehouse_path).look() as look:
        if look is None:
            return None
        settings.locks.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with kernel_lock(settings.locks / "reports.lock"):
            for each, of_year in _chosen(look, account, year, today, all_years=all_years):
                found = review(look, [each], of_year, today)
                if found is None:
                    continue
                path = folder / f"{file_name(each.account_id)}-{of_year}.html"
                texts = {
                    path: page(found, templates, Covers(settings, look, in_file=True)),
                    path.with_suffix(".svg"): card(found, templates),
                }
                changed = [path for path, text in texts.items() if _write(path, text)]
                reports.append(Report(found, path, path.with_suffix(".svg"), changed))
    return reports


def page(review: Review, templates: Environment, covers: Covers) -> str:
    """The review as one HTML file that asks nobody for anything."""
    return templates.get_template("year_file.html").render(
        choice=None, covers=covers, styles=_styles(), **story(review)
    )


def file_name(account_id: str) -> str:
    """The account's part of a file's name; no two accounts have the same, whatever their names."""
    name = quote(account_id, safe="")
    if account_id != account_id.lower() or len(name) > LONGEST_NAME:
        # Some file systems take Mira and mira for one file, and none takes long names.
        name = hashlib.sha256(account_id.encode()).hexdigest()
    return name


def _chosen(
    look: Look, account: str | None, year: int | None, today: date, *, all_years: bool
) -> Iterator[tuple[Account, int]]:
    for each in look.accounts():
        found = years.years(look, [each.account_id])
        if not found or account not in (None, each.account_id):
            continue
        if all_years:
            yield from ((each, of_year) for of_year in found)
        elif year is None or year in found:
            yield each, year_to_show(found, today) if year is None else year


def _write(path: Path, text: str) -> bool:
    """Replace a file where its text is another; whether it was. The caller holds the lock."""
    content = text.encode()
    if path.is_file() and path.read_bytes() == content:
        return False
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.unlink(missing_ok=True)  # a killed run left it
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    database.sync(path.parent)
    return True


@cache
def _styles() -> Markup:
    """The stylesheets of the dashboard, which are ours and hold no name."""
    folder = Path(dashboard.__file__).parent / "static"
    names = ("charts.css", "look.css", "year.css")
    styles = "\n".join((folder / name).read_text("utf-8") for name in names)
    return Markup(styles)  # noqa: S704 # files of this package
