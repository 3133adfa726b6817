"""`covers`: fetch the pictures of the albums that were played."""

import json
from dataclasses import asdict

import click

from spotify_assets.cli.output import counting, json_option
from spotify_assets.settings import Settings


@click.command()
@json_option
def covers(as_json: bool) -> None:
    """Fetch the covers of albums that have none yet, for the dashboard.

    Up to a hundred albums each time, from Spotify's image host and without a login. Where only an
    export tells of an album, Spotify's Web API is asked for it: three times an hour, for the most
    played albums first.
    SPOTIFY_ASSETS_COVERS=off turns it off.

    \b
    Examples:
      spotify-assets covers
      spotify-assets covers --json
    For cron, where no daemon does it:
      20 * * * * /path/to/checkout/spotenv/bin/spotify-assets covers >/dev/null
    """
    from spotify_assets.covers.fetching import OFF, fetch_covers
    from spotify_assets.warehouse.warehouse import Warehouse

    settings = Settings.load()
    with counting("Covers") as tell:
        done = fetch_covers(settings, tell)
    if as_json:
        click.echo(json.dumps(asdict(done)))
    elif done.stopped == OFF:
        click.echo(OFF)
    elif not Warehouse(settings.warehouse_path).has_table("fct_track_days"):
        click.echo("Nothing is modelled yet. Run: spotify-assets refresh")
    elif not (done.fetched or done.failed or done.waiting):
        click.echo("No album lacks a cover that can be had.")
    else:
        click.echo(
            f"Covers fetched: {done.fetched:,}. Albums that wait for the next times: "
            f"{done.waiting:,}. Without a cover that can be had: {done.failed:,}."
        )
    if done.stopped and done.stopped != OFF:
        raise click.ClickException(done.stopped)
