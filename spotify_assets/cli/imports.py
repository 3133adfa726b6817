"""`import`: the plays of a download from Spotify, with no call to Spotify."""

import difflib
import json
import sys
from collections.abc import Collection, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spotify_assets.cli.output import is_a_person, json_option, not_empty, printable, progressing
from spotify_assets.settings import Settings

if TYPE_CHECKING:
    from spotify_assets.spotify.export.files import Package
    from spotify_assets.warehouse.importing import ImportedFile
    from spotify_assets.warehouse.loading import Receipt

UNKNOWN_SHOWN = 10


@click.command(name="import")
@click.argument(
    "paths",
    nargs=-1,
    required=True,
    metavar="PATH...",
    # No path_type: as a Path an empty text is the present folder.
    type=click.Path(),
    callback=not_empty("spotify-assets import ~/Downloads/my_spotify_data.zip"),
)
@click.option("--account", metavar="NAME", help="Whose plays these are [the only account here].")
@click.option("--new", is_flag=True, help="Make the account where there is none of this name.")
@json_option
def import_(paths: tuple[str, ...], account: str | None, new: bool, as_json: bool) -> None:
    """Import what Spotify sent: archives as downloaded, folders, or single files.

    Files may have any name: their rows tell what they are.
    Ask for the "Extended streaming history" at spotify.com/account/privacy. Nothing is asked of
    Spotify, no login is needed, and importing again adds only what is new.

    \b
    Examples:
      spotify-assets import ~/Downloads/my_spotify_data.zip
      spotify-assets import --account mira my_spotify_data.zip     before any login
      spotify-assets import --account jonas --new jonas.zip        beside other accounts
      spotify-assets import ~/Downloads/MyData/ endsong_0.json
    """
    from spotify_assets.spotify.export.files import find_packages
    from spotify_assets.warehouse.accounts import known_as
    from spotify_assets.warehouse.backups.loss import losses
    from spotify_assets.warehouse.importing import known_accounts, whose

    settings = Settings.load()
    try:
        account_id = whose(settings, account and known_as(settings, account))
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    known = known_accounts(settings)
    is_new = account_id not in known
    if is_new and known and not new:
        require_new_account(account_id, known, can_ask=is_a_person() and not as_json)
    settings.make_data_folder()
    packages = find_packages(map(Path, paths))
    done, stopped = import_and_report(settings, account_id, packages)
    if is_new and not as_json and any(file.error is None for file in done):
        click.echo(f"{printable(account_id)} is a new account here.")
    if as_json:
        click.echo(json.dumps(_as_json(account_id, packages, done)))
    else:
        show_import(packages, done)
        if _total(done).rows_loaded:
            click.echo(f"Next: spotify-assets refresh models the plays of {printable(account_id)}.")
    for file in done:
        if file.error:
            click.echo(f"Error: {printable(_place(file))}: {printable(file.error)}", err=True)
    for each in losses(settings):
        click.echo(f"Warning: {printable(each)}", err=True)
    if stopped:
        word = "Interrupted" if isinstance(stopped, KeyboardInterrupt) else "Stopped"
        click.echo(f"{word}: what is listed above is done. The same command goes on.", err=True)
    if isinstance(stopped, Exception):
        raise stopped
    is_nothing = not done and any(package.unknown for package in packages)
    if stopped or is_nothing or any(file.error for file in done):
        sys.exit(1)


def require_new_account(account_id: str, known: Collection[str], *, can_ask: bool) -> None:
    """Go on only where the user means a new account, and did not mistype the name of another.

    Raises:
        click.ClickException: the user does not, or cannot be asked.
    """
    folded = {name.casefold(): name for name in known}
    close = [folded[name] for name in difflib.get_close_matches(account_id.casefold(), folded)]
    meant = f" Did you mean {' or '.join(close)}?" if close else ""
    is_new = f"There is no account {account_id!r}.{meant} Here are: {', '.join(sorted(known))}."
    if not can_ask:
        raise click.UsageError(printable(f"{is_new} For a new account add: --new"))
    click.echo(printable(is_new))
    if not click.confirm(f"Make a new account {printable(account_id)}?"):
        raise click.ClickException("nothing was imported.")


def import_and_report(
    settings: Settings, account_id: str, packages: "Sequence[Package]"
) -> "tuple[list[ImportedFile], BaseException | None]":
    """Import with a progress bar, and let Dagster know.

    Returns:
        What became of each file that is done, and what kept others or Dagster from it: Ctrl-C, a
        full disk, a DAGSTER_HOME that is no folder.
    """
    from sqlalchemy.exc import DBAPIError

    from spotify_assets.warehouse.importing import import_packages

    # For the caller, who says first what is done.
    expected = (KeyboardInterrupt, OSError, DBAPIError)
    done: list[ImportedFile] = []
    stopped: BaseException | None = None
    with progressing(sum(file.size for each in packages for file in each.files)) as tell:
        try:
            # One at a time, so that what is done stays known at Ctrl-C.
            done.extend(import_packages(settings, account_id, packages, tell))
        except expected as error:
            stopped = error
    if any(file.receipt.rows_read for file in done):
        try:
            _let_dagster_know(settings, done)
        except (KeyboardInterrupt, Exception) as error:  # noqa: BLE001 (the caller raises it)
            # The rows are loaded, whatever Dagster cannot do: open its storage, read dagster.yaml.
            stopped = stopped or error
    return done, stopped


def _let_dagster_know(settings: Settings, done: "Sequence[ImportedFile]") -> None:
    from spotify_assets.defs.ingestion.streaming_history import materialization
    from spotify_assets.defs.refreshing import open_instance

    with open_instance(settings) as instance:
        instance.report_runless_asset_event(materialization(settings, done))


def _as_json(
    account_id: str, packages: "Sequence[Package]", done: "Sequence[ImportedFile]"
) -> dict[str, Any]:
    files = [
        {
            "package": file.package,
            "file": file.file,
            **asdict(file.receipt),
            "unknown_fields": list(file.unknown_fields),
            "error": file.error,
        }
        for file in done
    ]
    return {
        **asdict(_total(done)),
        "account_id": account_id,
        "files": files,
        "unknown_files": [name for package in packages for name in package.unknown],
    }


def show_import(packages: "Sequence[Package]", done: "Sequence[ImportedFile]") -> None:
    """Say what an import came to, for a person."""
    for file in done:
        if file.error is None:
            name = file.file if len(packages) == 1 else _place(file)
            click.echo(f"{printable(name)}: {file.receipt}")
        if file.unknown_fields:
            names = ", ".join(printable(name) for name in file.unknown_fields[:UNKNOWN_SHOWN])
            click.echo(f"  fields that are not known here, and were not kept: {names}")
    for package in packages:
        for name in package.unknown:
            click.echo(
                f"{printable(name)}: not read. It is called like a history, but its first rows "
                "lack ts and ms_played, or endTime and msPlayed. If it is from Spotify, look for "
                "a newer spotify-assets."
            )
    total = _total(done)
    if total.rows_quarantined:
        click.echo("Why rows were kept out: spotify-assets quarantine")
    click.echo(str(total))


def _place(file: "ImportedFile") -> str:
    """A file with its download; the download of a single file has its name."""
    is_single = file.package == file.file or file.package.endswith(f"/{file.file}")
    return file.package if is_single else f"{file.package}: {file.file}"


def _total(done: "Sequence[ImportedFile]") -> "Receipt":
    from spotify_assets.warehouse.loading import Receipt

    return sum((file.receipt for file in done), Receipt())
