"""`schedule`: have this machine collect by itself, also after a restart."""

import json

import click

from spotify_assets import scheduler
from spotify_assets.cli.output import json_option, printable
from spotify_assets.scheduler import EVERY_MINUTES, Job, SchedulerError
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
    line in the crontab. The same again changes nothing.
    """
    settings = Settings.load()
    try:
        job, here = Job.of(settings), scheduler.present_scheduler()
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


@schedule.command()
def remove() -> None:
    """End what `install` began; nothing that was collected goes."""
    settings = Settings.load()
    try:
        job, here = Job.of(settings), scheduler.present_scheduler()
        if not here.is_installed(job):
            click.echo("Nothing is installed.")
            return
        here.remove(job)
    except SchedulerError as error:
        raise click.ClickException(printable(error)) from None
    click.echo(f"{here.name} calls refresh no more.")
