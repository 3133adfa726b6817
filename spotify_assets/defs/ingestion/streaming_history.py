"""What exports hold, as an asset that no run materialises: people import what they downloaded.

`spotify-assets import` and the inbox report what they loaded, so lineage and metadata stay true.
"""

from collections.abc import Sequence

import dagster as dg
from sqlalchemy import func, select

from spotify_assets.defs.io_manager import column_schema
from spotify_assets.settings import Settings
from spotify_assets.warehouse.importing import ImportedFile
from spotify_assets.warehouse.loading import Receipt
from spotify_assets.warehouse.tables import raw_streaming_history
from spotify_assets.warehouse.warehouse import Warehouse

streaming_history = dg.AssetSpec(
    ["raw", "streaming_history"],
    group_name="raw",
    kinds={"python", "pandas", "sqlite"},
    owners=["team:listener"],
    description=(
        "Every row of every privacy export that was imported, but for what is personal in it. "
        "`spotify-assets import` reads one; a file in data/inbox is imported by itself."
    ),
    metadata={"dagster/column_schema": column_schema(raw_streaming_history)},
)


def report(instance: dg.DagsterInstance, settings: Settings, done: Sequence[ImportedFile]) -> None:
    """Record in Dagster what an import loaded, as a materialisation without a run."""
    total = sum((file.receipt for file in done), Receipt())
    plays = raw_streaming_history.c
    query = select(func.count(), func.min(plays.ts), func.max(plays.ts))
    rows, oldest, newest = tuple(Warehouse(settings.warehouse_path).read(query)[0])
    instance.report_runless_asset_event(
        dg.AssetMaterialization(
            streaming_history.key,
            metadata={
                **vars(total),
                "accounting": str(total),
                "dagster/row_count": rows,
                "oldest_play": oldest or "none",
                "newest_play": newest or "none",
                "files": {f"{each.package}: {each.file}": str(each.receipt) for each in done},
                "errors": {
                    f"{each.package}: {each.file}": each.error for each in done if each.error
                },
                "unknown_fields": sorted({name for each in done for name in each.unknown_fields}),
            },
        )
    )
