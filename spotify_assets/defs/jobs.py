"""Jobs: which assets belong into one run. When they run is said in schedules and sensors."""

import dagster as dg

from spotify_assets.defs.ingestion.assets import recently_played
from spotify_assets.defs.ingestion.streaming_history import streaming_history
from spotify_assets.defs.models.assets import dbt_models

exported = dg.AssetSelection.checks_for_assets(streaming_history.key)
from_spotify = dg.AssetSelection.assets(recently_played)
models = dg.AssetSelection.assets(dbt_models)

refresh_job = dg.define_asset_job(
    "refresh_job",
    selection=from_spotify | exported | models,
    description="New plays from Spotify through to the marts, as soon as there are any.",
    # The unit tests say something about the code, not about the new plays.
    config={"ops": {"dbt_models": {"config": {"unit_tests": False}}}},
)

daily_refresh_job = dg.define_asset_job(
    "daily_refresh_job",
    selection=from_spotify | exported | models,
    description="Everything, with all tests.",
)

models_job = dg.define_asset_job(
    "models_job",
    selection=exported | models,
    description="The dbt models alone, from what is in raw.",
)
