"""Python finds the edges of gaps by the same rules by which dbt pairs plays."""

from datetime import timedelta

import pytest
import yaml

from spotify_assets.settings import CHECKOUT
from spotify_assets.spotify.recently_played import SHORTEST_LISTED
from spotify_assets.warehouse.exported import LOOK_BACK, MOVED_WITHIN, SAME_PLAY_WITHIN


@pytest.mark.parametrize(
    ("variable", "constant"),
    [
        ("listed_after_ms", SHORTEST_LISTED),
        ("same_play_across_sources_ms", SAME_PLAY_WITHIN),
        ("same_play_moved_ms", MOVED_WITHIN),
        ("longest_look_back_ms", LOOK_BACK),
    ],
)
def test_a_variable_of_dbt_is_the_constant_of_the_package(
    variable: str, constant: timedelta
) -> None:
    project = yaml.safe_load((CHECKOUT / "dbt_project" / "dbt_project.yml").read_text())
    assert timedelta(milliseconds=project["vars"][variable]) == constant
