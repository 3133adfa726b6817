"""dbt models as assets, dbt tests as asset checks."""

import json
import os
from collections.abc import Iterator
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslatorSettings, DbtCliResource, dbt_assets
from pydantic import Field
from sqlalchemy import func, select, table

from spotify_assets.defs import pictures
from spotify_assets.defs.models.project import dbt_project
from spotify_assets.defs.models.translator import Translator, is_of_the_day
from spotify_assets.defs.resources import WarehouseResource
from spotify_assets.settings import Settings
from spotify_assets.warehouse.dbt_command import reuse_parsed_files


class ModelsConfig(dg.Config):
    """What can be chosen in the Launchpad."""

    full_refresh: bool = Field(
        default=False,
        description=(
            "Rebuild the incremental models from the raw tables, instead of the days that changed. "
            "Needed by nothing in normal use; takes minutes on a long history."
        ),
    )


def build_arguments(config: ModelsConfig, *, all_tests: bool) -> list[str]:
    """Dbt's arguments for a build; Dagster adds what is selected.

    Args:
        config: the choices of the Launchpad.
        all_tests: run the unit tests too, which say something about the code.
    """
    arguments = ["build"]
    if config.full_refresh:
        arguments += ["--full-refresh"]
    if not all_tests:
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
    """Build the selected models and run the selected tests, in one dbt process.

    Where checks of the day are selected, tests look at all rows and not only at what the build
    wrote, and dbt's unit tests run too.
    """
    all_tests = bool(CHECKS_OF_THE_DAY & context.selected_asset_check_keys)
    os.environ["SPOTIFY_ASSETS_TESTS"] = "everything" if all_tests else "touched days"
    settings = Settings.load()
    target = settings.dbt_target / context.run.run_id
    reuse_parsed_files(target)
    arguments = build_arguments(config, all_tests=all_tests)
    for event in dbt.cli(arguments, context=context, target_path=target).stream():
        if isinstance(event, dg.Output):
            model = context.asset_key_for_output(event.output_name).path[-1]
            drawn = pictures.of_model(settings, model)
            yield event.with_metadata({**event.metadata, **row_count(warehouse, model), **drawn})
        else:
            yield event


def _checks_of_the_day() -> set[dg.AssetCheckKey]:
    nodes = json.loads(dbt_project().manifest_path.read_bytes())["nodes"].values()
    names = {
        node["name"] for node in nodes if node["resource_type"] == "test" and is_of_the_day(node)
    }
    return {spec.key for spec in dbt_models.check_specs if spec.name in names}


CHECKS_OF_THE_DAY = _checks_of_the_day()


def row_count(warehouse: WarehouseResource, model: str) -> dict[str, int]:
    """The rows of a model as Dagster's metadata; nothing for a view, which may be slow to count."""
    if not warehouse.warehouse.has_table(model, kind="table"):
        return {}
    ((rows,),) = warehouse.warehouse.read(select(func.count()).select_from(table(model)))
    return {"dagster/row_count": rows}
