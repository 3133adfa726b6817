"""Jobs: which assets belong into one run. When they run is said in schedules and sensors."""

import dagster as dg

from spotify_assets.defs.ingestion.assets import recently_played
from spotify_assets.defs.ingestion.streaming_history import streaming_history
from spotify_assets.defs.models.assets import checks_of_the_day, dbt_models
from spotify_assets.defs.models.checks import sources_agree

exported = dg.AssetSelection.checks_for_assets(streaming_history.key)
from_spotify = dg.AssetSelection.assets(recently_played)
models = dg.AssetSelection.assets(dbt_models)
of_the_day = (
    dg.AssetSelection.tag("daily", "")
    | dg.AssetSelection.groups("custom")  # the user's own models
    | checks_of_the_day()
    | dg.AssetSelection.checks(sources_agree)
)
# The unit tests say something about the code, and tests of all rows something about old ones.
tests_of_what_is_new = {"ops": {"dbt_models": {"config": {"all_tests": False}}}}

refresh_job = dg.define_asset_job(
    "refresh_job",
    selection=(from_spotify | models) - of_the_day,
    description="New plays from Spotify through to the fact and its days, as soon as there are.",
    config=tests_of_what_is_new,
)

daily_refresh_job = dg.define_asset_job(
    "daily_refresh_job",
    selection=from_spotify | exported | models,
    description="Everything, with all tests.",
)

models_job = dg.define_asset_job(
    "models_job",
    selection=exported | models,
    description="All dbt models, from what is in raw.",
    config=tests_of_what_is_new,
)
