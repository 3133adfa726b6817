"""Where dbt finds the warehouse: by hand in `dbt_project`, and as our command starts it."""

from pathlib import Path

import pytest
import yaml
from dbt.config.renderer import ProfileRenderer
from dbt_common.context import set_invocation_context

from spotify_assets.settings import CHECKOUT, Settings
from spotify_assets.warehouse.dbt_command import dbt_environment

PROJECT = CHECKOUT / "dbt_project"


def warehouse_of(environ: dict[str, str], working_directory: Path) -> Path:
    """Where a dbt of this environment, in this folder, opens the warehouse."""
    set_invocation_context(environ)
    profiles = yaml.safe_load((PROJECT / "profiles.yml").read_text("utf-8"))
    output = ProfileRenderer({}).render_data(profiles["spotify"]["outputs"]["sqlite"])
    return Path(working_directory, output["schemas_and_paths"]["main"]).resolve()


@pytest.mark.parametrize(
    "data", [None, "", "data/demo", "/plays", "/it's 100 % mine", "a #1 folder/data"]
)
def test_dbt_by_hand_means_the_same_folder_as_every_command(data: str | None) -> None:
    environ = {} if data is None else {"SPOTIFY_ASSETS_DATA": data}
    path = warehouse_of(environ, PROJECT)
    assert path == Settings.load(environ, env_file=None).warehouse_path.resolve()


def test_our_command_opens_the_warehouse_of_its_working_directory(tmp_path: Path) -> None:
    settings = Settings.load({"SPOTIFY_ASSETS_DATA": str(tmp_path)}, env_file=None)
    path = warehouse_of(dbt_environment(settings, {}), tmp_path)
    assert path == settings.warehouse_path
