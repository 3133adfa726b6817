"""Asset checks that read a model and show what it measured.

Tests that only pass or fail belong in the dbt project.
"""

import dagster as dg
from sqlalchemy import text

from spotify_assets.defs.resources import WarehouseResource

# An extended export has every play of its span, so more is a sign that plays count twice.
MOST_SINGLE_PERCENT = 1


@dg.asset_check(asset=dg.AssetKey("mart_source_agreement"))
def sources_agree(warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """The API and the exports agree: their plays match, and their ends are close enough to tell.

    Warns where more than 1 % of the API's plays within the span of an extended export are in no row
    of it, and where the ends differ by more than half the time between two plays.
    """
    query = "select * from mart_source_agreement order by account_id"
    rows = [dict(row._mapping) for row in warehouse.warehouse.read(text(query))]
    faults = [fault for row in rows for fault in _faults(row)]
    single = sum(row["api_plays_single"] for row in rows)
    in_spans = sum(row["api_plays_in_spans"] for row in rows)
    both = sum(row["plays_of_both"] for row in rows)
    found = f"{both:,} plays are in both sources." if both else "No play is in both sources yet."
    if in_spans:
        found += (
            f" Of {in_spans:,} plays of the API within the time of an extended export, {single:,}"
            f" ({100 * single / in_spans:.1f} %) are in no row of it."
        )
    return dg.AssetCheckResult(
        passed=not faults,
        severity=dg.AssetCheckSeverity.WARN,
        description=" ".join([found, *faults]),
        metadata={
            "plays_of_both": both,
            "api_plays_in_spans": in_spans,
            "api_plays_single": single,
            "accounts": dg.TableMetadataValue(
                [dg.TableRecord(row) for row in rows],
                dg.TableSchema([dg.TableColumn(name) for name in rows[0]] if rows else []),
            ),
        },
    )


def _faults(row: dict[str, int | str | None]) -> list[str]:
    """What is wrong with an account, a row of `mart_source_agreement`, one sentence each."""
    faults = []
    single, in_spans = int(row["api_plays_single"] or 0), int(row["api_plays_in_spans"] or 0)
    if 100 * single > MOST_SINGLE_PERCENT * in_spans:
        faults.append(
            f"{row['account_id']}: {single:,} of {in_spans:,} plays of the API match no row of the "
            "export that covers their time, and may count twice."
        )
    first, last, most = row["offset_p05_ms"], row["offset_p95_ms"], row["half_spacing_ms"]
    if first is not None and most is not None and int(last or 0) - int(first) > int(most):
        faults.append(
            f"{row['account_id']}: the ends of plays differ by {first:,} to {last:,} ms, more than "
            f"half the time between two plays ({most:,} ms): some rows may be paired with a "
            "neighbour."
        )
    return faults
