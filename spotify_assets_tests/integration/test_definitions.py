"""The code location: what is in it, and that it loads where nothing else is there yet."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster import Shape

from spotify_assets.definitions import defs
from spotify_assets.defs.models.assets import CHECKS_OF_THE_DAY, ModelsConfig, build_arguments
from spotify_assets.outputs.dashboard.pages import PAGES
from spotify_assets.settings import CHECKOUT, Settings

ASSETS = {
    "raw/recently_played": ("raw", set[str]()),
    "raw/streaming_history": ("raw", set[str]()),
    "stg_account_names": ("staging", {"raw/recently_played"}),
    "stg_exclusions": ("staging", {"raw/recently_played"}),
    "stg_extended_spans": ("staging", {"raw/streaming_history"}),
    "stg_local_offsets": ("staging", {"raw/recently_played"}),
    "stg_open_gaps": ("staging", {"raw/recently_played"}),
    "stg_recently_played": ("staging", {"raw/recently_played"}),
    "stg_streaming_history": ("staging", {"raw/streaming_history"}),
    "int_days_with_gaps": ("intermediate", {"stg_local_offsets", "stg_open_gaps"}),
    "int_exported_plays": ("intermediate", {"int_touched_days", "stg_streaming_history"}),
    "int_hidden_tracks": ("intermediate", {"dim_tracks", "stg_exclusions"}),
    "int_shown_plays": ("intermediate", {"fct_plays", "int_hidden_tracks", "stg_exclusions"}),
    "int_listed_plays": ("intermediate", {"int_touched_days", "stg_recently_played"}),
    "int_near_pairs": ("intermediate", {"int_exported_plays", "int_listed_plays"}),
    "int_plays_matched": (
        "intermediate",
        {"int_exported_plays", "int_listed_plays", "int_near_pairs", "stg_extended_spans"},
    ),
    "int_touched_days": ("intermediate", {"stg_recently_played", "stg_streaming_history"}),
    "int_track_names": ("intermediate", {"int_exported_plays", "stg_recently_played"}),
    "dim_accounts": ("marts", {"fct_plays", "int_days_with_gaps", "stg_account_names"}),
    "dim_albums": ("marts", {"dim_tracks"}),
    "dim_artists": ("marts", {"dim_tracks"}),
    "dim_date_periods": ("marts", {"dim_dates"}),
    "dim_dates": ("marts", {"dim_accounts"}),
    "dim_tracks": ("marts", {"int_track_names"}),
    "fct_plays": (
        "marts",
        {
            "int_exported_plays",
            "int_listed_plays",
            "int_plays_matched",
            "int_touched_days",
            "stg_extended_spans",
            "stg_local_offsets",
        },
    ),
    "fct_habit_days": ("marts", {"int_shown_plays"}),
    "fct_track_days": ("marts", {"int_shown_plays"}),
    "mart_album_completion": (
        "marts",
        {"dim_albums", "dim_tracks", "int_shown_plays", "stg_recently_played"},
    ),
    "mart_coverage": ("marts", {"dim_accounts", "dim_dates", "fct_plays", "int_days_with_gaps"}),
    "mart_discoveries": ("marts", {"dim_dates", "dim_tracks", "fct_track_days"}),
    "mart_listening_by_day": ("marts", {"fct_track_days", "mart_coverage"}),
    "mart_listening_clock": ("marts", {"int_shown_plays"}),
    "mart_listening_trends": ("marts", {"mart_listening_by_day"}),
    "mart_podcasts": ("marts", {"dim_tracks", "int_shown_plays"}),
    "mart_returns": ("marts", {"dim_dates", "dim_tracks", "fct_track_days"}),
    "mart_sessions": ("marts", {"int_shown_plays"}),
    "mart_skips": ("marts", {"dim_tracks", "int_shown_plays"}),
    "mart_source_agreement": ("marts", {"fct_plays", "stg_extended_spans"}),
    "mart_streaks": ("marts", {"dim_dates", "fct_track_days", "mart_coverage"}),
    "mart_top_albums": (
        "marts",
        {"dim_albums", "dim_date_periods", "dim_tracks", "fct_track_days"},
    ),
    "mart_top_artists": (
        "marts",
        {"dim_artists", "dim_date_periods", "dim_tracks", "fct_track_days"},
    ),
    "mart_top_tracks": ("marts", {"dim_date_periods", "dim_tracks", "fct_track_days"}),
    "mart_year_in_review": (
        "marts",
        {
            "dim_dates",
            "int_shown_plays",
            "mart_listening_by_day",
            "mart_streaks",
            "mart_top_albums",
            "mart_top_artists",
            "mart_top_tracks",
        },
    ),
    "listening_report": (
        "outputs",
        {
            "dim_accounts",
            "dim_dates",
            "dim_tracks",
            "fct_habit_days",
            "fct_track_days",
            "int_shown_plays",
            "mart_coverage",
            "mart_discoveries",
            "mart_returns",
            "mart_streaks",
        },
    ),
    "backups": ("operations", {"raw/recently_played", "raw/streaming_history"}),
}
PLAYS = set(ASSETS) - {"backups", "raw/streaming_history"}  # which no run materialises
OF_THE_DAY = {path.stem for path in (CHECKOUT / "dbt_project/models/marts/daily").glob("*.sql")}


def specs() -> list[dg.AssetSpec]:
    return sorted(defs.resolve_all_asset_specs(), key=lambda spec: spec.key)


def test_these_are_all_the_assets_with_their_groups_and_lineage() -> None:
    found = {
        spec.key.to_user_string(): (
            spec.group_name,
            {dep.asset_key.to_user_string() for dep in spec.deps},
        )
        for spec in specs()
    }
    assert found == ASSETS


def lineage_of(spec: dg.AssetSpec) -> Mapping[str, Sequence[dg.TableColumnDep]]:
    lineage = spec.metadata["dagster/column_lineage"]
    assert isinstance(lineage, dg.TableColumnLineage)
    return lineage.deps_by_column


@pytest.mark.parametrize("spec", specs(), ids=lambda spec: spec.key.to_user_string())
def test_every_asset_says_all_of_itself_in_its_definition(spec: dg.AssetSpec) -> None:
    """Not by runs: what one run reports, the next one that does not takes away."""
    assert spec.owners == ["team:listener"]
    assert spec.kinds
    assert spec.description
    assert "dagster/code_references" in spec.metadata
    if spec.group_name in {"raw", "marts", "operations", "outputs"}:
        assert "daily_refresh_job" in spec.description or "weekly_restore_drill_job" in (
            spec.description
        )
    if spec.group_name in {"marts", "outputs"}:
        assert spec.freshness_policy
    if "dbt" in spec.kinds:
        lineage = lineage_of(spec)
        schema = spec.metadata["dagster/column_schema"]
        assert isinstance(schema, dg.TableSchema)
        assert set(lineage) == {column.name for column in schema.columns}
        assert {column.type for column in schema.columns} <= {"text", "integer", "bigint"}
        parents = {dep.asset_key for dep in spec.deps}
        assert {dep.asset_key for deps in lineage.values() for dep in deps} <= parents


@pytest.mark.parametrize(
    ("asset", "column", "parents"),
    [
        ("mart_top_tracks", "plays", {"fct_track_days.plays"}),
        ("stg_recently_played", "played_at", {"raw/recently_played.played_at"}),
        ("stg_local_offsets", "zone", {"raw/recently_played.zone"}),
        ("mart_discoveries", "track_key", {"fct_track_days.track_key"}),
    ],
)
def test_a_column_comes_from_the_columns_that_it_is_computed_from(
    asset: str, column: str, parents: set[str]
) -> None:
    (spec,) = (spec for spec in specs() if spec.key == dg.AssetKey(asset))
    found = lineage_of(spec)[column]
    assert {f"{dep.asset_key.to_user_string()}.{dep.column_name}" for dep in found} == parents


def test_these_are_all_the_jobs_schedules_and_sensors_and_they_run_by_default() -> None:
    repository = defs.get_repository_def()
    jobs = {name for name in repository.job_names if not name.startswith("__")}
    assert jobs == {
        "refresh_job",
        "refresh_all_job",
        "daily_refresh_job",
        "models_job",
        "import_job",
        "daily_backup_job",
        "weekly_restore_drill_job",
        "housekeeping_job",
        "covers_job",
    }
    assert {schedule.name: schedule.job_name for schedule in repository.schedule_defs} == {
        "daily_refresh": "daily_refresh_job",
        "models": "models_job",
        "daily_backup": "daily_backup_job",
        "weekly_restore_drill": "weekly_restore_drill_job",
        "housekeeping": "housekeeping_job",
        "covers": "covers_job",
    }
    assert {sensor.name for sensor in repository.sensor_defs} == {
        "recently_played_sensor",
        "models_sensor",
        "inbox_sensor",
        "killed_runs_sensor",
        "health_sensor",
        "run_failure_sensor",
    }
    told: list[Any] = [
        *(job for job in repository.get_all_jobs() if job.name in jobs),
        *repository.schedule_defs,
        *repository.sensor_defs,
    ]
    assert [each.name for each in told if not each.description] == []
    zones = {schedule.execution_timezone for schedule in repository.schedule_defs}
    assert zones == {Settings.load().timezone}
    assert all(
        sensor.default_status is dg.DefaultSensorStatus.RUNNING for sensor in repository.sensor_defs
    )
    assert all(
        schedule.default_status is dg.DefaultScheduleStatus.RUNNING
        for schedule in repository.schedule_defs
    )


RAW_EXPORTS = "raw/streaming_history"


def test_the_jobs_hold_what_they_promise() -> None:
    def assets(job: str) -> set[str]:
        layer = defs.resolve_job_def(job).asset_layer
        return {key.to_user_string() for key in layer.selected_asset_keys}

    def checks(job: str) -> set[dg.AssetCheckKey]:
        return set(defs.resolve_job_def(job).asset_layer.asset_graph.asset_check_keys)

    assert assets("daily_refresh_job") == PLAYS
    assert len(OF_THE_DAY) >= 5
    assert assets("refresh_job") == PLAYS - OF_THE_DAY - {"listening_report"}
    assert assets("refresh_all_job") == PLAYS
    assert assets("models_job") == PLAYS - {"raw/recently_played"}

    every = {*checks("daily_refresh_job"), *checks("weekly_restore_drill_job")}
    assert every == set(defs.resolve_asset_graph().asset_check_keys)
    assert checks("daily_refresh_job") > CHECKS_OF_THE_DAY
    # They run an import's checks, as the first run after it.
    of_exports = {key for key in every if key.asset_key.to_user_string() == RAW_EXPORTS}
    assert {"contract", "fields"} <= {key.name for key in of_exports}
    for job in ("refresh_all_job", "models_job"):
        assert checks(job) & of_exports == of_exports - CHECKS_OF_THE_DAY
    assert not checks("refresh_job") & of_exports
    for job in ("refresh_job", "refresh_all_job", "models_job"):
        names = {check.name for check in checks(job)}
        assert not checks(job) & CHECKS_OF_THE_DAY
        assert "unique_fct_plays_play_id" in names
        assert "sources_agree" not in names


@pytest.mark.parametrize("full_refresh", [True, False])
def test_the_unit_tests_run_with_the_checks_of_the_day_alone(full_refresh: bool) -> None:
    config = ModelsConfig(full_refresh=full_refresh)
    chosen = ["--full-refresh"] * full_refresh
    assert build_arguments(config, all_tests=True) == ["build", *chosen]
    assert build_arguments(config, all_tests=False) == [
        *("build", *chosen, "--exclude-resource-type", "unit_test")
    ]


@pytest.mark.parametrize("job", defs.get_repository_def().job_names)
def test_no_run_config_reaches_a_program_a_path_or_a_flag(job: str) -> None:
    """Whoever can open the Launchpad could run any program otherwise."""
    job_def = defs.resolve_job_def(job)
    for key, resource in job_def.resource_defs.items():
        if key == "io_manager":  # Dagster's own, which no asset of ours uses
            continue
        config = resource.config_schema.config_type
        assert isinstance(config, Shape), key
        assert not config.fields, key
        refused = {"resources": {key: {"config": {"dbt_executable": "/bin/id"}}}}
        with pytest.raises(dg.DagsterInvalidConfigError, match="dbt_executable"):
            dg.validate_run_config(job_def, refused)


def test_materialize_all_makes_no_backup_and_no_drill() -> None:
    """They have jobs of their own: a click that wants plays should not wait for them."""
    specs_of_backups = [spec for spec in specs() if spec.key == dg.AssetKey("backups")]
    graph = defs.resolve_asset_graph()
    assert len(specs_of_backups) == 1
    assert not graph.get(dg.AssetKey("backups")).is_executable


def test_dbt_tests_and_our_checks_are_asset_checks() -> None:
    layer = defs.resolve_job_def("daily_refresh_job").asset_layer
    names = {
        (key.asset_key.to_user_string(), key.name) for key in layer.asset_graph.asset_check_keys
    }
    for check in (
        "contract",
        "sums",
        "fields",
        "coverage",
        "last_look_age",
        "newest_play_age",
        "every_account_was_read",
        "logins_last",
    ):
        assert ("raw/recently_played", check) in names
    assert ("fct_plays", "unique_fct_plays_play_id") in names
    assert ("raw/recently_played", "source_unique_raw_recently_played_row_key") in names


def test_a_table_bears_the_name_by_which_people_query_it() -> None:
    names = {
        spec.key.path[-1]: spec.metadata.get("dagster/table_name")
        for spec in specs()
        if spec.key.path[-1].startswith(("fct_", "dim_", "mart_", "int_", "stg_"))
    }
    assert len(names) > 20
    assert all(name == table for name, table in names.items()), names


def test_a_run_is_one_process() -> None:
    for job in defs.get_repository_def().job_names:
        assert defs.resolve_job_def(job).executor_def.name == "in_process"


@pytest.fixture
def bare_copy(tmp_path: Path) -> Path:
    """The project as a fresh clone has it: no data, no .env, no manifest."""
    ignored = shutil.ignore_patterns("target", "__pycache__", "logs")
    for name in ("spotify_assets", "dbt_project", "dagster_home"):
        shutil.copytree(CHECKOUT / name, tmp_path / "copy" / name, ignore=ignored)
    for name in ("pyproject.toml", "setup.cfg", "workspace.yaml"):
        shutil.copy(CHECKOUT / name, tmp_path / "copy")
    return tmp_path / "copy"


def test_it_loads_in_dg_and_dagster_with_nothing_but_the_code_and_makes_the_manifest_once(
    bare_copy: Path,
) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(bare_copy.parent),
        "PYTHONPATH": str(bare_copy),
    }

    def run(command: str, *arguments: str) -> str:
        executable = Path(sys.executable).with_name(command)
        done = subprocess.run(
            [executable, *arguments],
            cwd=bare_copy,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    manifest = bare_copy / "dbt_project" / "target" / "dagster" / "manifest.json"
    assert "All definitions loaded successfully" in run("dg", "check", "defs")
    made = manifest.stat()
    assert json.loads(manifest.read_text())["metadata"]["project_name"] == "spotify"
    assert not (bare_copy / "data").exists()

    listed = run("dg", "list", "defs", "--json")
    assets = json.loads(listed[listed.index("{") : listed.rindex("}") + 1])["assets"]
    assert {asset["asset_key"] for asset in assets} == set(ASSETS)
    assert (manifest.stat().st_mtime_ns, manifest.stat().st_ino) == (made.st_mtime_ns, made.st_ino)

    (bare_copy / "dbt_project" / "models" / "marts" / ".#fct_plays.sql").symlink_to("nowhere")
    for folder, sql in OWN.items():
        file = bare_copy / "dbt_project" / folder / "custom" / f"my_{folder}.sql"
        file.parent.mkdir(exist_ok=True)
        file.write_text(sql)
    seen = json.loads(run("python", "-c", SHOW_OWN).splitlines()[-1])
    assert manifest.stat().st_ino != made.st_ino
    assert json.loads(manifest.read_text())["metadata"]["project_name"] == "spotify"
    assert seen == {
        "group": "custom",
        "checks": ["my_tests"],
        "jobs": ["refresh_all_job", "daily_refresh_job", "models_job"],
    }


OWN = {
    "models": "select account_id from {{ ref('fct_plays') }}",
    "tests": "select * from {{ ref('my_models') }} where account_id is null",
}
SHOW_OWN = """
import json
import dagster as dg
from spotify_assets.definitions import defs
own = dg.AssetKey("my_models")
graph = defs.resolve_asset_graph()
jobs = ("refresh_job", "refresh_all_job", "daily_refresh_job", "models_job")
assets = {job: defs.resolve_job_def(job).asset_layer.selected_asset_keys for job in jobs}
print(json.dumps({
    "group": graph.get(own).group_name,
    "checks": [key.name for key in graph.get(own).check_keys],
    "jobs": [job for job in jobs if own in assets[job]],
}))
"""


def test_a_mart_leads_to_the_page_of_the_dashboard_that_shows_it() -> None:
    links = {
        spec.key.to_user_string(): spec.metadata["dashboard"]
        for spec in specs()
        if "dashboard" in spec.metadata
    }
    pages = {str(link.value).partition("?")[0].rpartition("/")[2] for link in links.values()}
    assert pages <= PAGES.keys()
    assert {"mart_top_artists", "mart_coverage", "fct_plays", "mart_year_in_review"} <= links.keys()
    assert str(links["mart_top_artists"].value) == "http://127.0.0.1:3030/top?kind=artists"
