"""`status`: how things stand, on one screen."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from spotify_assets import times
from spotify_assets.cli.output import json_option, megabytes, printable, show_table
from spotify_assets.settings import Settings

if TYPE_CHECKING:
    from spotify_assets.warehouse.standing import Standing

SCREEN_COLUMNS, SCREEN_LINES = 80, 24


@click.command()
@json_option
def status(as_json: bool) -> None:
    """Show on one screen how things stand: looks, plays, gaps, logins, what comes next, sizes.

    \b
    Example, for a monitor:
      spotify-assets status --json | jq '.accounts[] | {account_id, blind_since, max_lost_plays}'
    """
    from spotify_assets.warehouse.standing import standing

    settings = Settings.load()
    found = standing(settings)
    if as_json:
        click.echo(json.dumps(asdict(found)))
    else:
        show_status(found, settings.timezone)


def show_status(found: "Standing", zone: str) -> None:
    """How things stand, within 80 columns and, for up to five accounts, 24 lines."""
    if not found.accounts:
        click.echo("No account yet. Run: spotify-assets login")
    else:
        show_table(
            (
                "Account",
                "Last look",
                "Last play",
                "Lag",
                "Gaps",
                "At most",
                "Quarantine",
                "Login to",
            ),
            (
                (
                    account.name,
                    _short(account.last_look_at, zone),
                    _short(account.last_play_at, zone),
                    _span(account.lag_seconds),
                    f"{account.open_gaps:,}",
                    f"{account.max_lost_plays:,}",
                    f"{account.quarantined_rows:,}",
                    "ended"
                    if account.login_days_left == 0
                    else (account.login_ends_at or "none")[:10],
                )
                for account in found.accounts
            ),
            whole=("Last look", "Last play", "Lag", "Gaps", "At most", "Quarantine", "Login to"),
        )
    lines = []
    blocked = next((account for account in found.accounts if account.blocked_until), None)
    if blocked:  # the app is, so all accounts are
        until, why = _short(blocked.blocked_until, zone), printable(blocked.blocked_because)
        lines.append(f"Spotify asks not to be called until {until}: {why}"[:SCREEN_COLUMNS])
    if found.accounts and (found.has_news or found.models_are_behind):
        lines.append("New plays are on their way, or wait for: spotify-assets refresh")
    if found.accounts:
        lines.append(_polling(found, zone))
    if found.daemon_is_running:
        today = _short(times.now_text(), zone)[:6]
        ticks = [
            f"{name} {_short(at, zone).removeprefix(today)}"
            for name, at in sorted(found.next_ticks.items(), key=lambda tick: tick[1])
        ]
        while len(line := "Next: " + ", ".join(ticks)) > SCREEN_COLUMNS:
            ticks.pop()
        lines.append(line)
    lines += _backup_lines(found, zone)
    sizes = ", ".join(
        f"{name} {megabytes(size)}" for name, size in found.disk_use.items() if name != "total"
    )
    lines.append(f"On disk: {megabytes(found.disk_use['total'])} MB ({sizes})")
    _show_findings(found, zone, room=SCREEN_LINES - len(found.accounts) - len(lines) - 2)
    click.echo("\n".join(lines))


def _polling(found: "Standing", zone: str) -> str:
    """By what the accounts are polled, and when they last were."""
    last = f"last poll {_short(found.last_poll_at, zone)}"
    if found.polled_by:
        return f"Polled by {' and '.join(found.polled_by)}; {last}"
    return f"Nothing polls ({last}). Next: spotify-assets schedule install"


def _backup_lines(found: "Standing", zone: str) -> list[str]:
    drill, tried = found.last_drill, "never"
    if drill:
        tried = f"{_short(drill.drilled_at, zone)}, {'FAILED' if drill.fault else 'passed'}"
    lines = [f"Last backup: {_short(found.last_backup_at, zone)}; last restore drill: {tried}"]
    plays = found.plays_in_no_backup
    in_none = f"{plays:,} {'play is' if plays == 1 else 'plays are'} in no backup"
    if found.last_backup_at is None:
        advice = "; make one: spotify-assets backup" if plays else ""
    else:
        advice = "" if found.backups_are_elsewhere else "; copy the backups elsewhere"
    lines.append(f"If this disk died now: {in_none}{advice}")
    return lines


def _show_findings(found: "Standing", zone: str, room: int) -> None:
    """What is wrong, in as many lines as there is room for; gaps are in the table already."""
    from spotify_assets.warehouse.standing import findings as all_findings

    findings = [
        (printable(each.text), "red" if each.is_urgent else "yellow")
        for each in all_findings(found, zone)
    ]
    needed = [-(-len(text) // SCREEN_COLUMNS) for text, _ in findings]
    lines_each = next((n for n in (4, 3, 2) if sum(min(n, lines) for lines in needed) <= room), 1)
    shown = findings if len(findings) <= room else findings[: room - 1]
    for text, colour in shown:
        longest = lines_each * SCREEN_COLUMNS
        click.secho(text if len(text) <= longest else text[: longest - 1] + "…", fg=colour)
    if len(shown) < len(findings):
        click.echo(f"… and {len(findings) - len(shown)} more: spotify-assets status --json")


def _short(text: str | None, zone: str) -> str:
    """UTC text as day and minute on the zone's clock; the date where it is of another year."""
    if not text:
        return "never"
    local = times.local(text, zone)
    return local[5:16] if local[:4] == times.local(times.now_text(), zone)[:4] else local[:10]


def _span(seconds: int | None) -> str:
    if seconds is None:
        return ""
    minutes = seconds // 60
    return f"{minutes} min" if minutes < 2 * 60 else f"{minutes // 60} h"
