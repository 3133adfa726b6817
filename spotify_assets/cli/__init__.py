"""The command `spotify-assets`: reads arguments, calls the rooms, prints for a person or a program.

One module for each subject, holding its commands and the screens that they print; `output` holds
what these share. A new command is a plain `click.command` in the module of its subject, and a line
at the end of this one. Only what `--help` needs is imported at the top of a module; what is heavy
is imported inside the command that needs it, so that `--help` and the idle commands answer at once.
"""

import io
import os
import sqlite3
import sys
from typing import Any

import click

from spotify_assets.cli import (
    accounts,
    backups,
    covers,
    dashboard,
    hide,
    imports,
    plays,
    quarantine,
    refresh,
    report,
    schedule,
    status,
    top,
    worlds,
)
from spotify_assets.settings import SettingsError, keep_to_ourselves


class Commands(click.Group):
    """A group whose commands end with one clear line where something fails."""

    def invoke(self, context: click.Context) -> Any:
        """Run the command; an error that is expected becomes a line on standard error, exit 1."""
        keep_to_ourselves()
        _open_what_is_closed()
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


def _open_what_is_closed() -> None:
    """Let there be standard streams: a shell can close them, and the next file would become one."""
    for number, mode in enumerate("rww"):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
            stream = os.fdopen(number, mode, closefd=False, encoding="utf-8")
            setattr(sys, ("stdin", "stdout", "stderr")[number], stream)


def _one_line(error: Exception) -> str | None:
    """What to say of an error that can be expected, or None for a fault of ours."""
    from sqlalchemy.exc import DBAPIError

    from spotify_assets.database import is_damage
    from spotify_assets.spotify.errors import SpotifyError
    from spotify_assets.warehouse.backups.errors import BackupError
    from spotify_assets.warehouse.dbt_command import ModelsError
    from spotify_assets.warehouse.schema import SchemaError

    if isinstance(error, SettingsError | SpotifyError | BackupError | SchemaError | ModelsError):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")
    if isinstance(error, DBAPIError):
        error = error.orig if isinstance(error.orig, Exception) else error
    if isinstance(error, sqlite3.Error) and is_damage(error):
        return (
            f"The database is damaged. SQLite says: {error}. "
            "The last good backup brings it back: spotify-assets restore"
        )
    if isinstance(error, sqlite3.Error | DBAPIError):
        # SQLite does not always say "disk is full" where it is.
        hint = " The disk may be full." if "disk I/O error" in str(error) else ""
        return f"The database says: {error}.{hint} What was committed before is kept."
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
      spotify-assets dashboard   look at them in the browser
      spotify-assets report      write the year in review, to keep or to show
      spotify-assets dev         open the Dagster UI: lineage, schedules, checks
    """


for command in (
    accounts.login,
    accounts.logout,
    accounts.accounts,
    refresh.refresh,
    schedule.schedule,
    imports.import_,
    quarantine.quarantine,
    plays.view,
    plays.trace,
    top.top,
    dashboard.dashboard,
    covers.covers,
    report.report,
    hide.hide,
    hide.unhide,
    status.status,
    backups.backup,
    backups.restore,
    worlds.sandbox,
    worlds.demo,
    worlds.dev,
):
    main.add_command(command)
