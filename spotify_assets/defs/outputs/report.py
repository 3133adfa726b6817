"""The year in review as an asset: its files, rewritten where the marts say something else."""

import re
from collections.abc import Sequence

import dagster as dg

from spotify_assets.defs.operations.killed_runs import process_tags
from spotify_assets.defs.properties import ONCE_A_DAY
from spotify_assets.outputs import figures
from spotify_assets.outputs.marts.look import Kind
from spotify_assets.outputs.report import Report, write_reports
from spotify_assets.outputs.year.story import fit, names
from spotify_assets.settings import Settings

MARTS = (
    *("dim_accounts", "dim_dates", "dim_tracks", "fct_habit_days", "fct_track_days"),
    "int_shown_plays",
    *("mart_coverage", "mart_discoveries", "mart_returns", "mart_streaks"),
)
LONGEST_NAME = 40  # columns of a name in the preview


@dg.asset(
    deps=list(MARTS),
    group_name="outputs",
    kinds={"python", "html"},
    owners=["team:listener"],
    freshness_policy=ONCE_A_DAY,
)
def listening_report(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    """The year in review of each account and year, an HTML file and a picture, in data/reports.

    daily_refresh_job and models_job make it after its marts, and rewrite only those files whose
    content changed. `spotify-assets report` makes it at once.
    """
    context.instance.add_run_tags(context.run.run_id, process_tags())
    settings = Settings.load()
    reports = write_reports(settings, all_years=True)
    if not reports:
        context.log.info("There is no play in the models yet, so there is no report.")
        return dg.MaterializeResult(metadata={"reports": 0})
    files = [path for report in reports for path in (report.page, report.picture)]
    written = [path.name for report in reports for path in report.changed]
    context.log.info("Wrote %d of %d files: %s", len(written), len(files), ", ".join(written))
    return dg.MaterializeResult(
        metadata={
            "reports": len(reports),
            "folder": dg.MetadataValue.path(settings.reports),
            "years": sorted({report.review.year for report in reports}),
            "written": written,
            "bytes": {path.name: path.stat().st_size for path in files},
            "preview": dg.MetadataValue.md(preview(reports)),
        }
    )


def preview(reports: Sequence[Report]) -> str:
    """A table of the reports in Markdown: hours and the artist of the year, names as text."""
    lines = ["| Account | Year | Listened | Artist of the year |", "| --- | --- | --- | --- |"]
    for report in reports:
        found = report.review
        artists = found.tops[Kind.ARTISTS]
        cells = (
            _as_text(names(found)),
            str(found.year),
            ("at least " if found.totals.days_at_least else "")
            + figures.duration(found.totals.ms_played),
            _as_text(artists[0].name) if artists else "",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _as_text(name: str | None) -> str:
    """A name that Markdown shows as it is: in it each mark of ASCII can be escaped."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", fit(name, LONGEST_NAME))
