"""Asset checks of the models that dbt cannot make: they measure, and show what they measured."""

from dataclasses import asdict

import dagster as dg

from spotify_assets.defs.resources import WarehouseResource
from spotify_assets.warehouse.agreement import agreement


@dg.asset_check(asset=dg.AssetKey("int_plays_matched"))
def sources_agree(warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """The API and the exports differ by less than would let two plays be taken for one another."""
    found = agreement(warehouse.warehouse)
    told = (
        f"The export's ends are {found.offset_median:,} ms after the API's (median of "
        f"{found.pairs:,} plays; 9 of 10 from {found.offset_p05:,} to {found.offset_p95:,})."
        if found.pairs
        else "No play is in both sources yet."
    )
    if not found.can_be_told_apart:
        told += (
            f" That varies by more than half the time between two plays ({found.half_spacing:,} "
            "ms): some rows may be paired with a neighbour."
        )
    if found.api_plays_single:
        told += (
            f" {found.api_plays_single:,} plays of the API are in no export that covers their time."
        )
    return dg.AssetCheckResult(
        passed=found.can_be_told_apart,
        severity=dg.AssetCheckSeverity.WARN,
        description=told,
        metadata={name: value for name, value in asdict(found).items() if value is not None},
    )
