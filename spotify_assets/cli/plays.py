"""`view` and `trace`: the newest plays, and where one of them came from."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from spotify_assets import times
from spotify_assets.cli.output import printable, show_table
from spotify_assets.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Row

    from spotify_assets.warehouse.tracing import Trace


@click.command()
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1000))
def view(limit: int) -> None:
    """Show the newest plays, with the id that `trace` takes."""
    from spotify_assets.warehouse.warehouse import Warehouse

    settings = Settings.load()
    warehouse = Warehouse(settings.warehouse_path)
    plays = warehouse.newest_plays(limit)
    if plays:
        show_plays(plays, settings.timezone)
    elif warehouse.extent().plays:
        click.echo("What was imported is not in the models yet. Run: spotify-assets refresh")
    else:
        click.echo(
            "No plays yet. Run: spotify-assets login, then: spotify-assets refresh; or "
            "spotify-assets import, with what Spotify sent you"
        )


def show_plays(plays: "Iterable[Row[Any]]", zone: str) -> None:
    """Plays (columns of `Warehouse.newest_plays`), times on the zone's clock."""
    show_table(
        ("Ended", "Account", "Track", "Artist", "Play id"),
        (
            (
                times.local(play.played_at, zone),
                play.account_id,
                play.track_name or "(no name)",
                play.artist_name or "",
                play.play_id,
            )
            for play in plays
        ),
        whole=("Ended", "Play id"),
    )


@click.command()
@click.argument("play_id")
def trace(play_id: str) -> None:
    """Follow a play back: raw rows, loads, landed page or file, account.

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
    show_trace(found)


def show_trace(found: "Trace") -> None:
    """The stations of a play, from the fact back to the account."""

    def station(title: str, values: dict[str, Any] | None, missing: str) -> None:
        click.secho(title, bold=True)
        if values is None:
            click.echo(f"  {missing}")
        for name, value in (values or {}).items():
            if value is not None:
                click.echo(f"  {name:<24} {printable(value)}")

    station(
        "Play (fct_plays)",
        found.play,
        "Not in the models: built before it came, or folded into the play of the same track "
        "that ended up to two seconds earlier.",
    )
    for raw in found.raw:
        station(f"Raw row ({raw.table})", raw.row, "")
        station("Its load (loads)", {**raw.load, "file": raw.file}, "")
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
    if any(raw.load["page_id"] for raw in found.raw):
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
