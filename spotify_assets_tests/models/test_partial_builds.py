"""Models that somebody builds by hand without the others: nothing is lost, and nothing claimed."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import delete, text

from spotify_assets.sandbox.server import Sandbox
from spotify_assets.settings import Settings
from spotify_assets.warehouse.pending import has_unmodelled_loads
from spotify_assets.warehouse.tables import model_watermarks
from spotify_assets.warehouse.warehouse import Warehouse
from spotify_assets.warehouse.zones import set_zone
from spotify_assets_tests.models.building import dbt, dbt_run, ingest
from spotify_assets_tests.support import sandbox, user_of

MODELS = ("--select", "+fct_track_days", "+int_track_names")


@pytest.fixture(scope="module")
def spotify() -> Iterator[Sandbox]:
    with sandbox(always_on=True, listeners=("mira",)) as server:
        yield server


@pytest.fixture(scope="module")
def listener(spotify: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    user = user_of(spotify.environment(), tmp_path_factory.mktemp("partial") / "user")
    user.log_in("mira")
    ingest(user.settings)
    dbt_run(user.settings, *MODELS)
    return user.settings


@pytest.fixture
def settings(listener: Settings, spotify: Sandbox) -> Settings:
    """The newest build was of the last few days."""
    spotify.clock.advance(timedelta(days=9))
    ingest(listener)
    dbt_run(listener, *MODELS)
    return listener


def count(settings: Settings, table: str) -> int:
    ((rows,),) = Warehouse(settings.warehouse_path).read(text(f"select count(*) from {table}"))
    return int(rows)


@pytest.mark.parametrize("cause", ["a flag", "a variable", "a lost watermark", "a zone"])
def test_the_fact_is_not_made_anew_from_the_touched_days_alone(
    settings: Settings, cause: str
) -> None:
    warehouse = Warehouse(settings.warehouse_path)
    plays = count(settings, "raw_recently_played")
    assert count(settings, "int_listed_plays") < count(settings, "fct_plays") == plays
    options: tuple[str, ...] = ()
    if cause == "a flag":
        options = ("--full-refresh",)
    elif cause == "a variable":
        options = ("--vars", "{counted_after_ms: 20000}")
    elif cause == "a lost watermark":
        with warehouse.writer().begin() as connection:
            connection.execute(
                delete(model_watermarks).where(model_watermarks.c.model == "fct_plays")
            )
    else:
        set_zone(warehouse.writer(), "mira", "Asia/Kathmandu")
        dbt_run(settings, "--select", "int_touched_days")
    assert dbt(settings, "run", "--select", "fct_plays", *options) == {"fct_plays": "error"}
    assert count(settings, "fct_plays") == plays
    dbt_run(settings, *MODELS)
    assert count(settings, "fct_plays") == plays


def test_a_model_that_was_built_before_what_it_reads_has_not_seen_the_newest_load(
    settings: Settings, spotify: Sandbox
) -> None:
    dbt_run(settings)
    spotify.clock.advance(timedelta(hours=2))
    warehouse = ingest(settings)
    dbt_run(settings, "--select", "fct_plays")
    assert has_unmodelled_loads(warehouse)
    dbt_run(settings)
    assert not has_unmodelled_loads(warehouse)
    assert count(settings, "fct_plays") == count(settings, "raw_recently_played")
