"""`dashboard`: your listening as pages in the browser, and the password for other devices."""

import contextlib
import sys

import click

from spotify_assets.cli.output import is_a_person
from spotify_assets.settings import LOOPBACK_HOSTS, Settings


@click.command()
@click.option("--port", default=3030, show_default=True, type=click.IntRange(1, 65535))
@click.option(
    "--host",
    default=LOOPBACK_HOSTS[0],
    show_default=True,
    metavar="ADDRESS",
    help="Where to listen; any other needs a password, 0.0.0.0 also SPOTIFY_ASSETS_HOSTS.",
)
@click.option("--set-password", is_flag=True, help="Set the password, which ends all logins.")
@click.option("--remove-password", is_flag=True, help="Remove it: no other device is served.")
def dashboard(port: int, host: str, set_password: bool, remove_password: bool) -> None:
    """Look at your listening in the browser: overview, tops, days and hours, artists, trust.

    It reads what is stored, beside whatever writes, and changes nothing of it. Where it serves this
    machine alone, nobody is asked for a password. Other devices are served only after a login.

    \b
    Examples:
      spotify-assets dashboard                       then open http://127.0.0.1:3030
      spotify-assets dashboard --set-password
      spotify-assets dashboard --host 192.168.1.20   for a phone at home
    """
    if set_password and remove_password:
        raise click.UsageError("Set the password or remove it, not both.")
    settings = Settings.load()
    if set_password:
        _set_password(settings)
    elif remove_password:
        from spotify_assets.outputs.dashboard.password import Access

        was_set = Access(settings.dashboard_password).remove_password()
        click.echo("Removed. No other device is served." if was_set else "No password was set.")
    else:
        from spotify_assets.outputs.dashboard.serving import serve

        with contextlib.suppress(KeyboardInterrupt):
            serve(settings, port, click.echo, host)


def _set_password(settings: Settings) -> None:
    """Ask for the password twice, or read it from standard input: its first line."""
    from spotify_assets.outputs.dashboard.password import LONGEST, Access

    try:
        if is_a_person():
            password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
        else:
            password = sys.stdin.readline(LONGEST + 2).rstrip("\r\n")
        settings.make_data_folder()
        Access(settings.dashboard_password).set_password(password)
    except UnicodeError:  # which would show a part of it
        raise click.ClickException("The password is no text in UTF-8.") from None
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    click.echo("Set. Whoever was logged in must log in again.")
