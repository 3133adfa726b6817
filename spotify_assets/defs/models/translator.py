"""What the definitions say of a dbt model beyond dagster-dbt's own translation.

Column types come from the YAML beside each model, by way of the manifest. Types and lineage are
part of the definitions: what only a run reports is gone after the next run that does not.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, DbtProject

from spotify_assets.defs.models.project import lineage_of_models
from spotify_assets.defs.properties import ONCE_A_DAY

MOST_SOURCES = 4  # that are named in a column's description


class Translator(DagsterDbtTranslator):
    """Makes assets of dbt's models and asset checks of its tests."""

    def __init__(self, settings: DagsterDbtTranslatorSettings) -> None:
        super().__init__(settings)
        self._specs: dict[str, dg.AssetSpec] = {}  # dagster-dbt asks for each one often

    def get_asset_spec(
        self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None
    ) -> dg.AssetSpec:
        """The asset of a dbt node."""
        if unique_id not in self._specs:
            spec = super().get_asset_spec(manifest, unique_id, project)
            node = manifest["nodes"].get(unique_id)
            if node is not None:  # else it is a source, and an asset of its own
                when = _when_it_is_built(manifest, node)
                words = f"{node['description'].rstrip()}\n\n{when}"
                schema = spec.metadata.get("dagster/column_schema")
                spec = spec.replace_attributes(
                    description=self.get_description({**node, "description": words}),
                    # Groups follow the folders, which follow the path of a play.
                    group_name=node["fqn"][1],
                    owners=spec.owners or ([f"team:{node['group']}"] if node["group"] else []),
                    metadata={
                        **spec.metadata,
                        # The name that people query: dbt puts "database.main." in front of it.
                        "dagster/table_name": node["alias"],
                        **_page(manifest, node),
                        **self._lineage(manifest, unique_id, schema),
                    },
                    freshness_policy=ONCE_A_DAY if node["fqn"][1] == "marts" else None,
                )
            self._specs[unique_id] = spec
        return self._specs[unique_id]

    def get_asset_check_spec(
        self,
        asset_spec: dg.AssetSpec,
        manifest: Mapping[str, Any],
        unique_id: str,
        project: DbtProject | None,
    ) -> dg.AssetCheckSpec | None:
        """The check of a dbt test, which says when it runs."""
        spec = super().get_asset_check_spec(asset_spec, manifest, unique_id, project)
        if spec is None:
            return None
        test = manifest["nodes"][unique_id]
        when = "Runs once a day, in daily_refresh_job, over all rows."
        if not is_of_the_day(test):
            when = "Runs whenever the model is built, over the days that changed."
        return spec._replace(description=f"{test.get('description') or ''} {when}".strip())

    def _lineage(
        self,
        manifest: Mapping[str, Any],
        unique_id: str,
        schema: dg.TableSchema | None,
    ) -> dict[str, dg.TableColumnLineage | dg.TableSchema]:
        """The model's lineage as metadata, and its columns with the lineage in words."""
        if unique_id not in lineage_of_models():
            return {}
        deps = {}
        for name, parents in lineage_of_models()[unique_id]["columns"].items():
            # Several of dbt's sources are one asset.
            found = {
                (self.get_asset_key(self.get_resource_props(manifest, parent)), column): None
                for parent, column in parents
            }
            deps[name] = [dg.TableColumnDep(key, column) for key, column in found]
        lineage = dg.TableColumnLineage(deps)
        if schema is None:
            return {"dagster/column_lineage": lineage}
        columns = [
            dg.TableColumn(
                column.name,
                column.type,
                f"{(column.description or '').strip()} {_in_words(deps.get(column.name, []))}",
                column.constraints,
                column.tags,
            )
            for column in schema.columns
        ]
        return {
            "dagster/column_lineage": lineage,
            "dagster/column_schema": dg.TableSchema(columns),
        }


def _page(manifest: Mapping[str, Any], model: Mapping[str, Any]) -> dict[str, dg.UrlMetadataValue]:
    """A link to the page of the dashboard that shows a model, at the address of its exposure."""
    page = model["config"]["meta"].get("page")
    if page is None:
        return {}
    dashboard = next(each for each in manifest["exposures"].values() if each["name"] == "dashboard")
    return {"dashboard": dg.MetadataValue.url(f"{dashboard['url']}/{page}")}


def _in_words(sources: Sequence[dg.TableColumnDep]) -> str:
    """A column's lineage for a reader: Dagster's own UI shows none outside of its cloud."""
    names = [f"`{dep.asset_key.path[-1]}.{dep.column_name}`" for dep in sources[:MOST_SOURCES]]
    more = len(sources) - len(names)
    return f"From {', '.join(names)}{f' and {more} more' if more else ''}." if names else ""


def is_of_the_day(test: Mapping[str, Any]) -> bool:
    """Whether a refresh leaves a test to the daily run: it reads all rows, or stops nothing.

    Dagster keeps two events of a check, which cost 20 ms, and a refresh would have 60 of them.
    """
    return "slow" in test["tags"] or test["config"]["severity"] == "warn"


def _when_it_is_built(manifest: Mapping[str, Any], model: Mapping[str, Any]) -> str:
    if "daily" in model["tags"] or model["fqn"][1] == "custom":
        return (
            "Built and checked once a day, by daily_refresh_job. After a refresh it reads Unsynced "
            "until then: the newest plays are not in it yet."
        )
    tests = [
        node
        for node in manifest["nodes"].values()
        if node["resource_type"] == "test" and node.get("attached_node") == model["unique_id"]
    ]
    if all(map(is_of_the_day, tests)):
        return "Every refresh builds it. Its checks run once a day, in daily_refresh_job."
    return (
        "Every refresh builds it and tests its keys. Its other checks run once a day, in "
        "daily_refresh_job."
    )
