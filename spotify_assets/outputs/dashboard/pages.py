"""What each page shows: rows of the marts, and charts of them."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from markupsafe import Markup
from starlette.exceptions import HTTPException

from spotify_assets import times
from spotify_assets.outputs import charts, figures
from spotify_assets.outputs.dashboard.choice import Choice
from spotify_assets.outputs.marts import Kind, Look, Streak, Totals

SHORT, LONG = 6, 50
NEWEST = 7
DAY = timedelta(days=1)
TITLES = {
    Kind.ARTISTS: "Artists",
    Kind.TRACKS: "Tracks",
    Kind.ALBUMS: "Albums",
    Kind.PODCASTS: "Podcasts",
}


def overview(look: Look, choice: Choice) -> dict[str, Any]:
    """The figures of a period, against the period before; its days, its tops, what came last."""
    period, accounts = choice.period, choice.ids
    totals = look.totals(accounts, period.first, period.last)
    before = look.totals(accounts, *period.before) if period.before else None
    return {
        "totals": totals,
        "new_artists": look.new_artists(accounts, period.first, period.last),
        "streak": _streak(look, choice),
        "days": _bars(look, choice, 300),
        "tops": [
            (kind, TITLES[kind], _top(look, choice, kind, SHORT))
            for kind in (Kind.ARTISTS, Kind.TRACKS, Kind.ALBUMS)
        ],
        "newest": [
            (play, figures.ago(play.ended_at, times.now(), choice.clock))
            for play in look.newest(accounts, NEWEST)
        ],
        "change": _change(totals, before),
        "year": _calendar(look, choice, choice.today.year),
        "clock": _clock(look, choice),
    }


def top(look: Look, choice: Choice) -> dict[str, Any]:
    """One ranking, long."""
    kind = _kind(choice.query.get("kind", Kind.ARTISTS))
    return {
        "kind": kind,
        "kinds": [(TITLES[each], choice.address("top", kind=each), each is kind) for each in Kind],
        "ranked": _top(look, choice, kind, LONG),
        "title": TITLES[kind],
    }


def when(look: Look, choice: Choice) -> dict[str, Any]:
    """Days and hours: when somebody listens."""
    first = min(each.first_date for each in choice.chosen).year
    years = range(choice.today.year, first - 1, -1)
    streaks = look.streaks(choice.one) if choice.one else []
    return {
        "days": _bars(look, choice, 260),
        "clock": _clock(look, choice),
        "years": [(year, _calendar(look, choice, year)) for year in years],
        "streaks": streaks[:5],
    }


def discover(look: Look, choice: Choice) -> dict[str, Any]:
    """What was new, what came back, what is worth playing again."""
    period, accounts = choice.period, choice.ids
    months = _each_month(look.discoveries(accounts, period.first, period.last))
    title = "New artists a month"
    return {
        "months": _both(lambda width: charts.columns(months, title, width, 170, "new artists")),
        "month_rows": months,
        "stayed": look.stayed(accounts, period.first, period.last, 12),
        "returns": look.returns(accounts, period.first, period.last, 12),
        "albums": look.nearly_whole(accounts, 12),
        "missed": look.not_heard_since(accounts, choice.today - 365 * DAY, 12),
        "names": {each.account_id: each.name for each in choice.accounts},
    }


def trust(look: Look, choice: Choice) -> dict[str, Any]:
    """What is known of how whole the history is."""
    everything = [
        (each, look.totals([each.account_id], each.first_date, each.last_date))
        for each in choice.chosen
    ]
    return {"everything": everything}


def thing(look: Look, choice: Choice, kind_name: str) -> dict[str, Any]:
    """An artist, a track, an album or a podcast by itself, over all time."""
    kind = _kind(kind_name)
    key = choice.query.get("key", "")
    found = look.thing(kind, key, choice.ids)
    if found is None:
        raise HTTPException(404, "Nothing of that name was ever played here.")
    months = _each_month(look.months_of(kind, key, choice.ids))
    skips, known = look.skips_of(key, choice.ids) if kind is Kind.TRACKS else (0, 0)
    parts = {
        Kind.ARTISTS: (Kind.TRACKS, Kind.ALBUMS),
        Kind.ALBUMS: (Kind.TRACKS,),
        Kind.TRACKS: (),
        Kind.PODCASTS: (),
    }[kind]
    return {
        "kind": kind,
        "thing": found,
        "first": _day_of(found.first_played_at, choice),
        "last": _day_of(found.last_played_at, choice),
        "months": _both(lambda width: charts.columns(months, "Plays a month", width, 150)),
        "month_rows": months,
        "skips": skips,
        "known": known,
        "parts": [
            (part, TITLES[part], look.parts_of(kind, key, part, choice.ids, LONG)) for part in parts
        ],
        "in_spotify": in_spotify(found.uri),
    }


def _each_month(found: Mapping[date, int]) -> list[tuple[str, int]]:
    """Plays of each month from the first to the last, months without any too."""
    rows, month = [], min(found, default=None)
    while month is not None and month <= max(found):
        rows.append((figures.month(month), found.get(month, 0)))
        month = (month + 31 * DAY).replace(day=1)
    return rows


def _day_of(ended_at: str | None, choice: Choice) -> str | None:
    return ended_at and figures.day(times.from_text(ended_at).astimezone(choice.clock).date())


def _kind(name: str) -> Kind:
    try:
        return Kind(name)
    except ValueError:
        raise HTTPException(404, "There is no such page.") from None


def _top(look: Look, choice: Choice, kind: Kind, limit: int) -> Any:
    return look.top(
        kind,
        choice.ids,
        choice.period.first,
        choice.period.last,
        before=choice.period.before,
        by_time=choice.by_time,
        limit=limit,
    )


def _streak(look: Look, choice: Choice) -> tuple[Streak | None, Streak] | None:
    """The streak that goes on, and the longest; None without any, or of several accounts."""
    streaks = look.streaks(choice.one) if choice.one else []
    if not streaks:
        return None
    on = next((each for each in streaks if each.last >= choice.today - DAY), None)
    return on, streaks[0]


def _change(totals: Totals, before: Totals | None) -> dict[str, str]:
    if before is None:
        return {}
    return {
        name: figures.change(getattr(totals, name), getattr(before, name))
        for name in ("plays", "ms_played", "artists", "tracks")
    }


def _bars(look: Look, choice: Choice, height: int) -> dict[str, Any]:
    days = look.days(choice.ids, choice.period.first, choice.period.last)
    unit, rows = charts.bars_of(days, choice.today)
    title = f"Hours a {unit}"
    return {
        "title": title,
        "svg": _both(lambda width: charts.bars(rows, title, width, height)),
        "rows": rows,
        "estimated": any(row.ms_estimated for row in rows),
        "at_least": any(row.is_at_least for row in rows),
    }


def _calendar(look: Look, choice: Choice, year: int) -> Markup:
    first, last = date(year, 1, 1), date(year, 12, 31)
    days = look.days(choice.ids, first, last)
    return charts.calendar(days, first, last, f"Time listened on each day of {year}")


def _clock(look: Look, choice: Choice) -> dict[str, Any]:
    if choice.period.before is None:
        counts = look.clock_of_all_time(choice.ids)
    else:
        counts = look.clock(choice.ids, choice.period.first, choice.period.last)
    most = max(counts, key=lambda when: (counts[when], when), default=None)
    names = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")
    title = "Plays by day of the week and hour"
    return {
        "svg": charts.clock(counts, title, charts.NARROW),
        "most": f"{names[most[0] - 1]} at {most[1]}:00" if most else None,
    }


def _both(draw: Any) -> Markup:
    """A chart for a wide window and one for a phone, of which the page shows one."""
    return Markup('<div class="wide">{}</div><div class="narrow">{}</div>').format(
        draw(charts.WIDE), draw(charts.NARROW)
    )


def in_spotify(uri: str | None) -> str | None:
    """The address that opens it in Spotify."""
    words = (uri or "").split(":")
    if len(words) == 3 and words[2].isalnum() and words[1].isalpha():  # noqa: PLR2004
        return f"https://open.spotify.com/{words[1]}/{words[2]}"
    return None
