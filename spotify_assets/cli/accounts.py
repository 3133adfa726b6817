"""`login` and `accounts`: who is connected, and how long that lasts."""

import json
from collections.abc import Collection, Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from spotify_assets import times
from spotify_assets.cli.output import json_option, printable, show_table
from spotify_assets.settings import Settings
from spotify_assets.spotify.login_life import ALARM, WARNING, login_life

if TYPE_CHECKING:
    from spotify_assets.spotify.state import Account


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


@click.command()
@json_option
def accounts(as_json: bool) -> None:
    """List the accounts, when their logins end, and their last looks."""
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
