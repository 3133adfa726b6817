"""A process that is killed while it creates a database leaves a file without tables."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from spotify_assets.spotify.state import State
from spotify_assets.warehouse.pending import has_news, has_unmodelled_loads
from spotify_assets.warehouse.warehouse import Warehouse


def empty_file(path: Path) -> None:
    path.touch()


def switched_to_wal(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("pragma journal_mode = wal")


@pytest.mark.parametrize("leave", [empty_file, switched_to_wal])
def test_a_database_without_tables_is_an_empty_one(
    tmp_path: Path, leave: Callable[[Path], None]
) -> None:
    for name in ("state.db", "spotify.db"):
        leave(tmp_path / name)
    state, warehouse = State(tmp_path / "state.db"), Warehouse(tmp_path / "spotify.db")
    assert (state.accounts(), state.page_ids()) == ([], [])
    assert state.page("any") is None
    assert warehouse.newest_play() is None
    assert not has_news(state, warehouse)
    assert has_unmodelled_loads(warehouse)
    warehouse.writer()
    assert warehouse.newest_plays(10) == []
