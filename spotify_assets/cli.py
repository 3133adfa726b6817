"""The command `spotify-assets`: reads arguments, calls the rooms, prints for a person or a program.

Heavy imports are inside the commands that need them, so that `--help` and the idle commands
answer at once.
"""

import io
import json
import sys
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spotify_assets import terminal, times
from spotify_assets.settings import Settings, SettingsError

if TYPE_CHECKING:
    import dagster as dg

    from spotify_assets.defs.refreshing import Refresh

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


class Commands(click.Group):
    """A group whose commands end with one clear line where something fails."""

    def invoke(self, context: click.Context) -> Any:
        """Run the command; an error that is expected becomes a line on standard error, exit 1."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):  # a title may not fit the terminal's encoding
                stream.reconfigure(errors="replace")
        try:
            return super().invoke(context)
        except (click.ClickException, BrokenPipeError):  # click knows what to do
            raise
        except Exception as error:
            line = _one_line(error)
            if line is None:
                raise
            raise click.ClickException(line) from None


def _one_line(error: Exception) -> str | None:
    """What to say of an error that can be expected, or None for a fault of ours."""
    from sqlalchemy.exc import DBAPIError

    from spotify_assets.spotify.errors import SpotifyError

    if isinstance(error, SettingsError | SpotifyError):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")
    if isinstance(error, DBAPIError):
        return f"The database says: {error.orig}. What was committed before is kept."
    return None


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="spotify-assets")
def main() -> None:
    """A Spotify listening history that you can trust.

    \b
    First time:
      spotify-assets login       connect a Spotify account
      spotify-assets refresh     collect, check, keep and model the newest plays
      spotify-assets view        show them
      spotify-assets dev         open the Dagster UI: lineage, schedules, checks
    """


@main.command()
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


@main.command()
@json_option
def accounts(as_json: bool) -> None:
    """List the accounts, when their logins end, and their last looks."""
    from spotify_assets.spotify.login_life import login_life
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
        terminal.show_accounts(known, settings.timezone)


@main.command()
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
        terminal.show_status(found, settings.timezone)


@main.command()
@json_option
def refresh(as_json: bool) -> None:
    """Collect, check, keep and model the newest plays, as one Dagster run.

    Nothing to do costs one call per account and starts no run. Fit for cron:

    \b
      */15 * * * * /path/to/checkout/spotenv/bin/spotify-assets refresh
    """
    from spotify_assets.defs.refreshing import refresh as bring_up_to_date
    from spotify_assets.spotify.state import State

    settings = Settings.load()
    settings.make_data_folder()
    log_file = settings.data / "refresh.log"
    with terminal.working("Asking Spotify, checking, loading, modelling"):
        done = bring_up_to_date(settings, log_file, _load_definitions)
    if as_json:
        click.echo(json.dumps(_as_json(done)))
    else:
        terminal.show_refresh(done, settings)
    terminal.warn_of_logins(State(settings.state_path).accounts())
    for look in done.looks:
        if look.error:
            click.echo(f"Error: {look.account_id}: {look.error}", err=True)
    if done.failures:
        reasons = "; ".join(done.failures)
        click.echo(f"Error: the run failed: {reasons} Details: {log_file}", err=True)
    if not done.succeeded or any(look.error for look in done.looks):
        sys.exit(1)


def _load_definitions() -> "dg.Definitions":
    from spotify_assets.definitions import defs

    return defs


def _as_json(done: "Refresh") -> dict[str, Any]:
    from spotify_assets.warehouse.loading import Receipt

    errors = {look.account_id: look.error for look in done.looks}
    return {
        **asdict(done.receipt),
        "run_id": done.run_id,
        "succeeded": done.succeeded and not any(errors.values()),
        "models": done.models,
        "checks_passed": done.checks_passed,
        "checks_failed": done.checks_failed,
        "accounts": [
            {
                "account_id": name,
                **asdict(done.receipts.get(name, Receipt())),
                "error": errors.get(name),
            }
            for name in sorted(errors.keys() | done.receipts.keys())
        ],
    }


@main.command()
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1000))
def view(limit: int) -> None:
    """Show the newest plays, with the id that `trace` takes."""
    from spotify_assets.warehouse.warehouse import Warehouse

    settings = Settings.load()
    plays = Warehouse(settings.warehouse_path).newest_plays(limit)
    if plays:
        terminal.show_plays(plays, settings.timezone)
    else:
        click.echo("No plays yet. Run: spotify-assets login, then: spotify-assets refresh")


@main.command()
@click.argument("play_id")
def trace(play_id: str) -> None:
    """Follow a play back: raw row, load, landed page, account.

    \b
    Example, with an id from `spotify-assets view` or from fct_plays:
      spotify-assets trace 9ce5714ec3681852b6df
    """
    from spotify_assets.spotify.state import State
    from spotify_assets.warehouse.tracing import trace as follow
    from spotify_assets.warehouse.warehouse import Warehouse

    settings = Settings.load()
    found = follow(play_id, Warehouse(settings.warehouse_path), State(settings.state_path))
    if found is None:
        raise click.ClickException(
            f"No play has the id {play_id}. The ids are in: spotify-assets view"
        )
    terminal.show_trace(found)


@main.group(invoke_without_command=True)
@json_option
@click.pass_context
def quarantine(context: click.Context, as_json: bool) -> None:
    """List the rows that broke the contract and wait, with every reason.

    \b
    Examples:
      spotify-assets quarantine
      spotify-assets quarantine --json
      spotify-assets quarantine retry     after an upgrade that accepts more
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
        terminal.show_quarantine(waiting, settings.timezone)


@quarantine.command()
@json_option
@click.pass_context
def retry(context: click.Context, as_json: bool) -> None:
    """Put all that waits through today's contract again; what it accepts is loaded.

    \b
    Example, after an upgrade:
      spotify-assets quarantine retry
      spotify-assets refresh
    """
    from spotify_assets.warehouse.loading import Receipt
    from spotify_assets.warehouse.quarantine import retry as try_again

    settings = Settings.load()
    settings.make_data_folder()
    with terminal.working("Checking again what waits in quarantine"):
        receipts = try_again(settings)
    total = sum(receipts.values(), Receipt())
    if as_json or context.obj:
        each = [{"account_id": name, **asdict(part)} for name, part in receipts.items()]
        click.echo(json.dumps({**asdict(total), "accounts": each}))
    else:
        terminal.show_retry(receipts, total)


def _moment(text: str | None) -> datetime | None:
    try:
        return times.from_text(text) if text else None
    except ValueError:
        raise click.BadParameter(f"{text!r} is no time such as 2026-03-01T18:00:00Z") from None


@main.command()
@click.option("--port", default=8808, show_default=True, type=click.IntRange(0, 65535))
@click.option("--seed", default=2026, show_default=True, help="Another seed, another world.")
@click.option(
    "--now",
    metavar="TIME",
    callback=lambda *given: _moment(given[-1]),
    help="Where the clock starts, as in 2026-03-01T18:00:00Z [this moment].",
)
@click.option("--speed", default=1.0, show_default=True, help="Seconds of its clock per second.")
@click.option("--always-on", is_flag=True, help="Listeners that play music around the clock.")
@click.option(
    "--redirect-uri",
    "redirect_uris",
    multiple=True,
    help="A redirect URI of the app [http://127.0.0.1:8765/callback].",
)
@click.option(
    "--recently-played",
    "recording",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Serve this recorded response to everybody.",
)
def sandbox(
    port: int,
    seed: int,
    now: datetime | None,
    speed: float,
    always_on: bool,
    redirect_uris: tuple[str, ...],
    recording: Path | None,
) -> None:
    """Run a local Spotify with made-up listeners, until Ctrl-C.

    \b
    Example, in a second terminal:
      export SPOTIFY_API_URL=http://127.0.0.1:8808/v1
      export SPOTIFY_ACCOUNTS_URL=http://127.0.0.1:8808
      export SPOTIFY_CLIENT_ID=sandbox-client SPOTIFY_ASSETS_DATA=data/sandbox
      spotify-assets login
    """
    from spotify_assets.sandbox.server import Sandbox, SandboxConfig

    try:
        config = SandboxConfig(
            seed=seed,
            now=now,
            speed=speed,
            always_on=always_on,
            redirect_uris=redirect_uris or SandboxConfig.redirect_uris,
            recently_played=recording,
        )
        server = Sandbox(config, port)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    click.echo(f"A Spotify of its own at {server.url}, until Ctrl-C. For its clients:")
    own_data = {"SPOTIFY_ASSETS_DATA": "data/sandbox"}
    for name, value in (server.environment() | own_data).items():
        click.echo(f"  export {name}={value}")
    server.serve_forever()


port_option = click.option(
    "--port",
    default=3000,
    show_default=True,
    type=click.IntRange(1, 65535),
    help="Of the Dagster UI.",
)


@main.command()
@click.option("--ui", is_flag=True, help="Keep the world alive and open the Dagster UI on it.")
@port_option
def demo(ui: bool, port: int) -> None:
    """See it all work without a Spotify account; keeps to data/demo.

    A sandbox Spotify, a login over real HTTP, ingestion, models and checks.
    """
    from spotify_assets import demo as scene
    from spotify_assets.defs.refreshing import refresh as bring_up_to_date
    from spotify_assets.defs.serving import serve
    from spotify_assets.warehouse.tracing import PLAY_ID_LENGTH
    from spotify_assets.warehouse.warehouse import Warehouse

    with scene.world(live=ui) as settings:
        log_file = settings.data / "refresh.log"
        with terminal.working("Two made-up listeners log in and are collected"):
            scene.log_everybody_in(settings)
            done = bring_up_to_date(settings, log_file, _load_definitions)
        click.echo("Accounts: " + ", ".join(look.account_id for look in done.looks))
        terminal.show_refresh(done, settings)
        if not done.succeeded or any(look.error for look in done.looks):
            raise click.ClickException(f"the demo's run failed. Details: {log_file}")
        newest = Warehouse(settings.warehouse_path).newest_plays(3)
        click.echo()
        terminal.show_plays(newest, settings.timezone)
        click.echo(
            f"\nAll plays: {settings.warehouse_path}\n"
            "Follow one: SPOTIFY_ASSETS_DATA=data/demo spotenv/bin/spotify-assets trace "
            f"{newest[0].row_key[:PLAY_ID_LENGTH]}"
        )
        if ui:
            click.echo(f"Plays arrive, since its clock runs {scene.LIVE_SPEED} times as fast.")
            serve(settings, port, click.echo)
        else:
            click.echo(
                "Lineage, runs and checks, with plays arriving: make demo-ui\n"
                "Your own account: README.md, or: spotify-assets login"
            )


@main.command()
@port_option
def dev(port: int) -> None:
    """Open the Dagster UI with schedules and sensors on your own data, at 127.0.0.1."""
    from spotify_assets.defs.serving import serve

    serve(Settings.load(), port, click.echo)


if __name__ == "__main__":
    main()
