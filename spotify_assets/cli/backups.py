"""`backup` and `restore`: what lies there, what would change, what came of it."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from spotify_assets import times
from spotify_assets.cli.output import (
    json_option,
    megabytes,
    not_empty,
    printable,
    show_table,
    working,
)
from spotify_assets.settings import Settings

if TYPE_CHECKING:
    from spotify_assets.warehouse.backups.folder import Backup
    from spotify_assets.warehouse.backups.making import Kept
    from spotify_assets.warehouse.backups.restoring import Plan, Restored

BACKUPS_SHOWN = 10


@click.command()
@json_option
def backup(as_json: bool) -> None:
    """Back up both databases, while everything else goes on; old backups go by the settings.

    \b
    Example, for cron, where no daemon does it:
      45 4 * * * /path/to/checkout/spotenv/bin/spotify-assets backup
    """
    from spotify_assets.warehouse.backups.making import back_up

    settings = Settings.load()
    with working("Copying, checking, compressing, reading back"):
        kept = back_up(settings)
    if as_json:
        click.echo(json.dumps(_as_json(kept)))
    elif kept is None:
        click.echo("Nothing to back up yet. Run: spotify-assets login")
    else:
        show_backup(kept)


def _as_json(kept: "Kept | None") -> dict[str, object]:
    if kept is None or kept.made.manifest is None:
        return {"archive": None}
    return {
        **asdict(kept.made.manifest),
        "archive": str(kept.made.archive),
        "removed": [each.archive.name for each in kept.removed],
        "damaged": [each.fault for each in kept.damaged],
    }


def show_backup(kept: "Kept") -> None:
    """Say what a backup holds and what became of those before."""
    size = kept.made.archive.stat().st_size
    click.echo(
        f"Backed up {kept.made.contents.plays:,} rows of plays, {megabytes(size)} MB, checked: "
        f"{kept.made.archive}"
    )
    if kept.removed:
        click.echo(f"Removed {len(kept.removed)} older, by SPOTIFY_KEEP_BACKUPS.")
    for damaged in kept.damaged:
        click.secho(f"Damaged, and left alone: {printable(damaged.fault)}", fg="red", err=True)


_not_empty = not_empty("spotify-assets restore spotify-0042-… --to /tmp/look")


@click.command()
@click.argument("name", required=False, callback=_not_empty)
@click.option(
    "--to",
    "new_folder",
    metavar="PATH",
    callback=_not_empty,
    help="Restore beside, into a new folder, and change nothing else.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def restore(name: str | None, new_folder: str | None, yes: bool, as_json: bool) -> None:
    """Make the databases those of a backup [the newest good one].

    It is checked as a whole first, the present data are kept aside, answers of Spotify's that came
    since are loaded again, and the models are rebuilt. NAME may be a path to a backup elsewhere.

    \b
    Examples:
      spotify-assets restore                    lists, shows what would change, and asks
      spotify-assets restore --yes /media/usb/spotify-0042-….tar.zst
      spotify-assets restore --to /tmp/look     a data folder of its own
    """
    from spotify_assets.warehouse.backups import restoring
    from spotify_assets.warehouse.backups.folder import backups_in

    settings = Settings.load()
    folder = Path(new_folder) if new_folder else None
    if as_json and folder is None and not yes:
        raise click.UsageError("--json asks nothing, so it needs --yes, or --to.")
    if not as_json:
        show_backups(backups_in(settings.backups), settings.timezone)
    chosen = restoring.find(settings, name)
    if folder is not None:
        with working("Unpacking and checking"):
            contents = restoring.restore_beside(settings, chosen, folder.absolute())
        if as_json:
            click.echo(json.dumps({**asdict(contents), "archive": str(chosen.archive)}))
        else:
            click.echo(f"Restored {contents.plays:,} rows of plays into {folder}")
        return
    if not yes:
        show_plan(restoring.plan(settings, chosen), settings.timezone)
        if not click.confirm("Restore it?"):
            raise click.ClickException("nothing was changed.")
    with working("Checking, keeping the present data aside, restoring, modelling"):
        done = restoring.restore(settings, chosen)
    if as_json:
        click.echo(json.dumps(_restored_as_json(chosen, done)))
    else:
        show_restored(chosen, done)
        _show_missing_logins(settings)
    if done.models_fault:
        raise click.ClickException(
            "the plays are restored, and the models could not be rebuilt. "
            f"Next: spotify-assets refresh. dbt said: {done.models_fault}"
        )


def _restored_as_json(chosen: "Backup", done: "Restored") -> dict[str, object]:
    from spotify_assets.warehouse.loading import Receipt

    each = [{"account_id": name, **asdict(part)} for name, part in done.receipts.items()]
    return {
        **asdict(sum(done.receipts.values(), Receipt())),
        "archive": str(chosen.archive),
        "made_at": done.contents.made_at,
        "plays": done.plays,
        "lost_plays": done.lost_plays,
        "lost_exported": done.lost_exported,
        "aside": str(done.aside) if done.aside else None,
        "models_rebuilt": done.models_fault is None,
        "accounts": each,
    }


def show_backups(backups: "Sequence[Backup]", zone: str) -> None:
    """The newest backups with what they hold, times on the zone's clock."""
    from spotify_assets.warehouse.backups.manifest import SUFFIX

    good = [each.manifest for each in backups if each.manifest]
    if good:
        show_table(
            ("Made", "Rows", "MB", "Backup"),
            (
                (
                    times.local(manifest.contents.made_at, zone)[:16],
                    f"{manifest.contents.plays:,}",
                    megabytes(manifest.archive_size),
                    manifest.archive.removesuffix(SUFFIX),
                )
                for manifest in good[:BACKUPS_SHOWN]
            ),
            whole=("Made", "Rows", "MB", "Backup"),
        )
    if len(good) > BACKUPS_SHOWN:
        click.echo(f"… and {len(good) - BACKUPS_SHOWN} older")
    for each in backups:
        if each.fault:
            click.secho(f"Damaged: {printable(each.fault)}", fg="red")


def show_plan(plan: "Plan", zone: str) -> None:
    """What a restore would change."""
    contents = plan.backup.contents
    made_at = times.local(contents.made_at, zone)

    def holding(plays: int, newest_play: str | None) -> str:
        newest = f", the newest of {times.local(newest_play, zone)}" if newest_play else ""
        return f"{plays:,} rows of plays{newest}"

    now = "nothing that can be read"
    if plan.plays is not None:
        now = holding(plan.plays, plan.newest_play) + " (kept aside)"
    click.echo(f"\nTo restore: {plan.backup.archive.name}")
    click.echo(f"  made:           {made_at}")
    click.echo(f"  now here:       {now}")
    click.echo(f"  in the backup:  {holding(contents.plays, contents.newest_play)}")
    if plan.loads_after or plan.pages_after:
        click.echo(
            f"  since then:     {plan.loads_after:,} loads go; {plan.pages_after:,} answers of "
            "Spotify's are still kept and loaded again"
        )


def show_restored(chosen: "Backup", done: "Restored") -> None:
    """What a restore came to."""
    from spotify_assets.warehouse.loading import Receipt

    click.echo(f"Restored {chosen.archive.name}")
    if done.receipts:
        click.echo("Answers of Spotify's that it had not loaded:")
        for account, receipt in done.receipts.items():
            click.echo(f"  {printable(account)}: {receipt}")
        click.echo(str(sum(done.receipts.values(), Receipt())))
    if done.lost_plays:
        click.secho(
            f"{done.lost_plays:,} plays that were here are in neither; the gaps say where.",
            fg="yellow",
        )
    if done.lost_exported:
        click.secho(
            f"{done.lost_exported:,} rows of exports were imported after it and are not here any "
            "more. Import these downloads again: spotify-assets import",
            fg="yellow",
        )
    if done.aside and done.lost_exported is None:
        click.secho(
            "What was here is damaged, so nobody knows what came after that backup. "
            "Import the downloads of that time again: spotify-assets import",
            fg="yellow",
        )
    if done.aside:
        click.echo(f"What was here before: {done.aside}")
        if done.aside.is_file():
            click.echo(f"  to undo: spotify-assets restore {done.aside}")
    models = "" if done.models_fault else ", and the models are of them"
    click.echo(f"{done.plays:,} rows of plays are here now{models}.")


def _show_missing_logins(settings: Settings) -> None:
    """Say who has to log in: no login is in a backup."""
    from spotify_assets.spotify.state import State
    from spotify_assets.spotify.token_store import TokenStore

    store = TokenStore(settings.tokens)
    known = State(settings.state_path).accounts()
    accounts = [account.account_id for account in known if account.authorized_at]
    without = [printable(name) for name in accounts if store.load(name) is None]
    if without:
        click.echo(f"No login is in a backup. Next: spotify-assets login ({', '.join(without)})")
