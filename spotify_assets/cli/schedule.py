"""`schedule`: have this machine collect by itself, also after a restart."""

import json
from collections.abc import Sequence

import click

from spotify_assets import scheduler
from spotify_assets.cli.output import json_option, printable
from spotify_assets.scheduler import EVERY_MINUTES, Job, Scheduler, SchedulerError
from spotify_assets.settings import CHECKOUT, Settings


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def schedule(context: click.Context, as_json: bool) -> None:
    """Show whether this machine calls `refresh` by itself, without a Dagster daemon.

    \b
    Examples:
      spotify-assets schedule
      spotify-assets schedule install      every 15 minutes, also after a restart
      spotify-assets schedule remove
    """
    if context.invoked_subcommand is not None:
        context.obj = as_json
        return
    found = scheduler.installed_schedulers(Settings.load())
    if as_json:
        click.echo(json.dumps({"installed": found}))
    elif found:
        click.echo(f"{' and '.join(found)} calls refresh every {EVERY_MINUTES} minutes.")
    else:
        click.echo("Nothing is installed. Next: spotify-assets schedule install")


@schedule.command()
@click.option("--print", "only_print", is_flag=True, help="Show what would be written, only.")
def install(only_print: bool) -> None:
    """Let this machine call `refresh` every 15 minutes, also after a restart.

    A timer of systemd for this user, an agent of launchd on macOS, a task of Windows, or else a
    line in the crontab. The same again changes nothing, and what another of these had is removed.
    """
    settings = Settings.load()
    try:
        job = Job.of(settings)
        here = scheduler.present_scheduler(job)
        if only_print:
            for name, text in here.texts(job).items():
                click.echo(f"# {name}\n{text}")
            return
        notes = here.install(job)
    except SchedulerError as error:
        raise click.ClickException(printable(error)) from None
    click.echo(f"{here.name} calls refresh every {EVERY_MINUTES} minutes, also after a restart:")
    for name in here.texts(job):
        click.echo(f"  {printable(name)}")
    for note in notes:
        click.echo(printable(note))
    missing = scheduler.only_in_this_shell(settings)
    if missing:
        click.echo(
            f"Set only in this shell, so not there: {', '.join(missing)}. Put it into "
            f"{printable(CHECKOUT / '.env')}"
        )
    _remove_from([each for each in scheduler.schedulers_with(job) if each.name != here.name], job)


@schedule.command()
def remove() -> None:
    """End what `install` began; nothing that was collected goes."""
    try:
        job = Job.of(Settings.load())
    except SchedulerError as error:
        raise click.ClickException(printable(error)) from None
    found = scheduler.schedulers_with(job)
    if not found:
        click.echo("Nothing is installed.")
    _remove_from(found, job)


def _remove_from(found: Sequence[Scheduler], job: Job) -> None:
    """Remove the job from each of these, also where another one fails."""
    failed = []
    for each in found:
        try:
            each.remove(job)
        except SchedulerError as error:
            failed.append(str(error))
        else:
            click.echo(f"{each.name} calls refresh no more.")
    if failed:
        raise click.ClickException(printable(" ".join(failed)))
