"""`login`, `logout` and `accounts`: who is connected, and what can be changed of an account."""

import json
from collections.abc import Collection, Iterable, Mapping
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
    from spotify_assets.warehouse.accounts import Holdings
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
    from spotify_assets.warehouse.accounts import known_as

    settings = Settings.load()
    settings.make_data_folder()
    connected = log_in(
        settings,
        State(settings.state_path),
        TokenStore(settings.tokens),
        account_id=account and known_as(settings, account),
        tell=click.echo,
    )
    click.echo(
        f"Connected {connected.account_id}. Spotify ends this login on "
        f"{(connected.login_ends_at or '')[:10]}.\nNext: spotify-assets refresh"
    )


@click.command()
@click.argument("account", metavar="NAME")
@json_option
def logout(account: str, as_json: bool) -> None:
    """Remove an account's login from this machine; keep everything that was collected.

    \b
    Example:
      spotify-assets logout mira
    """
    from spotify_assets.spotify.state import State
    from spotify_assets.spotify.token_store import TokenStore

    settings = Settings.load()
    account_id = account_named(settings, account)
    # The token first: a kill between the two leaves an account that asks for a login.
    was_logged_in = TokenStore(settings.tokens).remove(account_id)
    State(settings.state_path).log_out(account_id)
    if as_json:
        click.echo(json.dumps({"account_id": account_id, "was_logged_in": was_logged_in}))
        return
    name = printable(account_id)
    if not was_logged_in:
        click.echo(f"{name} is not logged in.")
        return
    click.echo(
        f"Logged out {name}. Its plays stay, and no new ones are collected.\n"
        "Spotify still lists the app until you remove its access: spotify.com/account/apps"
    )


def account_named(settings: Settings, name: str) -> str:
    """The id of the account of this name; no such account is a wrong use of the command."""
    from spotify_assets.warehouse.accounts import AccountError, find_account

    try:
        return find_account(settings, name)
    except AccountError as error:
        raise click.UsageError(printable(error)) from None


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
      spotify-assets accounts rename mira "Mira in the kitchen"
      spotify-assets accounts remove mria
    """
    if context.invoked_subcommand is not None:
        context.obj = as_json
        return
    from spotify_assets.spotify.state import State
    from spotify_assets.warehouse.accounts import display_names
    from spotify_assets.warehouse.health import all_accounts
    from spotify_assets.warehouse.warehouse import Warehouse

    settings = Settings.load()
    warehouse = Warehouse(settings.warehouse_path)
    known = all_accounts(State(settings.state_path), warehouse)
    names = display_names(warehouse)
    if as_json:
        lives = [login_life(account, times.now()) for account in known]
        click.echo(
            json.dumps(
                {
                    "accounts": [
                        {
                            **asdict(account),
                            "name": names.get(account.account_id, account.account_id),
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
        show_accounts(known, settings.timezone, names)


def _checked_zone(
    _context: click.Context, _parameter: click.Parameter, zone: str | None
) -> str | None:
    from spotify_assets.warehouse.zones import check_zone

    try:
        if zone is not None:
            check_zone(zone)
    except ValueError as error:
        raise click.BadParameter(printable(error), param_hint="'ZONE'") from None
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
@click.argument("zone", required=False, callback=_checked_zone)
@click.option(
    "--from",
    "day",
    metavar="DATE",
    callback=_checked_day,
    help="The first day there, YYYY-MM-DD, past or future [the whole time].",
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
    from spotify_assets.warehouse.lock import writing
    from spotify_assets.warehouse.pending import has_unmodelled_loads
    from spotify_assets.warehouse.warehouse import Warehouse
    from spotify_assets.warehouse.zones import set_zone, stays_of

    settings = Settings.load()
    account = account_named(settings, account)
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


@accounts.command()
@click.argument("account", metavar="NAME")
@click.argument("display_name", metavar="DISPLAY_NAME")
@json_option
@click.pass_context
def rename(context: click.Context, account: str, display_name: str, as_json: bool) -> None:
    """Say what an account is called on the screens and in dim_accounts.

    Its account id never changes. The id as display name takes the display name back.

    \b
    Examples:
      spotify-assets accounts rename mira "Mira in the kitchen"
      spotify-assets accounts rename mira mira
    """
    from spotify_assets.warehouse.accounts import AccountError
    from spotify_assets.warehouse.accounts import rename as give_name

    settings = Settings.load()
    account_id = account_named(settings, account)
    try:
        needs_refresh = give_name(settings, account_id, display_name)
    except AccountError as error:
        raise click.UsageError(printable(error)) from None
    name = display_name.strip()
    if as_json or context.obj:
        click.echo(json.dumps({"account_id": account_id, "name": name}))
        return
    click.echo(f"From now on {printable(account_id)} is shown as: {printable(name)}")
    if needs_refresh:
        click.echo("Next: spotify-assets refresh")


@accounts.command()
@click.argument("account", metavar="NAME")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_context
def remove(context: click.Context, account: str, yes: bool, as_json: bool) -> None:
    """Remove an account that is empty or whose plays were all imported; a backup is made first.

    An account with plays that Spotify listed stays, since nothing could bring them back.

    \b
    Examples:
      spotify-assets accounts remove mria
      spotify-assets accounts remove mria --yes
    """
    from spotify_assets.warehouse.accounts import AccountError, holdings, require_removable
    from spotify_assets.warehouse.accounts import remove as remove_account

    settings, as_json = Settings.load(), as_json or bool(context.obj)
    account_id = account_named(settings, account)
    if as_json and not yes:
        raise click.UsageError("--json asks nothing, so it needs --yes.")
    try:
        held = holdings(settings, account_id)
        require_removable(account_id, held)
        if not yes:
            _confirm_removal(account_id, held)
        with working("Backing up, then removing"):
            done = remove_account(settings, account_id)
    except AccountError as error:
        raise click.ClickException(printable(error)) from None
    if as_json:
        backup = str(done.backup) if done.backup else None
        answer = {"account_id": account_id, "rows_removed": done.exported_rows, "backup": backup}
        click.echo(json.dumps(answer))
        return
    click.echo(f"Removed {printable(account_id)} with {done.exported_rows:,} imported rows.")
    if done.backup:
        click.echo(f"To undo: spotify-assets restore {done.backup}")
    if done.exported_rows:
        click.echo("Next: spotify-assets refresh")


def _confirm_removal(account_id: str, held: "Holdings") -> None:
    """Go on only where the account's name is typed."""
    name = printable(account_id)
    if held.exported_rows:
        click.echo(
            f"{name} has {held.exported_rows:,} imported rows. Only the downloads that they came "
            "from can bring them back."
        )
    else:
        click.echo(f"{name} is empty.")
    try:
        typed = click.prompt(f"Type {name} to remove it", default="", show_default=False)
    except click.Abort:
        typed = ""
    if typed.strip() != account_id:
        raise click.ClickException("nothing was removed. Type the account's name, or add --yes.")


def show_stays(stays: "Iterable[Stay]") -> None:
    """Since when an account is in which zone, for a person."""
    rows = [(times.local(stay.valid_from, stay.zone), stay.zone) for stay in stays]
    if not rows:
        click.echo("None yet: the zone of the settings or this machine is fixed at the first load.")
        return
    show_table(("From", "Time zone"), [("the beginning", rows[0][1]), *rows[1:]], whole=("From",))


def show_accounts(
    accounts: "Collection[Account]", zone: str, names: Mapping[str, str] | None = None
) -> None:
    """The accounts with their logins, times on the zone's clock.

    Args:
        names: those that the owner gave, by account id; by default Spotify's are shown.
    """
    show_table(
        ("Account", "Name", "Authorised", "Login ends", "Last look"),
        (
            (
                account.account_id,
                (names or {}).get(account.account_id) or account.display_name or "",
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
