"""What `refresh` says to a listener: the new plays, and what failed."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from spotify_assets.cli.refresh import show_refresh
from spotify_assets.settings import Settings
from spotify_assets.warehouse.loading import Load, Receipt, write_load
from spotify_assets.warehouse.tables import raw_recently_played
from spotify_assets.warehouse.warehouse import Warehouse

LOOKED = SimpleNamespace(account_id="mira", new_page=True, error=None)


def refreshed(**receipts: Receipt) -> Any:
    return SimpleNamespace(
        looks=[LOOKED],
        run_id="a-run",
        receipts=receipts,
        receipt=sum(receipts.values(), Receipt()),
        models={"fct_plays": 1_234, "dim_accounts": 1},
        checks_passed=12,
        checks_failed=["raw/recently_played: coverage"],
    )


@pytest.fixture
def listed(
    warehouse: Warehouse, items: list[Any], new_load: Callable[..., Load]
) -> list[dict[str, Any]]:
    items[0]["track"]["name"] = "Song\x1b[2J [bold]"
    write_load(warehouse.writer(), raw_recently_played, new_load(items))
    return items


@pytest.mark.usefixtures("listed")
def test_a_listener_reads_how_many_plays_came_the_newest_and_what_failed(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    show_refresh(refreshed(mira=Receipt(50, 3, 47, 0, 0), jonas=Receipt(50, 0, 49, 1, 0)), settings)
    first, *lines = capsys.readouterr().out.splitlines()
    assert first.startswith("mira: 3 new plays, the newest Song [2J [bold] by ")
    assert ", ended 2026-11-20 " in first
    assert lines == [
        "jonas: no new plays",
        "  1 of 50 rows went to quarantine. Why: spotify-assets quarantine",
        "Checks: 12 passed, 1 did not",
        "  did not pass: raw/recently_played: coverage",
        "100 read = 3 loaded + 96 duplicate + 1 quarantined + 0 ignored",
    ]


@pytest.mark.usefixtures("listed")
def test_verbose_adds_the_accounting_of_each_account_and_the_models(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    show_refresh(refreshed(mira=Receipt(50, 1, 49, 0, 0)), settings, verbose=True)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("mira: 1 new play, the newest")
    assert "mira: 50 read = 1 loaded + 49 duplicate + 0 quarantined + 0 ignored" in lines
    assert "Models, in rows: dim_accounts 1, fct_plays 1,234" in lines


def test_where_only_models_were_built_it_says_that_no_play_is_new(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    show_refresh(refreshed(), settings)
    assert capsys.readouterr().out.startswith(
        "No new plays from Spotify. The models are up to date, with 1,234 plays in all.\n"
    )


def test_where_no_run_could_begin_nothing_is_called_new_or_old(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    done: Any = SimpleNamespace(looks=[], run_id=None, failures=["dbt cannot read the models."])
    show_refresh(done, settings)
    assert capsys.readouterr().out == ""
