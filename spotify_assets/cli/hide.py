"""`hide` and `unhide`: what its owner does not want to see in charts and rankings."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from spotify_assets.cli.output import json_option, printable, show_table, working
from spotify_assets.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spotify_assets.warehouse.exclusions import Exclusion

KINDS = ("artist", "album", "track", "podcast", "playlist")
NEXT = "Next: spotify-assets refresh makes all charts and rankings anew."


@click.command()
@click.argument("kind", type=click.Choice(KINDS), required=False)
@click.argument("name", required=False)
@click.option("--account", metavar="NAME", help="Only in this account's plays [in all].")
@json_option
def hide(kind: str | None, name: str | None, account: str | None, as_json: bool) -> None:
    """Hide an artist, album, track, podcast or playlist: sleep sounds, children's songs.

    NAME is its name, its link or its URI; of a playlist the link. Without a name, show what is
    hidden. No play is lost: the charts leave it out until `spotify-assets unhide`.

    \b
    Examples:
      spotify-assets hide artist "Rain for Sleeping"
      spotify-assets hide playlist https://open.spotify.com/playlist/37i9dQZF1DWZd79rJ6a7lp
      spotify-assets hide track "Baby Shark" --account mira
      spotify-assets hide
    """
    from spotify_assets.cli.accounts import account_named
    from spotify_assets.warehouse.exclusions import Hidden, candidates, hidden
    from spotify_assets.warehouse.exclusions import hide as hide_it
    from spotify_assets.warehouse.warehouse import Warehouse

    settings = Settings.load()
    warehouse = Warehouse(settings.warehouse_path)
    if kind is None or name is None:
        if kind is not None:
            raise click.UsageError(f"Say which {kind}: its name, its link or its URI.")
        show_hidden(hidden(warehouse), as_json=as_json)
        return
    found = candidates(warehouse, Hidden(kind), name)
    if not found and kind == "playlist":
        raise click.ClickException(
            "A playlist is hidden by its link: in Spotify, Share, Copy link."
        )
    if not found:
        raise click.ClickException(f"No {kind} that was played is called {printable(name)!r}.")
    if len(found) > 1:
        lines = [
            f"  {printable(each.key)}  {printable(each.name)}"
            + (f", {printable(each.subtitle)}" if each.subtitle else "")
            for each in found
        ]
        raise click.ClickException(
            "\n".join(["Several have this name. Say which, by its key:", *lines])
        )
    account_id = None if account is None else account_named(settings, account)
    with working("Hiding it"):
        is_new = hide_it(settings, Hidden(kind), found[0], account_id)
    if as_json:
        click.echo(json.dumps({**asdict(found[0]), "kind": kind, "is_new": is_new}))
    elif is_new:
        click.echo(f"Hidden: {printable(found[0].name)}.\n{NEXT}")
    else:
        click.echo(f"{printable(found[0].name)} is hidden already.")


@click.command()
@click.argument("number", type=int)
@json_option
def unhide(number: int, as_json: bool) -> None:
    """Show again what was hidden, by its number in `spotify-assets hide`.

    \b
    Example:
      spotify-assets unhide 3
    """
    from spotify_assets.warehouse.exclusions import show

    settings = Settings.load()
    with working("Showing it again"):
        was_hidden = show(settings, number)
    if not was_hidden:
        raise click.ClickException(
            f"Nothing is hidden under the number {number}. All of them: spotify-assets hide"
        )
    click.echo(json.dumps({"exclusion_id": number}) if as_json else f"It is shown again.\n{NEXT}")


def show_hidden(rows: "Sequence[Exclusion]", *, as_json: bool) -> None:
    """What is hidden, with the numbers that `unhide` takes."""
    if as_json:
        click.echo(json.dumps({"hidden": [asdict(row) for row in rows]}))
        return
    if not rows:
        click.echo("Nothing is hidden.")
        return
    show_table(
        ("Number", "Kind", "Name", "Account"),
        ((str(row.exclusion_id), row.kind, row.name, row.account_id or "all") for row in rows),
        whole=("Number", "Kind", "Account"),
    )
    click.echo("To show one again: spotify-assets unhide NUMBER")
