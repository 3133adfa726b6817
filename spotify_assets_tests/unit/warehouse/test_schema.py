"""The warehouse's schema: one for a new database and for those of every earlier version."""

from __future__ import annotations

import multiprocessing
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import OperationalError

from spotify_assets import database
from spotify_assets.warehouse import schema
from spotify_assets.warehouse.schema import HEAD, REVISIONS, SchemaError
from spotify_assets.warehouse.tables import metadata
from spotify_assets.warehouse.warehouse import Warehouse
from spotify_assets_tests.fixtures.old_warehouses import OLD_WAREHOUSES, put_old_warehouse

every_old_warehouse = pytest.mark.parametrize("name", OLD_WAREHOUSES)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spotify.db"


@pytest.fixture
def created(tmp_path: Path) -> Path:
    path = tmp_path / "created.db"
    Warehouse(path).writer()
    return path


def execute(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def rows(path: Path) -> dict[str, list[dict[str, Any]]]:
    """All rows of all tables and views, but for the stamp, without their empty columns."""

    def filled(cursor: sqlite3.Cursor, row: tuple[Any, ...]) -> dict[str, Any]:
        names = [column[0] for column in cursor.description]
        return {name: value for name, value in zip(names, row, strict=True) if value is not None}

    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("select name from sqlite_master where type in ('table', 'view')")
        names = [name for (name,) in found.fetchall()]
        connection.row_factory = filled
        return {
            name: connection.execute(f'select * from "{name}"').fetchall()
            for name in names
            if name != "alembic_version"
        }


def is_of_dbt(name: str) -> bool:
    return name.startswith(("stg_", "int_", "fct_", "dim_", "mart_"))


def declared(path: Path) -> dict[str, tuple[Any, ...]]:
    """Kind, table and statement of all that is not dbt's, by name."""
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("select name, type, tbl_name, sql from sqlite_master")
        return {
            name: (kind, table, sql and " ".join(sql.split()))
            for name, kind, table, sql in found.fetchall()
            if not is_of_dbt(name)
        }


def test_every_earlier_revision_has_a_database_to_try() -> None:
    assert {name[:4] for name in OLD_WAREHOUSES} == set(REVISIONS[:-1])


@every_old_warehouse
def test_a_database_that_does_not_say_its_revision_is_known_by_its_tables(
    path: Path, name: str
) -> None:
    put_old_warehouse(name, path)
    assert Warehouse(path).revision() == name[:4]


@every_old_warehouse
def test_an_upgrade_changes_no_row(path: Path, name: str) -> None:
    put_old_warehouse(name, path)
    before = rows(path)
    assert len(before["raw_recently_played"]) >= 3
    assert before["quarantined_rows"]
    schema.upgrade(path)
    after = rows(path)
    # So that the models are built anew.
    if name < "0005":
        assert before.pop("model_watermarks")
        assert not after["model_watermarks"]
    assert {table: after[table] for table in before} == before
    assert not any(after[table] for table in after.keys() - before.keys())


@every_old_warehouse
def test_an_upgraded_database_is_declared_as_a_new_one(
    path: Path, created: Path, name: str
) -> None:
    put_old_warehouse(name, path)
    schema.upgrade(path)
    assert declared(path) == declared(created)
    assert Warehouse(path).revision() == HEAD
    Warehouse(path).writer()


def test_the_revisions_alone_lead_to_what_a_new_database_is(path: Path, created: Path) -> None:
    schema.upgrade(path)
    assert declared(path) == declared(created)
    # A table's indexes come in any order, and a column that was added has a line with another.
    upgraded, new = (
        sorted(" ".join(text.split()) for text in dump(each)) for each in (path, created)
    )
    assert upgraded == new


@every_old_warehouse
def test_alembic_finds_nothing_left_to_change(path: Path, name: str) -> None:
    put_old_warehouse(name, path)
    schema.upgrade(path)
    with database.reader(path).begin() as connection:
        context = MigrationContext.configure(
            connection, opts={"include_name": lambda name, *_: not is_of_dbt(name or "")}
        )
        assert compare_metadata(context, metadata) == []


def test_the_revisions_are_those_that_alembic_finds() -> None:
    config = Config()
    config.set_main_option("script_location", "spotify_assets.warehouse:migrations")
    found = ScriptDirectory.from_config(config).walk_revisions()
    assert [script.revision for script in found] == [*reversed(REVISIONS)]


def test_an_upgrade_of_the_newest_changes_nothing(created: Path) -> None:
    before = dump(created)
    schema.upgrade(created)
    assert dump(created) == before


def test_an_upgraded_file_is_whole_by_itself(path: Path) -> None:
    put_old_warehouse("0001", path)
    schema.upgrade(path)
    assert list(path.parent.iterdir()) == [path]


@every_old_warehouse
def test_an_old_database_is_not_written_to_before_it_is_migrated(path: Path, name: str) -> None:
    put_old_warehouse(name, path)
    before = dump(path)
    with pytest.raises(
        SchemaError, match=rf"revision {name[:4]}.*`spotify-assets refresh` migrates it"
    ):
        Warehouse(path).writer()
    assert dump(path) == before


def test_a_revision_that_is_not_known_is_refused_by_name(created: Path) -> None:
    execute(created, "update alembic_version set version_num = '0815'")
    before = dump(created)
    for attempt in (Warehouse(created).writer, lambda: schema.upgrade(created)):
        with pytest.raises(SchemaError, match=r"revision 0815, which .* Upgrade spotify-assets\."):
            attempt()
    assert dump(created) == before


def test_an_upgrade_that_fails_half_way_leaves_all_as_it_was(path: Path) -> None:
    put_old_warehouse("0001", path)
    execute(path, "create table restores (of_somebody_else)")  # 0002 succeeds, 0003 does not
    before = dump(path)
    with pytest.raises(OperationalError, match="restores already exists"):
        schema.upgrade(path)
    assert dump(path) == before
    assert Warehouse(path).revision() == "0001"
    execute(path, "drop table restores")
    schema.upgrade(path)
    assert Warehouse(path).revision() == HEAD


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        ("delete from loads", "17; the first: row 1 of quarantined_rows refers to no row of loads"),
        (
            "update loads set rows_read = 99 where load_id = 1",
            "1; the first: CHECK constraint failed in loads",
        ),
    ],
)
def test_damage_is_found_and_nothing_changed(path: Path, damage: str, found: str) -> None:
    put_old_warehouse("0002", path)
    execute(path, "pragma ignore_check_constraints = on", damage)  # foreign keys are off anyway
    before = dump(path)
    with pytest.raises(SchemaError, match=f"is damaged, .*{found}"):
        schema.upgrade(path)
    assert dump(path) == before


def test_an_upgrade_leaves_foreign_keys_enforced_for_writers(path: Path) -> None:
    put_old_warehouse("0001", path)
    schema.upgrade(path)
    with Warehouse(path).writer().connect() as connection:
        assert connection.exec_driver_sql("pragma foreign_keys").scalar_one() == 1


def create_with(barrier: Any, path: Path) -> None:
    barrier.wait()
    Warehouse(path).writer()


def test_processes_that_create_it_at_once_all_succeed(path: Path, created: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(3)
    processes = [context.Process(target=create_with, args=(barrier, path)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert sorted(dump(path)) == sorted(dump(created))


def test_opening_a_warehouse_does_not_import_alembic(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from spotify_assets.warehouse.warehouse import Warehouse\n"
        "warehouse = Warehouse(Path('new.db').absolute())\n"
        "warehouse.writer()\n"
        "warehouse.writer()\n"
        "assert 'alembic' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
