"""The resource that runs dbt."""

import os
from collections.abc import Sequence

import dagster as dg
from dagster_dbt import DbtCliResource

from spotify_assets.defs.models.project import dbt_project
from spotify_assets.settings import Settings
from spotify_assets.warehouse.dbt_command import NO_JSON, dbt_executable


class DbtResource(DbtCliResource):
    """dbt in a process of its own, without a connection of Dagster's process to the database.

    Only column metadata is asked of that connection, which the definitions have, and making it
    takes 3 s of every run.
    """

    def _initialize_dbt_core_adapter(self, args: Sequence[str]) -> None:  # type: ignore[override]
        return None


def dbt_resource(settings: Settings) -> dg.ResourceDefinition:
    """dbt, run by a command of ours that holds a lock while it lives.

    The fields of a resource can be set in the Launchpad. These name a program and its flags, so
    they are none of the definition's.
    """
    # dbt reads the profile from the environment.
    os.environ.update(settings.environment())
    dbt = DbtResource(
        project_dir=dbt_project(),  # type: ignore[arg-type]
        dbt_executable=dbt_executable(),
        # A second and 1.4 MB of each run, for what Dagster has from the events already.
        global_config_flags=[*NO_JSON],
    )
    return dg.ResourceDefinition(
        lambda _: dbt, {}, "dbt, as the command spotify-assets-dbt starts it."
    )
