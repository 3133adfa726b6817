"""dbt models as assets, dbt tests as asset checks."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
from dagster_dbt import (
    DagsterDbtTranslator,
    DagsterDbtTranslatorSettings,
    DbtCliResource,
    DbtProject,
    dbt_assets,
)

from spotify_assets.defs.models.project import dbt_project
from spotify_assets.defs.resources import WarehouseResource
from spotify_assets.settings import Settings


class Translator(DagsterDbtTranslator):
    """Groups follow the folders, which follow the path of a play."""

    def get_asset_spec(
        self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None
    ) -> dg.AssetSpec:
        """The asset of a dbt node."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        node = manifest["nodes"].get(unique_id)
        return spec.replace_attributes(group_name=node["fqn"][1]) if node else spec


class ModelsConfig(dg.Config):
    """What can be chosen in the launchpad."""

    full_refresh: bool = False
    unit_tests: bool = True


def build_arguments(config: ModelsConfig) -> list[str]:
    """Dbt's arguments for a build; what is selected, Dagster adds."""
    arguments = ["build"]
    if config.full_refresh:
        arguments += ["--full-refresh"]
    if not config.unit_tests:
        arguments += ["--exclude-resource-type", "unit_test"]
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
    invocation = dbt.cli(build_arguments(config), context=context, target_path=target)
    events = invocation.stream().fetch_row_counts()
    # Parsing all models for their columns' lineage takes 3 s: it changes with the code, so the runs
    # that test the code do it.
    yield from events.fetch_column_metadata(with_column_lineage=config.unit_tests)
