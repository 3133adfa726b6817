"""Jobs: which assets and checks belong into one run. Schedules and sensors say when they run.

One rule for names: a job is called `<stem>_job`, the schedule that starts it `<stem>`.

A job runs exactly the checks that it selects. dbt's unit tests are no checks in Dagster; they run
together with the checks of the day (see `dbt_models`).
"""

import dagster as dg

from spotify_assets.defs.ingestion.assets import recently_played
from spotify_assets.defs.ingestion.streaming_history import streaming_history
from spotify_assets.defs.models.assets import CHECKS_OF_THE_DAY, dbt_models
from spotify_assets.defs.models.checks import sources_agree
from spotify_assets.defs.outputs.report import listening_report

exported = dg.AssetSelection.checks_for_assets(streaming_history.key)
from_spotify = dg.AssetSelection.assets(recently_played)
models = dg.AssetSelection.assets(dbt_models)
outputs = dg.AssetSelection.assets(listening_report)
checks_of_the_day = dg.AssetSelection.checks(*CHECKS_OF_THE_DAY) | dg.AssetSelection.checks(
    sources_agree
)
# The group `custom` holds the user's own models.
marts_of_the_day = dg.AssetSelection.tag("daily", "") | dg.AssetSelection.groups("custom")

refresh_job = dg.define_asset_job(
    "refresh_job",
    selection=(from_spotify | models) - marts_of_the_day - checks_of_the_day,
    description=(
        "New plays from Spotify through to fct_plays and what a day's charts need. Runs the checks "
        "of raw/recently_played and dbt's tests of keys and grain, on the days that it touched."
    ),
)

refresh_all_job = dg.define_asset_job(
    "refresh_all_job",
    selection=(from_spotify | exported | models | outputs) - checks_of_the_day,
    description=(
        "A refresh that builds the marts of the day and the year in review too: the first one, the "
        "one after an import or after a change of the models. Runs the same tests as refresh_job, "
        "and the checks of raw/streaming_history."
    ),
)

daily_refresh_job = dg.define_asset_job(
    "daily_refresh_job",
    selection=from_spotify | exported | models | outputs,
    description=(
        "New plays from Spotify, all models and the year in review, with all tests: every check of "
        "the raw assets and of the models, each of dbt's data tests on all rows, and dbt's unit "
        "tests."
    ),
)

models_job = dg.define_asset_job(
    "models_job",
    selection=(exported | models | outputs) - checks_of_the_day,
    description=(
        "All dbt models and the year in review from what is stored, without asking Spotify. Runs "
        "the checks of raw/streaming_history and dbt's tests of keys and grain. Choose "
        "full_refresh in the Launchpad to rebuild everything."
    ),
)
