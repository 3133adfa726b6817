"""What exports hold, as an asset that no run materialises: people import what they downloaded.

`spotify-assets import` and the inbox report what they loaded, so lineage and metadata stay true.
"""

from collections.abc import Sequence

import dagster as dg
from sqlalchemy import func, select

from spotify_assets.defs import pictures
from spotify_assets.defs.io_manager import column_schema
from spotify_assets.defs.properties import code_reference
from spotify_assets.settings import Settings
from spotify_assets.warehouse.importing import ImportedFile, import_packages
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
        "`spotify-assets import` reads one; a file in data/inbox is imported by itself. "
        "models_job runs its checks after an import, daily_refresh_job runs all once a day."
    ),
    metadata={
        "dagster/column_schema": column_schema(raw_streaming_history),
        **code_reference(import_packages),
    },
)


def materialization(settings: Settings, done: Sequence[ImportedFile]) -> dg.AssetMaterialization:
    """What an import came to, as Dagster keeps it; without a run, report it to the instance."""
    total = sum((file.receipt for file in done), Receipt())
    plays = raw_streaming_history.c
    query = select(func.count(), func.min(plays.ts), func.max(plays.ts))
    rows, oldest, newest = tuple(Warehouse(settings.warehouse_path).read(query)[0])
    names = {f"{each.package}: {each.file}": each for each in done}
    return dg.AssetMaterialization(
        streaming_history.key,
        metadata={
            **vars(total),
            "accounting": str(total),
            "dagster/row_count": rows,
            "oldest_play": oldest or "none",
            "newest_play": newest or "none",
            "files": {name: str(each.receipt) for name, each in names.items()},
            "errors": {name: each.error for name, each in names.items() if each.error},
            "unknown_fields": sorted({name for each in done for name in each.unknown_fields}),
            **pictures.of_raw(settings, plays.ts),
        },
    )
