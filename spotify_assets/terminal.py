"""What commands show to a person: tables, stations, a sign that something takes its time.

All text that came from Spotify passes `_printable`: a title must not steer a terminal.
"""

import logging
import os
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from spotify_assets import times
from spotify_assets.settings import Settings
from spotify_assets.spotify.login_life import ALARM, WARNING, login_life

if TYPE_CHECKING:
    from sqlalchemy import Row

    from spotify_assets.defs.refreshing import Refresh
    from spotify_assets.spotify.state import Account
    from spotify_assets.warehouse.loading import Receipt
    from spotify_assets.warehouse.quarantine import QuarantinedRow
    from spotify_assets.warehouse.standing import Standing
    from spotify_assets.warehouse.tracing import Trace

SPINNER_PER_SECOND = 12.5
SCREEN_COLUMNS, SCREEN_LINES = 80, 24


def show_accounts(accounts: "Collection[Account]", zone: str) -> None:
    """The accounts with their logins, times on the zone's clock."""
    _table(
        ("Account", "Name on Spotify", "Authorised", "Login ends", "Last look"),
        (
            (
                account.account_id,
                account.display_name or "",
                (account.authorized_at or "never")[:10],
                "refused" if account.needs_login else (account.login_ends_at or "")[:10],
                times.local(account.last_look_at, zone) if account.last_look_at else "never",
            )
            for account in accounts
        ),
        whole=("Authorised", "Login ends", "Last look"),
    )
    for account in accounts:
        life = login_life(account, times.now())
        if life and life.warning:
            click.secho(_printable(life.warning), fg="red" if life.days_left <= ALARM else "yellow")
        if account.last_look_error and not account.needs_login:  # which says the same
            click.echo(f"{_printable(account.account_id)}: {_printable(account.last_look_error)}")


def warn_of_logins(accounts: "Iterable[Account]") -> None:
    """Say on standard error whose login ends within the week; what has ended, a look says."""
    for account in accounts:
        life = login_life(account, times.now())
        if life and life.warning and 0 < life.days_left <= WARNING:
            click.echo(f"Warning: {_printable(life.warning)}", err=True)


def show_plays(plays: "Iterable[Row[Any]]", zone: str) -> None:
    """Plays (columns of `Warehouse.newest_plays`), times on the zone's clock."""
    from spotify_assets.warehouse.tracing import PLAY_ID_LENGTH

    _table(
        ("Ended", "Account", "Track", "Artist", "Play id"),
        (
            (
                times.local(play.played_at, zone),
                play.account_id,
                play.track_name,
                play.artist_name,
                play.row_key[:PLAY_ID_LENGTH],
            )
            for play in plays
        ),
        whole=("Ended", "Play id"),
    )


def show_status(found: "Standing", zone: str) -> None:
    """How things stand, within 80 columns and, for up to five accounts, 24 lines."""
    if not found.accounts:
        click.echo("No account yet. Run: spotify-assets login")
    else:
        _table(
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
                    account.account_id,
                    _short(account.last_look_at, zone),
                    _short(account.last_play_at, zone),
                    _span(account.lag_seconds),
                    f"{account.open_gaps:,}",
                    f"{account.max_lost_plays:,}",
                    f"{account.quarantined_rows:,}",
                    "ended"
                    if account.login_days_left == 0
                    else (account.login_ends_at or "")[5:10],
                )
                for account in found.accounts
            ),
            whole=("Last look", "Last play", "Lag", "Gaps", "At most", "Quarantine", "Login to"),
        )
    lines = []
    blocked = next((account for account in found.accounts if account.blocked_until), None)
    if blocked:  # the app is, so all accounts are
        until, why = _short(blocked.blocked_until, zone), _printable(blocked.blocked_because)
        lines.append(f"Spotify asks not to be called until {until}: {why}"[:SCREEN_COLUMNS])
    if found.accounts and (found.has_news or found.models_are_behind):
        lines.append("New plays are on their way, or wait for: spotify-assets refresh")
    if found.daemon_is_running:
        today = _short(times.now_text(), zone)[:6]
        ticks = (
            f"{name} {_short(at, zone).removeprefix(today)}"
            for name, at in found.next_ticks.items()
        )
        lines.append("Next: " + ", ".join(ticks))
    else:
        lines.append("Nothing runs by itself: spotify-assets dev, or have cron call refresh")
    lines.append(f"Last backup: {_short(found.last_backup_at, zone)}")
    sizes = ", ".join(
        f"{name} {_megabytes(size)}" for name, size in found.disk_use.items() if name != "total"
    )
    lines.append(f"On disk: {_megabytes(found.disk_use['total'])} MB ({sizes})")
    _show_findings(found, zone, room=SCREEN_LINES - len(found.accounts) - len(lines) - 2)
    click.echo("\n".join(lines))


def _show_findings(found: "Standing", zone: str, room: int) -> None:
    """What is wrong, in as many lines as there is room for; gaps are in the table already."""
    from spotify_assets.warehouse.health import verdicts

    findings = [
        (_printable(finding), "red" if verdict.urgent else "yellow")
        for name, verdict in verdicts(found.accounts, zone).items()
        if name != "coverage" or verdict.urgent
        for finding in verdict.findings
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
    """UTC text as day and minute on the zone's clock."""
    return times.local(text, zone)[5:16] if text else "never"


def _span(seconds: int | None) -> str:
    if seconds is None:
        return ""
    minutes = seconds // 60
    return f"{minutes} min" if minutes < 2 * 60 else f"{minutes // 60} h"


def _megabytes(size: int) -> str:
    return f"{size / 1_000_000:,.1f}"


def show_refresh(done: "Refresh", settings: Settings) -> None:
    """Say what a refresh came to, for a person."""
    if not done.looks:
        click.echo("No account is logged in. Run: spotify-assets login")
    if done.run_id is None and any(look.error for look in done.looks):
        return  # what could not be asked is not known to be old
    if done.run_id is None:
        from spotify_assets.warehouse.pending import no_news
        from spotify_assets.warehouse.warehouse import Warehouse

        click.echo(no_news(Warehouse(settings.warehouse_path), settings.timezone))
        return
    for account, receipt in done.receipts.items():
        click.echo(f"{account}: {receipt}")
    if done.models:
        rows = ", ".join(f"{model} {count:,}" for model, count in sorted(done.models.items()))
        click.echo(f"Models, in rows: {rows}")
    click.echo(f"Checks: {done.checks_passed} passed, {len(done.checks_failed)} did not")
    for check in done.checks_failed:
        click.echo(f"  did not pass: {check}")
    click.echo(str(done.receipt))


def show_trace(found: "Trace") -> None:
    """The stations of a play, from the fact back to the account."""

    def station(title: str, values: dict[str, Any] | None, missing: str) -> None:
        click.secho(title, bold=True)
        if values is None:
            click.echo(f"  {missing}")
        for name, value in (values or {}).items():
            if value is not None:
                click.echo(f"  {name:<24} {_printable(value)}")

    station(
        "Play (fct_plays)",
        found.play,
        "Not in the models: built before it came, or folded into the play of the same track "
        "that ended up to two seconds earlier.",
    )
    station("Raw row (raw_recently_played)", found.raw, "")
    station("Load (loads)", found.load, "")
    page = (
        None
        if found.page is None
        else {
            "page_id": found.page.page_id,
            "landed_at": found.page.landed_at,
            "answered_at": found.page.answered_at,
            "items": found.items_on_page(),
        }
    )
    station("Landed page (state.db)", page, "No longer kept.")
    account = (
        None
        if found.account is None
        else {
            name: value
            for name, value in asdict(found.account).items()
            if name != "last_look_error"
        }
    )
    station("Account (state.db)", account, "Not known here any more.")


def show_quarantine(rows: "Collection[QuarantinedRow]", zone: str) -> None:
    """The rows that wait in quarantine, times on the zone's clock."""
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    console = Console()
    for row in rows:
        title = _printable(f"{row.quarantine_id}  {row.track_name or '(no name)'}")
        console.print(Text(title, style="bold", no_wrap=True, overflow="ellipsis"))
        ended = f"ended {times.local(row.played_at, zone)}" if row.played_at else "no time"
        first, last = (times.local(text, zone) for text in (row.first_seen_at, row.last_seen_at))
        for line in (
            f"{row.account_id}, {ended}",
            f"seen {row.times_seen:,} times, {first} to {last}"
            if row.times_seen > 1
            else f"seen once, {first}",
            *_plain(row.reasons),
        ):
            console.print(Padding(Text(_printable(line)), (0, 0, 0, 4), expand=False))
    if rows:
        click.echo(
            f"{len(rows):,} in quarantine. After an upgrade: spotify-assets quarantine retry"
        )
    else:
        click.echo("Nothing is in quarantine.")


def show_retry(receipts: "dict[str, Receipt]", total: "Receipt") -> None:
    """Say what a retry of the quarantine came to, for a person."""
    for account, receipt in receipts.items():
        click.echo(f"{_printable(account)}: {receipt}")
    if total.rows_loaded:
        click.echo("Next: spotify-assets refresh models the rows that were loaded.")
    elif total.rows_quarantined:
        click.echo("Why they stay: spotify-assets quarantine")
    else:
        click.echo("Nothing is in quarantine.")
    click.echo(str(total))


def _plain(reasons: Iterable[str]) -> Iterator[str]:
    """Reasons ("column: fault") for a person: each fault once, with all it was found in."""
    columns: dict[str, list[str]] = {}
    for reason in reasons:
        column, _, fault = reason.rpartition(": ")
        columns.setdefault(fault, []).append(column.replace("_", " "))
    for fault, names in columns.items():
        yield f"{', '.join(names)}: {fault}"


@contextmanager
def working(what: str) -> Iterator[None]:
    """Show that something takes its time, and whom it waits for.

    On a copy of standard error, since the real one goes to a log file while dbt prints. What is
    printed meanwhile goes where it was sent: by default rich would take it into the terminal.
    """
    from rich.console import Console
    from rich.live import Live
    from rich.logging import RichHandler
    from rich.spinner import Spinner

    with os.fdopen(os.dup(2), "w", encoding="utf-8") as stderr:
        console = Console(file=stderr)
        handler = RichHandler(console=console, show_time=False, show_level=False, show_path=False)
        logger = logging.getLogger("spotify_assets")
        logger.addHandler(handler)
        try:
            with Live(
                Spinner("dots", what),
                console=console,
                transient=True,
                refresh_per_second=SPINNER_PER_SECOND,
                redirect_stdout=False,
                redirect_stderr=False,
            ):
                yield
        finally:
            logger.removeHandler(handler)


def _table(
    columns: Iterable[str], rows: Iterable[Iterable[str]], whole: Collection[str] = ()
) -> None:
    """A table as wide as the terminal; columns in `whole` are never cut."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    lines = [[_printable(text) for text in row] for row in rows]
    table = Table(box=None, header_style="bold")
    for name in columns:
        table.add_column(name, no_wrap=name in whole)
    for line in lines:
        # Text takes no markup, and each line stays one line whatever the terminal's width.
        table.add_row(*(Text(text, no_wrap=True, overflow="ellipsis") for text in line))
    Console().print(table)


def _printable(value: object) -> str:
    """Text without control characters."""
    return "".join(character if character.isprintable() else " " for character in str(value))
