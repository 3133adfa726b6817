"""`sandbox`, `demo` and `dev`: a made-up Spotify, a tour of it, and the Dagster UI on your data."""

import errno
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from spotify_assets import times
from spotify_assets.cli.output import working
from spotify_assets.cli.plays import show_plays
from spotify_assets.cli.refresh import load_definitions, show_refresh
from spotify_assets.settings import LOOPBACK_HOSTS, Settings

if TYPE_CHECKING:
    from spotify_assets.demo import World

port_option = click.option(
    "--port",
    default=3000,
    show_default=True,
    type=click.IntRange(1, 65535),
    help="Of the Dagster UI.",
)


@click.command()
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
            hosts=Settings.load().hosts,
        )
        server = Sandbox(config, port)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise click.ClickException(
            f"Port {port} is taken, perhaps by another sandbox. Choose one: --port {port + 1}"
        ) from None
    click.echo(f"A Spotify of its own at {server.url}, until Ctrl-C. For its clients:")
    own_data = {"SPOTIFY_ASSETS_DATA": "data/sandbox"}
    for name, value in (server.environment() | own_data).items():
        click.echo(f"  export {name}={value}")
    server.serve_forever()


def _moment(text: str | None) -> datetime | None:
    try:
        return times.from_text(text) if text else None
    except ValueError:
        raise click.BadParameter(f"{text!r} is no time such as 2026-03-01T18:00:00Z") from None


@click.command()
@click.option("--ui", is_flag=True, help="Keep the world alive and open the Dagster UI on it.")
@port_option
def demo(ui: bool, port: int) -> None:
    """See it all work without a Spotify account; keeps to data/demo.

    A sandbox Spotify, a login over real HTTP, a privacy export, ingestion, models and checks, a
    backup and its drill, a year in review.
    """
    from spotify_assets import demo as scene
    from spotify_assets.defs.refreshing import refresh as bring_up_to_date
    from spotify_assets.defs.refreshing import run_jobs
    from spotify_assets.defs.serving import check_port, serve
    from spotify_assets.outputs.report import write_reports
    from spotify_assets.warehouse.backups.drill import last_drill
    from spotify_assets.warehouse.warehouse import Warehouse

    if ui:
        check_port(port)  # before minutes of work that nobody could look at
    with scene.world(live=ui) as world:
        settings = world.settings
        log_file = settings.data / "refresh.log"
        with working("Two made-up listeners log in"):
            scene.log_everybody_in(settings)
        if world.is_new:
            with working("Their plays of the last days are polled, but while the computer was off"):
                scene.poll_the_last_days(world)
        _import_once(world)
        with working("Their plays are collected and modelled"):
            done = bring_up_to_date(settings, log_file, load_definitions)
        click.echo("Accounts: " + ", ".join(look.account_id for look in done.looks))
        show_refresh(done, settings)
        if not done.succeeded or any(look.error for look in done.looks):
            raise click.ClickException(f"the demo's run failed. Details: {log_file}")
        if world.is_new:
            click.echo(
                "On purpose, coverage and contract warn: the computer was off for a while, so a "
                "gap is open. Spotify told a few plays without their URI; they are in quarantine:\n"
                "SPOTIFY_ASSETS_DATA=data/demo spotenv/bin/spotify-assets quarantine"
            )
        with working("The covers of their albums are fetched"):
            _fetch_all_covers(settings)
        newest = Warehouse(settings.warehouse_path).newest_plays(3)
        click.echo()
        show_plays(newest, settings.timezone)
        with working("A backup, and the proof that it can be restored"):
            proved = run_jobs(
                settings, log_file, load_definitions, "daily_backup_job", "weekly_restore_drill_job"
            )
        tried = last_drill(settings)
        if not proved or tried is None or tried.fault:
            raise click.ClickException(f"the demo's backup failed. Details: {log_file}")
        click.echo(
            f"\nBacked up to {tried.archive}\nRestored it beside, compared it with the warehouse, "
            f"built its models: passed in {tried.seconds:.0f} s"
        )
        click.echo(
            f"\nAll plays: {settings.warehouse_path}\n"
            "Follow one: SPOTIFY_ASSETS_DATA=data/demo spotenv/bin/spotify-assets trace "
            f"{newest[0].play_id}"
        )
        written = write_reports(settings, scene.EXPORTED)
        for report in written or []:
            click.echo(f"A year in review, to open in a browser: {report.page}")
        if ui:
            click.echo(
                f"Plays arrive, since its clock runs {scene.LIVE_SPEED} times as fast and skips "
                "the hours in which nobody listens."
            )
            with scene.skipping_silences(world):
                serve(settings, port, click.echo)
        else:
            click.echo(
                "See it as pages: "
                "SPOTIFY_ASSETS_DATA=data/demo spotenv/bin/spotify-assets dashboard\n"
                "Lineage, runs and checks, with plays arriving: make demo-ui\n"
                "Your own account: README.md, or: spotify-assets login"
            )


def _fetch_all_covers(settings: Settings) -> None:
    """Fetch a hundred covers at a time until no more come."""
    from spotify_assets.covers.fetching import fetch_covers

    while fetch_covers(settings).fetched:
        pass


def _import_once(world: "World") -> None:
    """Import a listener's export, where no demo before this one did."""
    from sqlalchemy import select

    from spotify_assets import demo as scene
    from spotify_assets.cli.imports import import_and_report, show_import
    from spotify_assets.spotify.export.files import find_packages
    from spotify_assets.warehouse.tables import raw_streaming_history
    from spotify_assets.warehouse.warehouse import Warehouse

    settings = world.settings
    imported = select(raw_streaming_history.c.row_key).limit(1)
    warehouse = Warehouse(settings.warehouse_path)
    if warehouse.has_table(raw_streaming_history.name) and warehouse.read(imported):
        return
    packages = find_packages([scene.export_of_mira(world)])
    done, stopped = import_and_report(settings, scene.EXPORTED, packages)
    if stopped:
        raise stopped
    show_import(packages, done)
    click.echo()


@click.command()
@port_option
@click.option(
    "--host",
    default=LOOPBACK_HOSTS[0],
    show_default=True,
    metavar="ADDRESS",
    help="Where to listen; any other needs SPOTIFY_ASSETS_HOSTS.",
)
def dev(port: int, host: str) -> None:
    """Open the Dagster UI with schedules and sensors on your own data, and the dashboard.

    \b
    In a container whose port 3000 is published:
      SPOTIFY_ASSETS_HOSTS=localhost:3000 spotify-assets dev --host 0.0.0.0
    """
    from spotify_assets.defs.serving import serve

    serve(Settings.load(), port, click.echo, host)
