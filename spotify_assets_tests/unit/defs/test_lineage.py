"""Column lineage from a manifest as dbt compiles it."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from spotify_assets.defs.models import lineage
from spotify_assets.defs.models.lineage import FILE, column_lineage, read_lineage


def node(kind: str, name: str, *columns: str, sql: str = "", reads: tuple[str, ...] = ()) -> Any:
    return {
        "resource_type": kind,
        "relation_name": f'"main"."{name}"',
        "columns": {column: {} for column in columns},
        "compiled_code": sql,
        "depends_on": {"nodes": list(reads)},
    }


def manifest(sql: str) -> dict[str, Any]:
    """A source, a model on it, and one on both with this SQL."""
    return {
        "metadata": {"adapter_type": "sqlite"},
        "sources": {"source.raw": node("source", "raw_plays", "ended_at", "ms", "uri")},
        "nodes": {
            "model.stg": node(
                "model",
                "stg_plays",
                "ended_at",
                "ms",
                sql='select ended_at, ms from "main"."raw_plays"',
                reads=("source.raw",),
            ),
            "model.mart": node("model", "mart", sql=sql, reads=("model.stg", "source.raw")),
            "test.mart": node("test", "unique_mart", sql="select 1 as n"),
        },
    }


def columns(sql: str) -> dict[str, list[str]] | None:
    found = column_lineage(manifest(sql), {}).get("model.mart")
    if found is None:
        return None
    return {
        name: [f"{parent}.{column}" for parent, column in parents]
        for name, parents in found["columns"].items()
    }


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ('select ms from "main"."stg_plays"', {"ms": ["model.stg.ms"]}),
        ("select ms from stg_plays", {"ms": ["model.stg.ms"]}),
        ("select ms as long, 1 as one from stg_plays", {"long": ["model.stg.ms"], "one": []}),
        ("select count(*) as plays from stg_plays", {"plays": []}),
        (
            "with a as (select * from stg_plays), b as (select * from a) select * from b",
            {"ended_at": ["model.stg.ended_at"], "ms": ["model.stg.ms"]},
        ),
        (
            "select ms as x from stg_plays union all select uri as x from raw_plays",
            {"x": ["model.stg.ms", "source.raw.uri"]},
        ),
        (
            """
            select s.ms, r.uri, sum(s.ms) over (partition by r.uri order by s.ended_at) as running
            from stg_plays as s inner join raw_plays as r on s.ended_at = r.ended_at
            """,
            {
                "ms": ["model.stg.ms"],
                "uri": ["source.raw.uri"],
                "running": ["model.stg.ended_at", "model.stg.ms", "source.raw.uri"],
            },
        ),
        (
            """
            with recursive n as (select 1 as i union all select i + 1 from n where i < 9)
            select i from n
            """,
            {"i": []},
        ),
    ],
)
def test_a_column_comes_from_the_parents_columns_that_it_is_computed_from(
    sql: str, expected: dict[str, list[str]]
) -> None:
    assert columns(sql) == expected


@pytest.mark.parametrize("sql", ["select from where", "", "select 'open", "create table x (y)"])
def test_a_model_that_cannot_be_read_has_none_and_the_others_have(sql: str) -> None:
    found = column_lineage(manifest(sql), {})
    assert set(found) == {"model.stg"}


def test_what_did_not_change_is_taken_from_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first = column_lineage(manifest("select ms from stg_plays"), {})
    (tmp_path / FILE).write_text(json.dumps(first), "utf-8")
    known = read_lineage(tmp_path)
    computed: list[str] = []

    def compute(model: Any, *_: object) -> dict[str, Any]:
        computed.append(model["relation_name"])
        return {}

    monkeypatch.setattr(lineage, "_columns", compute)
    assert column_lineage(manifest("select ms from stg_plays"), known) == known
    assert computed == []
    column_lineage(manifest("select ended_at from stg_plays"), known)
    assert computed == ['"main"."mart"']
    # `select *` of a parent that has another column now is another one.
    wider = copy.deepcopy(manifest("select ms from stg_plays"))
    wider["nodes"]["model.stg"]["columns"]["uri"] = {}
    column_lineage(wider, known)
    assert computed == ['"main"."mart"'] * 2


@pytest.mark.parametrize("content", [None, "", "[1]", '{"cut'])
def test_without_a_file_that_can_be_read_there_is_none(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / FILE).write_text(content, "utf-8")
    assert read_lineage(tmp_path) == {}
