"""`top`: what was played most, in the terminal."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from spotify_assets import times
from spotify_assets.cli.output import json_option, show_table
from spotify_assets.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spotify_assets.outputs.marts.rankings import Ranked

KINDS = ("artists", "tracks", "albums", "podcasts")


@click.command()
@click.argument("kind", type=click.Choice(KINDS))
@click.option(
    "--period",
    default="28",
    show_default=True,
    metavar="PERIOD",
    help="7, 28, 90 or 365 days, month, year, 2026, 2026-03, all, 2026-03-01..2026-03-15.",
)
@click.option("--account", metavar="NAME", help="Only the plays of this account [all].")
@click.option("--by", type=click.Choice(["plays", "time"]), default="plays", show_default=True)
@click.option("--limit", default=10, show_default=True, type=click.IntRange(1, 1000))
@json_option
def top(kind: str, period: str, account: str | None, by: str, limit: int, as_json: bool) -> None:
    """Show what was played most in a period, and where it stood in the period before.

    \b
    Examples:
      spotify-assets top artists
      spotify-assets top tracks --period year --account mira --by time
      spotify-assets top albums --period 2026-03 --json | jq '.rows[0]'
    """
    from spotify_assets.cli.accounts import account_named
    from spotify_assets.outputs import figures
    from spotify_assets.outputs.marts import rankings, sums
    from spotify_assets.outputs.marts.look import Kind, Marts
    from spotify_assets.outputs.periods import period as period_of

    settings = Settings.load()
    figures.use(settings.locale)
    account_id = account and account_named(settings, account)
    today = times.now().astimezone(ZoneInfo(settings.timezone)).date()
    try:
        span = period_of(period, today)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="'--period'") from None
    with Marts(settings.warehouse_path).look() as look:
        if look is None:
            raise click.ClickException("Nothing is modelled yet. Run: spotify-assets refresh")
        accounts = [each.account_id for each in look.accounts()]
        accounts = [account_id] if account_id else accounts
        totals = sums.totals(look, accounts, span.first, span.last)
        by_time = by == "time"
        rows = rankings.top(
            look,
            Kind(kind),
            accounts,
            span.first,
            span.last,
            before=span.before,
            by_time=by_time,
            limit=limit,
        )
    if as_json:
        found = {
            "kind": kind,
            "by": by,
            "first": str(span.first),
            "last": str(span.last),
            "accounts": accounts,
            "days_at_least": totals.days_at_least,
            "rows": [asdict(row) for row in rows],
        }
        click.echo(json.dumps(found))
        return
    days = f" ({figures.day(span.first)} to {figures.day(span.last)})"
    click.echo(f"Top {kind}, {span.title}{'' if '..' in span.name else days}")
    if totals.days_at_least:
        days_at_least = figures.number(totals.days_at_least)
        lacking = f"{days_at_least} {'day' if totals.days_at_least == 1 else 'days'}"
        click.secho(f"At least: plays may be missing on {lacking}.", fg="yellow")
    if rows:
        show_top(kind, rows, by_time=by_time, compared=span.before is not None)
    else:
        click.echo("Nothing was played.")


def show_top(kind: str, rows: "Sequence[Ranked]", *, by_time: bool, compared: bool) -> None:
    """A ranking with a bar for each line, and what changed since the period before."""
    from spotify_assets.outputs import figures

    amounts = [row.ms_played if by_time else row.plays for row in rows]
    most = max(amounts) or 1
    show_table(
        ("", kind[:-1].capitalize(), "", "Time" if by_time else "Plays", "Change"),
        (
            (
                f"{row.rank:>3}",
                (row.name or "(no name)") + (f", {row.subtitle}" if row.subtitle else ""),
                figures.bar(amount, most),
                f"{figures.duration(amount) if by_time else figures.number(amount):>8}",
                change(row) if compared else "",
            )
            for row, amount in zip(rows, amounts, strict=True)
        ),
        whole=("", "Time", "Plays", "Change"),
    )


def change(row: "Ranked") -> str:
    """Where it stood before, as in ▲ 3."""
    if row.is_new:
        return "new"
    if row.rank_before is None:
        return "back"
    moved = row.rank_before - row.rank
    return f"{'▲' if moved > 0 else '▼'} {abs(moved)}" if moved else ""
