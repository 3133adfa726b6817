"""The code location: what is in it, and that it loads where nothing else is there yet."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from spotify_assets.definitions import defs
from spotify_assets.settings import CHECKOUT, Settings

ASSETS = {
    "raw/recently_played": ("raw", set[str]()),
    "raw/streaming_history": ("raw", set[str]()),
    "stg_local_offsets": ("staging", {"raw/recently_played"}),
    "stg_open_gaps": ("staging", {"raw/recently_played"}),
    "stg_recently_played": ("staging", {"raw/recently_played"}),
    "stg_streaming_history": ("staging", {"raw/streaming_history"}),
    "int_exported_plays": ("intermediate", {"int_touched_days", "stg_streaming_history"}),
    "int_listed_plays": ("intermediate", {"int_touched_days", "stg_recently_played"}),
    "int_days_with_gaps": ("intermediate", {"stg_local_offsets", "stg_open_gaps"}),
    "int_plays_matched": (
        "intermediate",
        {"int_exported_plays", "int_listed_plays", "stg_recently_played"},
    ),
    "int_touched_days": ("intermediate", {"stg_recently_played", "stg_streaming_history"}),
    "dim_accounts": ("marts", {"fct_plays", "int_days_with_gaps"}),
    "dim_date_periods": ("marts", {"dim_dates"}),
    "dim_dates": ("marts", {"dim_accounts"}),
    "fct_plays": (
        "marts",
        {
            "int_exported_plays",
            "int_listed_plays",
            "int_plays_matched",
            "int_touched_days",
            "stg_local_offsets",
            "stg_recently_played",
        },
    ),
    "fct_track_days": ("marts", {"fct_plays"}),
    "mart_album_completion": ("marts", {"fct_plays", "fct_track_days", "stg_recently_played"}),
    "mart_coverage": ("marts", {"dim_accounts", "dim_dates", "fct_plays", "int_days_with_gaps"}),
    "mart_discoveries": ("marts", {"dim_dates", "fct_track_days"}),
    "mart_listening_by_day": ("marts", {"fct_track_days", "mart_coverage"}),
    "mart_listening_clock": ("marts", {"fct_plays"}),
    "mart_listening_trends": ("marts", {"mart_listening_by_day"}),
    "mart_podcasts": ("marts", {"fct_plays"}),
    "mart_returns": ("marts", {"dim_dates", "fct_track_days"}),
    "mart_sessions": ("marts", {"fct_plays"}),
    "mart_skips": ("marts", {"fct_plays"}),
    "mart_streaks": ("marts", {"dim_dates", "fct_track_days", "mart_coverage"}),
    "mart_top_albums": ("marts", {"dim_date_periods", "fct_plays"}),
    "mart_top_artists": ("marts", {"dim_date_periods", "fct_plays"}),
    "mart_top_tracks": ("marts", {"dim_date_periods", "fct_track_days"}),
    "mart_year_in_review": (
        "marts",
        {
            "dim_dates",
            "fct_plays",
            "mart_listening_by_day",
            "mart_streaks",
            "mart_top_albums",
            "mart_top_artists",
            "mart_top_tracks",
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


@pytest.mark.parametrize("spec", specs(), ids=lambda spec: spec.key.to_user_string())
def test_every_asset_has_an_owner_kinds_a_description_and_code_to_open(spec: dg.AssetSpec) -> None:
    assert spec.owners
    assert spec.kinds
    assert spec.description
    if spec.key.to_user_string() in PLAYS:  # no code of its own makes the other one
        assert "dagster/code_references" in spec.metadata


def test_these_are_all_the_jobs_schedules_and_sensors_and_they_run_by_default() -> None:
    repository = defs.get_repository_def()
    jobs = {name for name in repository.job_names if not name.startswith("__")}
    assert jobs == {
        "refresh_job",
        "daily_refresh_job",
        "models_job",
        "import_job",
        "daily_backup",
        "weekly_restore_drill",
        "housekeeping",
    }
    assert {schedule.name: schedule.job_name for schedule in repository.schedule_defs} == {
        "daily_refresh": "daily_refresh_job",
        "models_schedule": "models_job",
        "daily_backup_schedule": "daily_backup",
        "weekly_restore_drill_schedule": "weekly_restore_drill",
        "housekeeping_schedule": "housekeeping",
    }
    assert {sensor.name for sensor in repository.sensor_defs} == {
        "recently_played_sensor",
        "models_sensor",
        "inbox_sensor",
        "killed_runs_sensor",
        "health_sensor",
        "run_failure_alert",
    }
    zones = {schedule.execution_timezone for schedule in repository.schedule_defs}
    assert zones == {Settings.load().timezone}
    assert all(
        sensor.default_status is dg.DefaultSensorStatus.RUNNING for sensor in repository.sensor_defs
    )
    assert all(
        schedule.default_status is dg.DefaultScheduleStatus.RUNNING
        for schedule in repository.schedule_defs
    )


def test_the_jobs_hold_what_they_promise() -> None:
    def assets(job: str) -> set[str]:
        layer = defs.resolve_job_def(job).asset_layer
        return {key.to_user_string() for key in layer.selected_asset_keys}

    assert assets("daily_refresh_job") == PLAYS
    assert len(OF_THE_DAY) >= 5
    assert assets("refresh_job") == PLAYS - OF_THE_DAY
    assert assets("models_job") == PLAYS - {"raw/recently_played"}


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
        "jobs": ["daily_refresh_job", "models_job"],
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
jobs = ("refresh_job", "daily_refresh_job", "models_job")
assets = {job: defs.resolve_job_def(job).asset_layer.selected_asset_keys for job in jobs}
print(json.dumps({
    "group": graph.get(own).group_name,
    "checks": [key.name for key in graph.get(own).check_keys],
    "jobs": [job for job in jobs if own in assets[job]],
}))
"""
