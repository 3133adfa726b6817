"""`view` and `trace`: the newest plays, and where one of them came from."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from spotify_assets import times
from spotify_assets.cli.output import json_option, printable, show_table
from spotify_assets.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Row

    from spotify_assets.warehouse.tracing import Trace


CANDIDATES_SHOWN = 10


@click.command()
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1000))
@click.option("--account", metavar="NAME", help="Only the plays of this account [all].")
@json_option
def view(limit: int, account: str | None, as_json: bool) -> None:
    """Show the newest plays, with the id that `trace` takes.

    \b
    Examples:
      spotify-assets view --account mira
      spotify-assets view --limit 1000 --json | jq -r '.plays[].track_name'
    """
    from spotify_assets.cli.accounts import account_named
    from spotify_assets.warehouse.accounts import display_names
    from spotify_assets.warehouse.warehouse import Warehouse

    settings = Settings.load()
    warehouse = Warehouse(settings.warehouse_path)
    account_id = account and account_named(settings, account)
    plays = warehouse.newest_plays(limit, account_id or None)
    if as_json:
        click.echo(json.dumps({"plays": [_play_as_json(play) for play in plays]}))
    elif plays:
        show_plays(plays, settings.timezone, display_names(warehouse))
    elif account_id and account_id not in warehouse.accounts_with_plays():
        click.echo(f"No plays of {printable(account_id)} yet.")
    elif warehouse.extent().plays:
        click.echo("What was imported is not in the models yet. Run: spotify-assets refresh")
    else:
        click.echo(
            "No plays yet. Run: spotify-assets login, then: spotify-assets refresh; or "
            "spotify-assets import, with what Spotify sent you"
        )


def _play_as_json(play: "Row[Any]") -> dict[str, Any]:
    values = dict(play._mapping)
    return {"play_id": values.pop("play_id"), "ended_at": values.pop("played_at"), **values}


def show_plays(
    plays: "Iterable[Row[Any]]", zone: str, names: Mapping[str, str] | None = None
) -> None:
    """Plays (columns of `Warehouse.newest_plays`), times on the zone's clock.

    Args:
        names: what the owner calls accounts, by account id.
    """
    show_table(
        ("Ended", "Account", "Track", "Artist", "Play id"),
        (
            (
                times.local(play.played_at, zone),
                (names or {}).get(play.account_id, play.account_id),
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
@json_option
def trace(play_id: str, as_json: bool) -> None:
    """Follow a play back: raw rows, loads, landed page or file, account.

    The beginning of an id is enough where only one play begins with it.

    \b
    Examples, with an id from `spotify-assets view` or from fct_plays:
      spotify-assets trace 9ce5714ec3681852b6df
      spotify-assets trace 9ce5714e --json
    """
    from spotify_assets.spotify.state import State
    from spotify_assets.warehouse.tracing import AmbiguousId, IdTooShort
    from spotify_assets.warehouse.tracing import trace as follow
    from spotify_assets.warehouse.warehouse import Warehouse

    settings = Settings.load()
    try:
        found = follow(play_id, Warehouse(settings.warehouse_path), State(settings.state_path))
    except IdTooShort as error:
        raise click.UsageError(printable(error)) from None
    except AmbiguousId as error:
        shown = error.play_ids[:CANDIDATES_SHOWN]
        more = ["  …"] if len(error.play_ids) > len(shown) else []
        lines = [f"{error} Add more characters:", *(f"  {each}" for each in shown), *more]
        raise click.ClickException("\n".join(lines)) from None
    if found is None:
        raise click.ClickException(
            printable(f"No play has the id {play_id}. The ids are in: spotify-assets view")
        )
    if as_json:
        click.echo(json.dumps(_trace_as_json(found)))
    else:
        show_trace(found)


def _trace_as_json(found: "Trace") -> dict[str, Any]:
    return {
        "play": found.play,
        "raw_rows": [asdict(raw) for raw in found.raw],
        "page": _page(found),
        "account": _account(found),
    }


def _page(found: "Trace") -> dict[str, Any] | None:
    if found.page is None:
        return None
    return {
        "page_id": found.page.page_id,
        "landed_at": found.page.landed_at,
        "answered_at": found.page.answered_at,
        "items": found.items_on_page(),
    }


def _account(found: "Trace") -> dict[str, Any] | None:
    if found.account is None:
        return None
    values = asdict(found.account)
    return {name: value for name, value in values.items() if name != "last_look_error"}


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
        "Not in the models: they were built before it came, or it is another row of a play that "
        "is there.",
    )
    for raw in found.raw:
        station(f"Raw row ({raw.table})", raw.row, "")
        station("Its load (loads)", {**raw.load, "file": raw.file}, "")
    if any(raw.load["page_id"] for raw in found.raw):
        station("Landed page (state.db)", _page(found), "No longer kept.")
    station("Account (state.db)", _account(found), "Not known here any more.")
