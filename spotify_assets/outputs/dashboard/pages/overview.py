"""The first page: a period against the one before, and what came last."""

from typing import Any

from spotify_assets import times
from spotify_assets.outputs import figures
from spotify_assets.outputs.dashboard.choice import Choice
from spotify_assets.outputs.dashboard.pages import parts
from spotify_assets.outputs.marts import plays, stories, sums
from spotify_assets.outputs.marts.look import Kind, Look
from spotify_assets.outputs.marts.stories import Streak
from spotify_assets.outputs.marts.sums import Totals
from spotify_assets.warehouse.health import all_verdicts

SHORT, NEWEST = 6, 7


def overview(look: Look, choice: Choice) -> dict[str, Any]:
    """The figures of a period, against the period before; its days, its tops, what came last."""
    period, accounts = choice.period, choice.ids
    totals = sums.totals(look, accounts, period.first, period.last)
    before = sums.totals(look, accounts, *period.before) if period.before else None
    return {
        "findings": [
            finding
            for name, verdict in all_verdicts(choice.settings).items()
            if name != "coverage"  # which is said where it matters
            for finding in verdict.findings
        ],
        "totals": totals,
        "new_artists": stories.new_artists(look, accounts, period.first, period.last),
        "streak": _streak(look, choice),
        "days": parts.days(look, choice, 380),
        "tops": [
            (kind, parts.TITLES[kind], parts.ranked(look, choice, kind, SHORT))
            for kind in (Kind.ARTISTS, Kind.TRACKS, Kind.ALBUMS)
        ],
        "newest": [
            (play, figures.ago(play.ended_at, times.now(), choice.clock))
            for play in plays.newest(look, accounts, NEWEST)
        ],
        "change": _change(totals, before),
        "year": parts.calendar(look, choice, choice.today.year),
        "clock": parts.clock(look, choice),
        "anniversaries": stories.on_this_day(look, accounts, choice.today),
        "milestone": stories.milestone(look, choice.one) if choice.one else None,
    }


def _streak(look: Look, choice: Choice) -> tuple[Streak | None, Streak] | None:
    """The streak that goes on, and the longest; None without any, or of several accounts."""
    streaks = stories.streaks(look, choice.one) if choice.one else []
    if not streaks:
        return None
    on = next((each for each in streaks if each.last >= choice.today - parts.DAY), None)
    return on, streaks[0]


def _change(totals: Totals, before: Totals | None) -> dict[str, str]:
    if before is None:
        return {}
    return {
        name: figures.change(getattr(totals, name), getattr(before, name))
        for name in ("plays", "ms_played", "artists", "tracks")
    }
