"""The dbt project as a whole: it builds, it keeps its own rules, its figures add up."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jinja2
import pytest
from click.testing import CliRunner
from sqlalchemy import text

from spotify_assets import database, times
from spotify_assets.cli import main
from spotify_assets.settings import Settings
from spotify_assets.warehouse.pending import models
from spotify_assets.warehouse.tables import metadata, views
from spotify_assets_tests.models.building import Built, dbt


def nodes(built: Built, kind: str) -> Iterator[dict[str, Any]]:
    found = [node for node in built.manifest["nodes"].values() if node["resource_type"] == kind]
    assert found
    yield from found


def checks_of(built: Built, unique_id: str) -> Iterator[dict[str, Any]]:
    for test in nodes(built, "test"):
        if test.get("attached_node") == unique_id:
            yield test


def test_every_model_test_and_unit_test_succeeds(built: Built) -> None:
    done = ("success", "pass", "no-op")  # an exposure is nothing to build
    assert {name: status for name, status in built.results.items() if status not in done} == {}
    assert set(built.results) >= models()
    assert len(built.manifest["unit_tests"]) >= 17


def test_every_model_is_described_column_by_column_as_it_is_built(built: Built) -> None:
    for model in nodes(built, "model"):
        columns = [
            row.name for row in built.warehouse.read(text(f"pragma table_info({model['name']})"))
        ]
        assert list(model["columns"]) == columns, model["name"]
        assert model["description"].startswith("One row per "), model["name"]
        assert all(column["description"] for column in model["columns"].values()), model["name"]


# What SQLite calls a value (typeof) of each type, and how a table's column may be declared.
TYPES = {"text": ("text",), "integer": ("integer", "int", "bigint"), "real": ("real", "float")}


def test_every_column_says_its_type_and_holds_values_of_it(built: Built) -> None:
    """A view's column is declared without a type on SQLite, so its values have to tell."""
    documented = [
        (node.get("identifier") or node["name"], column)
        for node in [*nodes(built, "model"), *built.manifest["sources"].values()]
        for column in node["columns"].values()
    ]
    for relation, column in documented:
        name, types = column["name"], TYPES[column["data_type"]]
        seen = built.warehouse.read(text(f'select distinct typeof("{name}") from "{relation}"'))
        query = text(
            f"select lower(type) from pragma_table_info('{relation}') where name = '{name}'"
        )
        ((declared,),) = built.warehouse.read(query)
        assert {kind for (kind,) in seen} <= {types[0], "null"}, (relation, name)
        assert declared in (*types, ""), (relation, name)


def test_every_column_of_a_table_has_a_type(built: Built) -> None:
    tables = [
        node["name"]
        for node in built.manifest["nodes"].values()
        if node["resource_type"] == "model" and node["config"]["materialized"] != "view"
    ]
    assert len(tables) > 10
    for table in tables:
        columns = built.warehouse.read(text(f"select name, type from pragma_table_info('{table}')"))
        assert [column.name for column in columns if not column.type] == [], table


def test_the_documented_source_is_the_table_that_python_declares(built: Built) -> None:
    for source in built.manifest["sources"].values():
        name = source["identifier"]
        declared = metadata.tables[name] if name in metadata.tables else views.tables[name]
        assert set(source["columns"]) == {column.name for column in declared.columns}
        assert all(column["description"] for column in source["columns"].values())


def test_every_key_is_tested_with_a_severity_that_stops_what_is_downstream(built: Built) -> None:
    for model in nodes(built, "model"):
        severe = [
            test["test_metadata"]
            for test in checks_of(built, model["unique_id"])
            if test["config"]["severity"].lower() == "error"
        ]
        unique = [test for test in severe if test["name"] in ("unique", "unique_combination")]
        assert unique, model["name"]
        keys = {
            column
            for test in unique
            for column in test["kwargs"].get("columns", [test["kwargs"].get("column_name")])
        }
        not_null = {test["kwargs"]["column_name"] for test in severe if test["name"] == "not_null"}
        assert keys <= not_null, model["name"]


def test_names_say_the_layer_and_only_staging_reads_sources(built: Built) -> None:
    prefixes = {"staging": ("stg_",), "intermediate": ("int_",), "marts": ("fct_", "dim_", "mart_")}
    for model in nodes(built, "model"):
        layer = model["fqn"][1]
        assert model["name"].startswith(prefixes[layer])
        reads_source = any(parent.startswith("source.") for parent in model["depends_on"]["nodes"])
        assert reads_source == (layer == "staging"), model["name"]


def test_lineage_ends_in_what_people_look_at(built: Built) -> None:
    shown = {
        parent
        for exposure in built.manifest["exposures"].values()
        for parent in exposure["depends_on"]["nodes"]
    }
    read = {parent for node in nodes(built, "model") for parent in node["depends_on"]["nodes"]}
    assert {node["unique_id"] for node in nodes(built, "model")} <= shown | read


def test_models_hold_the_write_lock_from_their_first_statement(built: Built) -> None:
    """Without it dbt-sqlite drops a table in one transaction and creates it in the next."""
    for model in nodes(built, "model"):
        hooks = [hook["sql"] for hook in model["config"]["pre-hook"]]
        assert hooks[:2] == ["{{ wait_for_other_writers() }}", "{{ hold_the_write_lock() }}"]
        assert all(hook["transaction"] for hook in model["config"]["pre-hook"])


def test_marts_add_up_to_the_fact_and_the_fact_to_raw(built: Built) -> None:
    def number(query: str) -> object:
        return built.warehouse.read(text(query))[0][0]

    assert number("select count(*) from fct_plays where is_counted = 1") == 100
    in_all = "(select plays, ms_played from {} where period = '{}')"
    for mart in (
        "fct_track_days",
        "mart_listening_by_day",
        "mart_listening_clock",
        *(in_all.format("mart_top_tracks", period) for period in ("all", "year", "month", "week")),
        *(in_all.format("mart_top_artists", period) for period in ("all", "year", "month", "week")),
    ):
        assert number(f"select sum(plays) from {mart}") == 100, mart
        assert number(f"select sum(ms_played) from {mart}") == number(
            "select sum(ms_played) from fct_plays where is_counted = 1"
        ), mart
    assert (
        number(
            "select count(*) from fct_plays join raw_recently_played as raw"
            " on raw.row_key like fct_plays.play_id || '%'"
            " and raw.row_key = api_row_key and raw.played_at = api_played_at"
        )
        == 100
    )


@pytest.fixture(scope="module")
def changeable(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A copy of the warehouse, and one folder of dbt's for all that is done to it."""
    settings = replace(built.settings, data=tmp_path_factory.mktemp("changeable"))
    database.copy(built.settings.warehouse_path, settings.warehouse_path)
    return settings


def change(settings: Settings, *statements: str) -> None:
    with closing(sqlite3.connect(settings.warehouse_path, isolation_level=None)) as connection:
        for statement in statements:
            assert connection.execute(statement).rowcount > 0, statement


def test_every_mart_that_tells_plays_or_time_is_held_to_the_fact(built: Built) -> None:
    held = {
        node["name"]
        for node in nodes(built, "model")
        for test in checks_of(built, node["unique_id"])
        if test["test_metadata"]["name"] == "sums_agree"
    }
    tells = {
        node["name"]
        for node in nodes(built, "model")
        if node["fqn"][1] == "marts" and {"plays", "skips", "ms_played"} & set(node["columns"])
    }
    assert held == tells - {"fct_plays"}


def test_a_row_less_of_any_mart_or_one_too_many_is_seen(built: Built, changeable: Settings) -> None:
    sums = {name for name in built.results if name.startswith("sums_of_")}
    tables = {name.removeprefix("sums_of_").removesuffix("_agree") for name in sums}
    tables -= {"mart_podcasts", "mart_coverage", "mart_listening_by_day"}
    for table in tables:
        plays = "known_plays" if table == "mart_skips" else "plays"
        row = f"select max(rowid) from {table} where {plays} > 0"
        change(changeable, f"delete from {table} where rowid = ({row})")
    change(changeable, "insert into mart_podcasts (account_id, plays) values ('mira', 1)")
    # The other two are views of what is between the dates of an account.
    change(changeable, "delete from dim_accounts where account_id = 'mira'")
    found = dbt(changeable, "test", "--select", "test_name:sums_agree")
    assert found == dict.fromkeys(sums, "warn")


def test_a_refresh_sees_a_doubled_key_in_the_days_that_it_touched_and_reads_no_other(
    built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(built.settings, data=tmp_path)
    database.copy(built.settings.warehouse_path, settings.warehouse_path)
    twice = "insert into fct_track_days select * from fct_track_days limit 1"
    change(settings, twice)
    test = "unique_combination_fct_track_days_account_id__local_date__content_type__track_key"
    monkeypatch.setenv("SPOTIFY_ASSETS_TESTS", "touched days")
    assert dbt(settings, "test", "--select", test) == {test: "fail"}
    change(settings, "update int_touched_days set is_rewritten = 0")
    assert dbt(settings, "test", "--select", test) == {test: "pass"}


@pytest.mark.parametrize(
    ("hours", "status"),
    [(0, "pass"), (71, "pass"), (73, "warn"), (335, "warn"), (337, "error"), (None, "error")],
)
def test_raw_is_stale_when_no_page_was_loaded_for_days_whatever_was_imported(
    changeable: Settings, hours: int | None, status: str
) -> None:
    if hours is None:
        change(changeable, "update loads set page_id = null")
    else:
        then = times.to_text(datetime.now(UTC) - timedelta(hours=hours))
        change(changeable, f"update loads set loaded_at = '{then}' where page_id is not null")
    assert dbt(changeable, "source", "freshness") == {"recently_played": status}


def test_what_both_the_api_and_an_export_tell_is_one_play(built: Built) -> None:
    query = text(
        "select plays.account_id, source, count(*), sum(is_counted), sum(ms_played_is_estimated),"
        " sum(raw.row_key is not null and raw.ts = ended_at and raw.ms_played = plays.ms_played)"
        " from fct_plays as plays left join raw_streaming_history as raw"
        " on raw.row_key = export_row_key group by 1, 2 order by 1, 2"
    )
    assert [tuple(row) for row in built.warehouse.read(query)] == [
        ("jonas", "both", 50, 50, 0, 50),
        ("jonas", "export", 50, 0, 0, 50),
        ("mira", "api", 50, 50, 50, 0),
    ]


def test_plays_of_one_account_do_not_overlap_in_the_estimate(built: Built) -> None:
    """An estimate that reaches back before the play before it would count time twice."""
    overlaps = built.warehouse.read(
        text(
            "select play_id from (select play_id, started_at, lag(ended_at) over"
            " (partition by account_id order by ended_at) as previous from fct_plays"
            " where source = 'api') where started_at < previous"
        )
    )
    assert overlaps == []


def test_every_model_remembers_the_newest_load(built: Built) -> None:
    seen = {
        row.model: row.load_id
        for row in built.warehouse.read(text("select * from model_watermarks"))
    }
    assert seen == dict.fromkeys(models(), 3)


@pytest.mark.parametrize(
    ("text_time", "ms"),
    [
        ("1970-01-01T00:00:00.000Z", 0),
        ("1969-12-31T23:59:59.999Z", -1),
        ("0001-01-01T00:00:00.001Z", -62135596799999),
        ("2026-02-25T20:15:20.497Z", 1772050520497),
        ("9999-12-31T23:59:59.999Z", 253402300799999),
    ],
)
def test_times_survive_the_way_to_milliseconds_and_back(
    built: Built, text_time: str, ms: int
) -> None:
    to_ms = render(built, "to_ms", f"'{text_time}'")
    back = render(built, "to_utc_text", f"({ms})")
    with closing(sqlite3.connect(":memory:")) as connection:
        assert connection.execute(f"select {to_ms}, {back}").fetchone() == (ms, text_time)


def render(built: Built, macro: str, argument: str) -> str:
    """The SQL of one of the project's macros."""
    source = built.manifest["macros"][f"macro.spotify.sqlite__{macro}"]["macro_sql"]
    module: Any = jinja2.Template(source).make_module()
    return str(getattr(module, f"sqlite__{macro}")(argument))


def test_a_shortened_id_traces_exactly_what_the_full_one_does(
    built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An id of 19 characters lost the export's half of a play, without a word."""
    for name, value in built.settings.environment().items():
        monkeypatch.setenv(name, value)

    def traced(*arguments: str) -> str:
        done = CliRunner().invoke(main, ["trace", *arguments])
        assert done.exit_code == 0, done.output
        return done.stdout

    query = text(
        "select play_id, source, api_row_key, export_row_key from fct_plays"
        " where source = :source order by play_id limit 2"
    )
    for source in ("both", "api", "export"):
        for play in built.warehouse.read(query.bindparams(source=source)):
            keys = [key for key in (play.api_row_key, play.export_row_key) if key]
            shown, answer = traced(play.play_id), traced(play.play_id, "--json")
            rows = json.loads(answer)["raw_rows"]
            assert [row["row"]["row_key"] for row in rows] == keys
            assert shown.count("Raw row (") == len(keys)
            assert json.loads(answer)["play"]["play_id"] == play.play_id
            for key in keys:
                for length in (10, 19, 20, 21, 63, 64):
                    assert traced(key[:length]) == shown
                    assert traced(key[:length].upper(), "--json") == answer


def test_the_plays_of_one_account_are_shown_alone_and_as_json(
    built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in built.settings.environment().items():
        monkeypatch.setenv(name, value)

    def shown(*arguments: str) -> list[dict[str, str]]:
        done = CliRunner().invoke(main, ["view", "--json", *arguments])
        assert (done.exit_code, done.stderr) == (0, "")
        plays: list[dict[str, str]] = json.loads(done.stdout)["plays"]
        return plays

    every = shown("--limit", "1000")
    assert {play["account_id"] for play in every} == {"mira", "jonas"}
    assert list(every[0]) == ["play_id", "ended_at", "account_id", "track_name", "artist_name"]
    assert [play for play in every if play["account_id"] == "jonas"] == shown(
        "--limit", "1000", "--account", "jonas"
    )
    done = CliRunner().invoke(main, ["view", "--account", "mira"])
    assert (done.stdout.count(" mira "), "jonas" in done.stdout) == (20, False)
