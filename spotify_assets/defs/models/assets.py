"""dbt models as assets, dbt tests as asset checks."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
from dagster_dbt import (
    DagsterDbtTranslator,
    DagsterDbtTranslatorSettings,
    DbtCliResource,
    DbtProject,
    dbt_assets,
)
from sqlalchemy import func, select, table

from spotify_assets.defs.models.project import dbt_project
from spotify_assets.defs.resources import WarehouseResource
from spotify_assets.settings import Settings
from spotify_assets.warehouse.dbt_command import reuse_parsed_files


class Translator(DagsterDbtTranslator):
    """Groups follow the folders, which follow the path of a play."""

    def get_asset_spec(
        self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None
    ) -> dg.AssetSpec:
        """The asset of a dbt node."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        node = manifest["nodes"].get(unique_id)
        if not node:
            return spec
        # The table by the name that people query: dbt puts "database.main." in front of it.
        named = {**spec.metadata, "dagster/table_name": node["alias"]}
        return spec.replace_attributes(group_name=node["fqn"][1], metadata=named)


class WithoutAdapter(DbtCliResource):
    """dbt without a handle of its own on the database, in this process.

    Making it takes 3 s of every run, and only metadata of columns are asked of it.
    """

    def _initialize_dbt_core_adapter(self, args: Sequence[str]) -> None:  # type: ignore[override]
        return None


class ModelsConfig(dg.Config):
    """What can be chosen in the launchpad.

    Attributes:
        full_refresh: make the incremental models anew from raw.
        all_tests: test the code, too, and all rows, not only what the build wrote.
    """

    full_refresh: bool = False
    all_tests: bool = True


def build_arguments(config: ModelsConfig) -> list[str]:
    """Dbt's arguments for a build; what is selected, Dagster adds."""
    arguments = ["build"]
    if config.full_refresh:
        arguments += ["--full-refresh"]
    if not config.all_tests:
        arguments += ["--exclude-resource-type", "unit_test", "--exclude", "tag:slow"]
    return arguments


@dbt_assets(
    manifest=dbt_project().manifest_path,
    project=dbt_project(),
    dagster_dbt_translator=Translator(
        DagsterDbtTranslatorSettings(
            enable_code_references=True,
            enable_source_tests_as_checks=True,
            # The raw asset writes what its loads say about coverage and the zones too.
            enable_duplicate_source_asset_keys=True,
        )
    ),
)
def dbt_models(
    context: dg.AssetExecutionContext,
    config: ModelsConfig,
    dbt: DbtCliResource,
    warehouse: WarehouseResource,
) -> Iterator[Any]:
    """Build the selected models and run their tests, in one dbt process."""
    target = Settings.load().dbt_target / context.run.run_id
    reuse_parsed_files(target)
    os.environ["SPOTIFY_ASSETS_TESTS"] = "everything" if config.all_tests else "touched days"
    # Asking for columns' types, and parsing all models for their lineage, takes 7 s: they change
    # with the code, so the runs that test the code do it.
    dbt = dbt if config.all_tests else WithoutAdapter(**dict(dbt))
    events = dbt.cli(build_arguments(config), context=context, target_path=target).stream()
    for event in events.fetch_column_metadata() if config.all_tests else events:
        if isinstance(event, dg.Output):
            model = context.asset_key_for_output(event.output_name).path[-1]
            yield event.with_metadata({**event.metadata, **row_count(warehouse, model)})
        else:
            yield event


def checks_of_the_day() -> dg.AssetSelection:
    """Tests that a refresh leaves to the daily run: what reads all rows, and what stops nothing.

    Dagster keeps two events of a check, which cost 20 ms, and a refresh would have 60 of them.
    """
    nodes = json.loads(dbt_project().manifest_path.read_bytes())["nodes"].values()
    left = {
        node["name"]
        for node in nodes
        if node["resource_type"] == "test"
        and ("slow" in node["tags"] or node["config"]["severity"] == "warn")
    }
    return dg.AssetSelection.checks(
        *(spec.key for spec in dbt_models.check_specs if spec.name in left)
    )


def row_count(warehouse: WarehouseResource, model: str) -> dict[str, int]:
    """The rows of a model as Dagster's metadata; nothing for a view, which may be slow to count."""
    if not warehouse.warehouse.has_table(model, kind="table"):
        return {}
    ((rows,),) = warehouse.warehouse.read(select(func.count()).select_from(table(model)))
    return {"dagster/row_count": rows}
