"""`dashboard`: your listening as pages in the browser."""

import contextlib

import click

from spotify_assets.settings import Settings


@click.command()
@click.option("--port", default=3030, show_default=True, type=click.IntRange(1, 65535))
def dashboard(port: int) -> None:
    """Look at your listening in the browser: overview, tops, days and hours, artists, trust.

    It reads what is stored, beside whatever writes, and changes nothing.

    \b
    Example:
      spotify-assets dashboard       then open http://127.0.0.1:3030
    """
    from spotify_assets.outputs.dashboard.serving import serve

    with contextlib.suppress(KeyboardInterrupt):
        serve(Settings.load(), port, click.echo)
