"""The asset checks of raw, asked about accounts that are really there."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from spotify_assets import times
from spotify_assets.defs.ingestion.checks import (
    exported_fields,
    played_fields,
    recently_played_health,
)
from spotify_assets.defs.resources import WarehouseResource
from spotify_assets.spotify.state import EndedLogin, State
from spotify_assets_tests.support import User
from spotify_assets_tests.unit.spotify.export.downloads import Home, a_row, pack

WARN, ERROR = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR


def check() -> dg.AssetCheckResult:
    results = recently_played_health(dg.build_asset_check_context())
    assert isinstance(results, Iterator)
    (result,) = (each for each in results if each.check_name == "logins_last")
    assert isinstance(result, dg.AssetCheckResult)
    return result


def test_without_accounts_every_login_lasts(present: User) -> None:
    assert check().passed


@pytest.mark.parametrize(
    ("days", "passed", "severity"),
    [(31, True, WARN), (30, False, WARN), (7, False, WARN), (1, False, ERROR), (-1, False, ERROR)],
)
def test_the_check_of_logins_warns_a_month_before_the_first_one_ends(
    days: int, passed: bool, severity: dg.AssetCheckSeverity, present: User
) -> None:
    present.log_in("mira", "jonas")
    ends_at = times.to_text(datetime.now(UTC) + timedelta(days=days))
    with closing(sqlite3.connect(present.settings.state_path)) as connection, connection:
        connection.execute(
            "update accounts set login_ends_at = ? where account_id = 'mira'", (ends_at,)
        )
    result = check()
    assert (result.passed, result.severity) == (passed, severity)
    assert ("mira: " in (result.description or "")) != passed
    assert "jonas: " not in (result.description or "")


def test_the_check_of_logins_is_an_error_where_spotify_ended_one(present: User) -> None:
    present.log_in("mira")
    state = State(present.settings.state_path)
    assert check().passed
    state.end_login("mira", EndedLogin("2026-01-01T00:00:00.000Z", "revoked"))
    result = check()
    assert (result.passed, result.severity) == (False, ERROR)
    assert "spotify-assets login" in (result.description or "")


def test_the_check_of_fields_warns_and_names_the_field_that_changed(
    present: User, tmp_path: Path
) -> None:
    def check_fields() -> dg.AssetCheckResult:
        result = exported_fields(warehouse=WarehouseResource())
        assert isinstance(result, dg.AssetCheckResult)
        return result

    assert check_fields().passed
    home = Home(present.settings.data)
    rows = [a_row(number, platform={"os": "ios"}, skipped="no") for number in range(5)]
    rows += [a_row(number, shuffle="yes" if number < 9 else False) for number in range(5, 400)]
    home.total(pack(tmp_path / "my.zip", {"endsong_0.json": rows}))
    result = check_fields()
    assert (result.passed, result.severity) == (False, WARN)
    assert "platform (5 of 400), skipped (5 of 400)" in (result.description or "")
    assert "shuffle" not in (result.description or "")  # 4 rows may be mistakes
    of_list = played_fields(warehouse=WarehouseResource())
    assert isinstance(of_list, dg.AssetCheckResult)
    assert of_list.passed
