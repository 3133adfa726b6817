"""Pictures of what an asset holds, in the metadata of its materialization.

What they look like is the part of `outputs.pictures`. A picture never fails a run.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from zoneinfo import ZoneInfo

import dagster as dg
from markupsafe import Markup
from sqlalchemy import Column

from spotify_assets import database, times
from spotify_assets.outputs import charts, figures, pictures
from spotify_assets.outputs.marts import habits, rankings, sums
from spotify_assets.outputs.marts.look import Kind, Look
from spotify_assets.settings import Settings
from spotify_assets.warehouse.newest_days import newest_days
from spotify_assets.warehouse.warehouse import Warehouse

Pictures = dict[str, dg.MarkdownMetadataValue]

DAY, DAYS = timedelta(days=1), 28
ESTIMATED = "; paler in the chart: estimated"
MISSING = "; marked: plays may be missing"


def of_raw(settings: Settings, end: Column[str]) -> Pictures:
    """Metadata: rows of each of the newest days of a raw table, marked where a gap is open.

    Args:
        end: its column that says when a play ended.
    """
    return _markdown(settings, end.table.name, lambda: _of_raw(settings, end))


def of_model(settings: Settings, model: str) -> Pictures:
    """Metadata: pictures of a mart; nothing for a model that has none."""
    draw = MODELS.get(model)
    return _markdown(settings, model, lambda: _of_model(settings, draw)) if draw else {}


def _markdown(settings: Settings, name: str, draw: Callable[[], Mapping[str, str]]) -> Pictures:
    try:
        figures.use(settings.locale)
        return {key: dg.MetadataValue.md(text) for key, text in draw().items()}
    except Exception as error:  # noqa: BLE001 # whatever it is, the rows are written
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        dg.get_dagster_logger().warning("There is no picture of %s. %s", name, reason)
        return {}


def _of_raw(settings: Settings, end: Column[str]) -> Mapping[str, str]:
    days = newest_days(Warehouse(settings.warehouse_path), end, settings.timezone, DAYS)
    if not days:
        return {}
    at_least = {place for place, each in enumerate(days) if each.is_at_least}
    rows = [(figures.day(each.date), each.rows) for each in days]
    title = f"Rows a day, {rows[0][0]} to {rows[-1][0]}"
    chart = charts.columns(rows, title, pictures.WIDTH, pictures.HEIGHT, "rows", at_least)
    glance = pictures.days([each.rows for each in days], at_least)
    return _charted(f"{title}{MISSING if at_least else ''}", glance, chart)


def _of_model(
    settings: Settings, draw: Callable[[Look, list[str], Settings], Mapping[str, str]]
) -> Mapping[str, str]:
    accounts = sorted(Warehouse(settings.warehouse_path).accounts_with_plays())
    # Not by way of `Marts`, which waits for other marts: in a first run this one may be the first.
    with database.reading(settings.warehouse_path) as connection:
        return draw(Look(connection), accounts, settings) if connection and accounts else {}


def _top(kind: Kind, look: Look, accounts: list[str], _: Settings) -> Mapping[str, str]:
    """A ranking for each account, since one of all would be too long to be shown at once."""
    found = {
        account: rankings.top_of_all_time(look, kind, account, pictures.TEN) for account in accounts
    }
    return {
        f"top_ten ({pictures.one_line(account)})": pictures.ranking(rows)
        for account, rows in found.items()
        if rows
    }


def _clock(look: Look, accounts: list[str], _: Settings) -> Mapping[str, str]:
    title = "Plays by day of the week and hour, all time"
    counts = habits.clock_of_all_time(look, accounts)
    chart = charts.clock(counts, title, pictures.WIDTH)
    return _charted(title, pictures.clock(counts), chart)


def _days(look: Look, accounts: list[str], settings: Settings) -> Mapping[str, str]:
    today = times.now().astimezone(ZoneInfo(settings.timezone)).date()
    _, rows = charts.bars_of(sums.days(look, accounts, today - (DAYS - 1) * DAY, today), today)
    if not rows:
        return {}
    at_least = {place for place, row in enumerate(rows) if row.is_at_least}
    title = f"Hours a day, {rows[0].axis} to {rows[-1].axis}"
    chart = charts.bars(rows, title, pictures.WIDTH, pictures.HEIGHT)
    words = f"{title}{ESTIMATED if any(row.ms_estimated for row in rows) else ''}"
    glance = pictures.days([row.ms for row in rows], at_least)
    return _charted(f"{words}{MISSING if at_least else ''}", glance, chart)


def _charted(title: str, glance: str, chart: Markup) -> Mapping[str, str]:
    return {"at_a_glance": f"{title}\n\n{glance}", "chart": f"{title}\n\n{pictures.image(chart)}"}


MODELS: Mapping[str, Callable[[Look, list[str], Settings], Mapping[str, str]]] = {
    "mart_top_artists": partial(_top, Kind.ARTISTS),
    "mart_top_tracks": partial(_top, Kind.TRACKS),
    "mart_top_albums": partial(_top, Kind.ALBUMS),
    "mart_listening_clock": _clock,
    "mart_listening_by_day": _days,
}
