"""One dbt build for all tests of the models."""

import pytest

from spotify_assets.sandbox.server import Sandbox
from spotify_assets_tests.models.building import (
    Built,
    dbt_build,
    import_what_was_listed,
    ingest,
)
from spotify_assets_tests.support import made_once, user_of


@pytest.fixture(scope="session")
def built(still_spotify: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """All models over a hundred plays of two listeners and an export of one, with all tests."""

    def build() -> Built:
        user = user_of(still_spotify.environment(), tmp_path_factory.mktemp("models") / "user")
        user.log_in("mira", "jonas")
        warehouse = ingest(user.settings)
        import_what_was_listed(warehouse, "jonas")
        return Built(user.settings, warehouse, *dbt_build(user.settings))

    return made_once(tmp_path_factory, "built", build)
