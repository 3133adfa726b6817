"""The IO manager: the only way from an asset into a raw table."""

import dagster as dg
import pandas as pd
from sqlalchemy import Table, func, select

from spotify_assets.defs import pictures
from spotify_assets.settings import Settings
from spotify_assets.warehouse.loading import Loads, Receipt, write_load
from spotify_assets.warehouse.tables import metadata, raw_recently_played
from spotify_assets.warehouse.warehouse import Warehouse
from spotify_assets.warehouse.zones import fix_zones

NEWEST_PLAYS_SHOWN = 10


class WarehouseIOManager(dg.ConfigurableIOManager):
    """Writes the loads of the asset `raw/<name>` to the table `raw_<name>`, and reads it whole.

    The run holds the writer lock by way of the asset's warehouse resource.
    """

    def handle_output(self, context: dg.OutputContext, obj: Loads) -> None:
        """Write each load in a transaction of its own and show the accounting."""
        if not isinstance(obj, Loads):
            raise TypeError(f"an asset of a raw table returns Loads, not {type(obj).__name__}")
        table, warehouse = _table(context.asset_key), _warehouse()
        engine, total, edges = warehouse.writer(), Receipt(), set[str]()
        for load in obj:
            receipt = write_load(engine, table, load, context.run_id)
            context.log.info("%s: %s", load.account_id, receipt)
            total += receipt
            edges |= {edge for edge in (load.window_from, load.window_to) if edge}
        context.log.info("%s", total)
        fix_zones(engine, Settings.load().timezone)
        context.add_output_metadata(
            {
                **vars(total),
                "accounting": str(total),
                "dagster/row_count": warehouse.read(select(func.count()).select_from(table))[0][0],
                "oldest_play": min(edges, default="none was read"),
                "newest_play": max(edges, default="none was read"),
                "newest_plays": _newest_plays(warehouse),
                **pictures.of_raw(Settings.load(), raw_recently_played.c.played_at),
            }
        )

    def load_input(self, context: dg.InputContext) -> pd.DataFrame:
        """The whole raw table, for assets in Python."""
        table = _table(context.asset_key)
        rows = _warehouse().read(select(table))
        return pd.DataFrame(rows, columns=[column.name for column in table.columns])


def column_schema(table: Table) -> dg.TableSchema:
    """The table's columns as Dagster shows them."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=column.name,
                type=str(column.type).lower(),
                description=column.comment,
                constraints=dg.TableColumnConstraints(
                    nullable=bool(column.nullable), unique=bool(column.unique)
                ),
            )
            for column in table.columns
        ]
    )


def _warehouse() -> Warehouse:
    return Warehouse(Settings.load().warehouse_path)


def _table(key: dg.AssetKey) -> Table:
    return metadata.tables["_".join(key.path)]


def _newest_plays(warehouse: Warehouse) -> dg.TableMetadataValue:
    plays = warehouse.newest_listed(NEWEST_PLAYS_SHOWN)
    columns = ("played_at", "account_id", "track_name", "artist_name")
    return dg.MetadataValue.table(
        records=[dg.TableRecord({name: getattr(play, name) for name in columns}) for play in plays],
        schema=dg.TableSchema(columns=[dg.TableColumn(name) for name in columns]),
    )
