"""`report`: the year in review as a file to keep or to show."""

import json
from typing import TYPE_CHECKING

import click

from spotify_assets.cli.output import json_option, printable
from spotify_assets.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spotify_assets.outputs.report import Report


@click.command()
@click.option(
    "--year",
    type=int,
    metavar="YEAR",
    help="Of this year [the last one that is over, or else this one].",
)
@click.option("--account", metavar="NAME", help="Only of this account [all].")
@json_option
def report(year: int | None, account: str | None, as_json: bool) -> None:
    """Write the year in review: a page as one file that opens anywhere, and a picture to share.

    They are in data/reports, one of each for an account and a year. Only what changed is written.

    \b
    Examples:
      spotify-assets report
      spotify-assets report --year 2025 --account mira
      spotify-assets report --json | jq -r '.reports[].page'
    """
    from spotify_assets.cli.accounts import account_named
    from spotify_assets.outputs.report import write_reports

    settings = Settings.load()
    account_id = account and account_named(settings, account)
    reports = write_reports(settings, account_id, year)
    if reports is None:
        raise click.ClickException("Nothing is modelled yet. Run: spotify-assets refresh")
    if not reports:
        by = f" by {printable(account)}" if account else ""
        raise click.ClickException(
            f"Nothing was played{by}{'' if year is None else f' in {year}'}."
        )
    if as_json:
        click.echo(json.dumps({"reports": [_as_json(each) for each in reports]}))
    else:
        show_reports(reports)


def show_reports(reports: "Sequence[Report]") -> None:
    """Whose year each report is, and where its files are."""
    from spotify_assets.outputs import figures
    from spotify_assets.outputs.year.story import names

    for each in reports:
        at_least = "at least " if each.review.totals.days_at_least else ""
        listened = figures.duration(each.review.totals.ms_played)
        click.echo(f"{printable(names(each.review))}, {each.review.year}: {at_least}{listened}")
        click.echo(f"  page     {each.page}\n  picture  {each.picture}")


def _as_json(report: "Report") -> dict[str, object]:
    review = report.review
    return {
        "account": review.accounts[0].account_id,
        "year": review.year,
        "is_over": review.is_over,
        "plays": review.totals.plays,
        "ms_played": review.totals.ms_played,
        "ms_played_estimated": review.totals.ms_played_estimated,
        "days_at_least": review.totals.days_at_least,
        "page": str(report.page),
        "picture": str(report.picture),
        "written": [str(path) for path in report.changed],
    }
