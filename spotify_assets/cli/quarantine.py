"""`quarantine`: the rows that broke the contract; try them again, or dismiss them."""

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from spotify_assets import times
from spotify_assets.cli.output import json_option, printable, working
from spotify_assets.settings import Settings

if TYPE_CHECKING:
    from spotify_assets.warehouse.loading import Receipt
    from spotify_assets.warehouse.quarantine import QuarantinedRow


@click.group(invoke_without_command=True)
@click.option("--dismissed", is_flag=True, help="Show the rows that were dismissed, too.")
@json_option
@click.pass_context
def quarantine(context: click.Context, dismissed: bool, as_json: bool) -> None:
    """List the rows that broke the contract and wait, with every reason.

    \b
    Examples:
      spotify-assets quarantine
      spotify-assets quarantine --json
      spotify-assets quarantine retry     after an upgrade that accepts more
      spotify-assets quarantine dismiss 7 8 --why "a bad file of 2019"
    """
    if context.invoked_subcommand is not None:
        context.obj = as_json
        return
    from spotify_assets.warehouse.quarantine import waiting_rows
    from spotify_assets.warehouse.warehouse import Warehouse

    settings = Settings.load()
    waiting = waiting_rows(Warehouse(settings.warehouse_path))
    if as_json:
        rows = [{**asdict(row), "payload": row.item} for row in waiting]
        click.echo(json.dumps({"quarantined_rows": rows}))
    else:
        show_quarantine(waiting, settings.timezone, dismissed=dismissed)


@quarantine.command()
@click.argument("rows", metavar="ROW...", nargs=-1, type=click.IntRange(1, 2**63 - 1))
@click.option("--all", "all_rows", is_flag=True, help="Dismiss all rows that wait.")
@click.option("--why", required=True, metavar="TEXT", help="Why; it is shown with the rows.")
@json_option
@click.pass_context
def dismiss(
    context: click.Context, rows: tuple[int, ...], all_rows: bool, why: str, as_json: bool
) -> None:
    """Accept that rows stay in quarantine: the check `contract` warns about them no more.

    ROW is the number before the name in the list. The rows still count as quarantined, and a gap
    that they keep open stays open. `quarantine retry` undoes it.

    \b
    Examples:
      spotify-assets quarantine dismiss 7 8 --why "a bad file of 2019"
      spotify-assets quarantine dismiss --all --why "Spotify will not mend these"
    """
    from spotify_assets.warehouse.quarantine import dismiss as dismiss_rows

    if bool(rows) == all_rows:
        raise click.UsageError("Name the rows to dismiss, or add --all.")
    settings = Settings.load()
    settings.make_data_folder()
    try:
        with working("Dismissing"):
            dismissed = dismiss_rows(settings, None if all_rows else set(rows), why)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if as_json or context.obj:
        click.echo(json.dumps({"rows_dismissed": dismissed}))
        return
    click.echo(
        f"Dismissed {_rows(dismissed)}. What was dismissed still counts as quarantined, and its "
        "gaps stay open.\nTo undo: spotify-assets quarantine retry"
    )


def _rows(count: int) -> str:
    return f"{count:,} {'row' if count == 1 else 'rows'}"


@quarantine.command()
@json_option
@click.pass_context
def retry(context: click.Context, as_json: bool) -> None:
    """Put all that waits through today's contract again; what it accepts is loaded.

    It undoes dismissals, too.

    \b
    Example, after an upgrade:
      spotify-assets quarantine retry
      spotify-assets refresh
    """
    from spotify_assets.warehouse.loading import Receipt
    from spotify_assets.warehouse.quarantine import retry as try_again

    settings = Settings.load()
    settings.make_data_folder()
    with working("Checking again what waits in quarantine"):
        receipts = try_again(settings)
    total = sum(receipts.values(), Receipt())
    if as_json or context.obj:
        each = [{"account_id": name, **asdict(part)} for name, part in receipts.items()]
        click.echo(json.dumps({**asdict(total), "accounts": each}))
    else:
        show_retry(receipts, total)


def show_quarantine(
    rows: "Collection[QuarantinedRow]", zone: str, *, dismissed: bool = False
) -> None:
    """The rows that wait in quarantine, times on the zone's clock.

    Args:
        dismissed: show those that were dismissed, too.
    """
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    console = Console()
    waiting = [row for row in rows if row.dismissed_at is None]
    for row in rows if dismissed else waiting:
        title = printable(f"{row.quarantine_id}  {row.track_name or '(no name)'}")
        console.print(Text(title, style="bold", no_wrap=True, overflow="ellipsis"))
        ended = f"ended {times.local(row.played_at, zone)}" if row.played_at else "no time"
        first, last = (times.local(text, zone) for text in (row.first_seen_at, row.last_seen_at))
        seen = f"{row.times_seen:,} times" if row.times_seen > 1 else "once"
        for line in (
            f"{row.account_id}, {ended}",
            f"seen {seen}, {first if first == last else f'{first} to {last}'}",
            *_plain(row.reasons),
            *_dismissal(row, zone),
        ):
            console.print(Padding(Text(printable(line)), (0, 0, 0, 4), expand=False))
    if not rows:
        click.echo("Nothing is in quarantine.")
        return
    count = len(rows) - len(waiting)
    hint = "" if dismissed else "; they are shown by: spotify-assets quarantine --dismissed"
    of_these = f" {count:,} of them dismissed{hint}." if count else ""
    click.echo(f"{len(rows):,} in quarantine.{of_these}")
    if waiting:
        click.echo(
            "After an upgrade: spotify-assets quarantine retry\n"
            'To accept that they stay: spotify-assets quarantine dismiss --all --why "…"'
        )


def _dismissal(row: "QuarantinedRow", zone: str) -> Iterator[str]:
    if row.dismissed_at is not None:
        yield f"dismissed {times.local(row.dismissed_at, zone)}: {row.dismissed_why}"


def _plain(reasons: Iterable[str]) -> Iterator[str]:
    """Reasons ("column: fault") for a person: each fault once, with all it was found in."""
    columns: dict[str, list[str]] = {}
    for reason in reasons:
        column, _, fault = reason.rpartition(": ")
        columns.setdefault(fault, []).append(column.replace("_", " "))
    for fault, names in columns.items():
        yield f"{', '.join(names)}: {fault}"


def show_retry(receipts: "dict[str, Receipt]", total: "Receipt") -> None:
    """Say what a retry of the quarantine came to, for a person."""
    for account, receipt in receipts.items():
        click.echo(f"{printable(account)}: {receipt}")
    if total.rows_loaded:
        click.echo("Next: spotify-assets refresh models the rows that were loaded.")
    elif total.rows_quarantined:
        click.echo("Why they stay: spotify-assets quarantine")
    else:
        click.echo("Nothing is in quarantine.")
    click.echo(str(total))
