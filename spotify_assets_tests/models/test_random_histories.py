"""Random histories, each in two orders of arrival: one play is one play."""

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from spotify_assets.sandbox.server import Sandbox
from spotify_assets.warehouse.exported import STREAMING_HISTORY
from spotify_assets.warehouse.loading import write_load
from spotify_assets.warehouse.tables import raw_recently_played, raw_streaming_history
from spotify_assets.warehouse.warehouse import Warehouse
from spotify_assets_tests.models.building import dbt_run
from spotify_assets_tests.models.histories import History, random_history
from spotify_assets_tests.support import user_of

ORDERS = ("one", "other")
WITHOUT_NAME = ("account_id", "play_id", "api_row_key", "export_row_key")


def listened(warehouse: Warehouse, account_id: str) -> list[dict[str, Any]]:
    """The fact's rows of an account, but for what follows from its name."""
    query = text("select * from fct_plays where account_id = :account")
    rows = warehouse.read(query.bindparams(account=account_id))
    known = [{n: v for n, v in row._mapping.items() if n not in WITHOUT_NAME} for row in rows]
    return sorted(known, key=lambda row: sorted(map(str, row.items())))


def counted(rows: list[dict[str, Any]]) -> Counter[tuple[Any, ...]]:
    """Rows of the fact, as the oracle tells them."""
    return Counter(
        (
            row["source"],
            row["track_name"],
            None if row["ms_played_is_estimated"] else row["ms_played"],
            row["api_played_at"],
            row["export_ended_at"],
        )
        for row in rows
    )


def load(warehouse: Warehouse, history: History, order: str) -> None:
    for arrival in history.loads(f"{history.seed}-{order}", random.Random(order)):
        is_export = arrival.source == STREAMING_HISTORY
        table = raw_streaming_history if is_export else raw_recently_played
        write_load(warehouse.writer(), table, arrival)


@pytest.mark.parametrize("count", [60, pytest.param(200, marks=pytest.mark.soak)])
def test_of_any_history_in_any_order_each_play_is_one_row_with_all_its_sources(
    still_spotify: Sandbox, tmp_path: Path, count: int
) -> None:
    """All histories are accounts of one database, so that one build does for all of them."""
    user = user_of(still_spotify.environment(), tmp_path / "user")
    user.settings.make_data_folder()
    warehouse = Warehouse(user.settings.warehouse_path)
    # Others in each run: a failure names the seed of its history.
    histories = [random_history(seed) for seed in random.sample(range(10**6), count)]
    for history in histories:
        for order in ORDERS:
            load(warehouse, history, order)
    dbt_run(user.settings, "--select", "+fct_plays")
    seen: Counter[str] = Counter()
    for history in histories:
        one, other = (listened(warehouse, f"{history.seed}-{order}") for order in ORDERS)
        assert counted(one) == history.expected(), f"the history of seed {history.seed}"
        assert one == other, f"the history of seed {history.seed}"
        seen.update(row["source"] for row in one)
        seen.update("unreliable" for row in one if row["time_is_unreliable"])
    # Where these did not occur, the histories would prove nothing.
    assert min(seen[kind] for kind in ("api", "export", "both", "unreliable")) > count // 2
