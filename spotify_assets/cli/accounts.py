"""`login` and `accounts`: who is connected, how long that lasts, on which clock their days are."""

import json
from collections.abc import Collection, Iterable
from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING

import click

from spotify_assets import times
from spotify_assets.cli.output import json_option, printable, show_table, working
from spotify_assets.settings import Settings
from spotify_assets.spotify.login_life import ALARM, WARNING, login_life

if TYPE_CHECKING:
    from spotify_assets.spotify.state import Account
    from spotify_assets.warehouse.zones import Stay


@click.command()
@click.option("--account", metavar="NAME", help="The account's name here [Spotify's user id].")
def login(account: str | None) -> None:
    """Connect a Spotify account; once more mends a login that ended.

    \b
    Examples:
      spotify-assets login
      spotify-assets login --account kitchen
    """
    from spotify_assets.spotify.login import login as log_in
    from spotify_assets.spotify.state import State
    from spotify_assets.spotify.token_store import TokenStore

    settings = Settings.load()
    settings.make_data_folder()
    connected = log_in(
        settings,
        State(settings.state_path),
        TokenStore(settings.tokens),
        account_id=account,
        tell=click.echo,
    )
    click.echo(
        f"Connected {connected.account_id}. Spotify ends this login on "
        f"{(connected.login_ends_at or '')[:10]}.\nNext: spotify-assets refresh"
    )


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def accounts(context: click.Context, as_json: bool) -> None:
    """List the accounts, when their logins end, and their last looks.

    \b
    Examples:
      spotify-assets accounts
      spotify-assets accounts --json
      spotify-assets accounts timezone mira Europe/Berlin
    """
    if context.invoked_subcommand is not None:
        context.obj = as_json
        return
    from spotify_assets.spotify.state import State

    settings = Settings.load()
    known = State(settings.state_path).accounts()
    if as_json:
        lives = [login_life(account, times.now()) for account in known]
        click.echo(
            json.dumps(
                {
                    "accounts": [
                        {
                            **asdict(account),
                            "login_days_left": life and life.days_left,
                            "login_warning": life and life.warning,
                        }
                        for account, life in zip(known, lives, strict=True)
                    ]
                }
            )
        )
    elif not known:
        click.echo("No account yet. Run: spotify-assets login")
    else:
        show_accounts(known, settings.timezone)


def _checked_zone(
    _context: click.Context, _parameter: click.Parameter, zone: str | None
) -> str | None:
    from spotify_assets.warehouse.zones import check_zone

    try:
        if zone is not None:
            check_zone(zone)
    except ValueError as error:
        raise click.BadParameter(printable(error)) from None
    return zone


def _checked_day(
    _context: click.Context, _parameter: click.Parameter, text: str | None
) -> date | None:
    from spotify_assets.warehouse.zones import check_day

    if text is None:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:  # weeks, and dates without hyphens
        raise click.BadParameter(printable(f"{text!r} is no date. Write it as in 2026-05-01."))
    try:
        check_day(day)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    return day


@accounts.command()
@click.argument("account", metavar="NAME")
@click.argument("zone", metavar="ZONE", required=False, callback=_checked_zone)
@click.option(
    "--from",
    "day",
    metavar="DATE",
    callback=_checked_day,
    help="The first day there, YYYY-MM-DD [the whole time].",
)
@json_option
@click.pass_context
def timezone(
    context: click.Context, account: str, zone: str | None, day: date | None, as_json: bool
) -> None:
    """Say in which time zone an account's days are, or since when, after a move.

    Without a zone, show what was said.

    A move lasts until the next one that is known; tell of going away before coming back. The same
    day again replaces its move, and with the zone before it takes it back. The next refresh then
    builds all models anew.

    \b
    Examples:
      spotify-assets accounts timezone mira
      spotify-assets accounts timezone mira Europe/Berlin
      spotify-assets accounts timezone mira America/New_York --from 2026-05-01
      spotify-assets accounts timezone mira Europe/Berlin --from 2026-08-15
    """
    from spotify_assets.warehouse.backups.migrating import bring_up_to_date
    from spotify_assets.warehouse.importing import known_accounts
    from spotify_assets.warehouse.lock import writing
    from spotify_assets.warehouse.pending import has_unmodelled_loads
    from spotify_assets.warehouse.warehouse import Warehouse
    from spotify_assets.warehouse.zones import set_zone, stays_of

    settings = Settings.load()
    known = sorted(known_accounts(settings))
    if account not in known:
        here = f"Here are: {', '.join(known)}." if known else "Run: spotify-assets login"
        raise click.UsageError(printable(f"There is no account {account!r}. {here}"))
    warehouse = Warehouse(settings.warehouse_path)
    if zone is None and day is not None:
        raise click.UsageError("Say which zone it was from that day on.")
    if zone is None:
        stays, before = stays_of(warehouse, account), None
    else:
        with (
            working("Setting the time zone"),
            writing(settings.locks, "a change of an account's time zone"),
        ):
            bring_up_to_date(settings)
            change = set_zone(warehouse.writer(), account, zone, day, settings.timezone)
        stays, before = change.stays, change.before
    if as_json or context.obj:
        zones = [asdict(stay) for stay in stays]
        click.echo(json.dumps({"account_id": account, "zones": zones}))
        return
    if stays == before:
        click.echo(f"Nothing changes: the days of {printable(account)} are there already.")
    elif day is None and before and len(before) > 1:
        click.echo("For the whole time, so these moves are taken back:")
        show_stays(before)
    show_stays(stays)
    if zone and change.has_loads and has_unmodelled_loads(warehouse):
        click.echo("Next: spotify-assets refresh")


def show_stays(stays: "Iterable[Stay]") -> None:
    """Since when an account is in which zone, for a person."""
    rows = [(times.local(stay.valid_from, stay.zone), stay.zone) for stay in stays]
    if not rows:
        click.echo("None yet: the zone of the settings or this machine is fixed at the first load.")
        return
    show_table(("From", "Time zone"), [("the beginning", rows[0][1]), *rows[1:]], whole=("From",))


def show_accounts(accounts: "Collection[Account]", zone: str) -> None:
    """The accounts with their logins, times on the zone's clock."""
    show_table(
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
            click.secho(printable(life.warning), fg="red" if life.days_left <= ALARM else "yellow")
        if account.last_look_error and not account.needs_login:  # which says the same
            click.echo(f"{printable(account.account_id)}: {printable(account.last_look_error)}")


def warn_of_logins(accounts: "Iterable[Account]") -> None:
    """Say on standard error whose login ends within the week; what has ended, a look says."""
    for account in accounts:
        life = login_life(account, times.now())
        if life and life.warning and 0 < life.days_left <= WARNING:
            click.echo(f"Warning: {printable(life.warning)}", err=True)
