"""What the screens of all commands share: tables, clean text, a sign that something takes its time.

Text that came from Spotify passes `printable`: a title must neither steer a terminal nor fill it.
"""

import logging
import os
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

SPINNER_PER_SECOND = 12.5
SECONDS_IN_SILENCE = 2  # after which something shows how far it is
LONGEST_TEXT = 1_000  # characters; a name in a file can be a million

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


def not_empty(example: str) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """A callback that refuses an empty value, as of an unset variable in a script.

    Args:
        example: a command with a value, for the message.
    """

    def refuse(_context: click.Context, _parameter: click.Parameter, value: Any) -> Any:
        values = value if isinstance(value, tuple) else (value,)
        if any(text is not None and not text.strip() for text in values):
            raise click.BadParameter(f"it is empty. Leave it out, or write it as in: {example}")
        return value

    return refuse


def show_table(
    columns: Iterable[str], rows: Iterable[Iterable[str]], whole: Collection[str] = ()
) -> None:
    """A table as wide as the terminal; columns in `whole` are never cut."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    lines = [[printable(text) for text in row] for row in rows]
    table = Table(box=None, header_style="bold")
    for name in columns:
        table.add_column(name, no_wrap=name in whole)
    for line in lines:
        # Text takes no markup, and each line stays one line whatever the terminal's width.
        table.add_row(*(Text(text, no_wrap=True, overflow="ellipsis") for text in line))
    Console().print(table)


def is_a_person() -> bool:
    """Whether somebody can answer a question: standard input is a terminal."""
    return sys.stdin.isatty()


def printable(value: object) -> str:
    """Text without control characters, and not longer than a person reads."""
    text = str(value)
    if len(text) > LONGEST_TEXT:
        text = f"{text[:LONGEST_TEXT]}…"
    return "".join(character if character.isprintable() else " " for character in text)


@contextmanager
def working(what: str) -> Iterator[None]:
    """Show that something takes its time, and whom it waits for.

    On a copy of standard error, since the real one goes to a log file while dbt prints. What is
    printed meanwhile goes where it was sent: by default rich would take it into the terminal.
    """
    from rich.console import Console
    from rich.live import Live
    from rich.spinner import Spinner

    with os.fdopen(os.dup(2), "w", encoding="utf-8") as stderr:
        console = Console(file=stderr)
        with (
            _log_shown(console),
            Live(
                Spinner("dots", what),
                console=console,
                transient=True,
                refresh_per_second=SPINNER_PER_SECOND,
                redirect_stdout=False,
                redirect_stderr=False,
            ),
        ):
            yield


@contextmanager
def progressing(total_bytes: int) -> Iterator[Callable[[str, int, int], None]]:
    """A bar for rows that are read from files, with rows per second and the time left.

    Yields a function that takes what is being read, and how many bytes and rows were so far.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[rows]:,} rows, {task.fields[pace]:,.0f} a second"),
        TimeRemainingColumn(),
    )
    is_seen = console.is_terminal
    bar = Progress(*columns, console=console, transient=True, disable=not is_seen)
    with _log_shown(console), bar:
        task = bar.add_task("", total=total_bytes, rows=0, pace=0)
        started = time.monotonic()

        def tell(what: str, bytes_read: int, rows_read: int) -> None:
            pace = rows_read / max(time.monotonic() - started, 0.001)
            description = printable(what)
            bar.update(
                task, completed=bytes_read, description=description, rows=rows_read, pace=pace
            )

        yield tell


@contextmanager
def counting(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar for things that are done one after the other, once they take over two seconds.

    Yields a function that takes how many are done, and of how many.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    task = bar.add_task(what)
    started = time.monotonic()

    def tell(done: int, total: int) -> None:
        bar.update(task, completed=done, total=total)
        if time.monotonic() - started > SECONDS_IN_SILENCE:
            bar.start()

    try:
        yield tell
    finally:
        bar.stop()


@contextmanager
def _log_shown(console: "Console") -> Iterator[None]:
    """Print on a console what the rooms have to say meanwhile, as whom they wait for."""
    from rich.logging import RichHandler

    handler = RichHandler(console=console, show_time=False, show_level=False, show_path=False)
    logger = logging.getLogger("spotify_assets")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def megabytes(size: int) -> str:
    """A size in bytes as megabytes."""
    return f"{size / 1_000_000:,.1f}"
