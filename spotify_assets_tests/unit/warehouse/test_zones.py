"""Local clocks: fixed once for an account, their offsets those of the IANA data."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import tzlocal
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from spotify_assets import times
from spotify_assets.warehouse.loading import Load, write_load
from spotify_assets.warehouse.tables import account_zones, raw_recently_played, zone_offsets
from spotify_assets.warehouse.warehouse import Warehouse
from spotify_assets.warehouse.zones import BEGIN, END, fix_zones, offsets

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Pacific/Apia",
)


@given(
    zone=st.sampled_from(ZONES),
    moment=st.datetimes(
        BEGIN.replace(tzinfo=None), END.replace(tzinfo=None) - timedelta(seconds=1)
    ),
)
def test_every_moment_has_the_offset_of_its_zone(zone: str, moment: datetime) -> None:
    moment = moment.replace(tzinfo=UTC)
    found = [offset for begin, end, offset in offsets(zone) if begin <= moment < end]
    assert found == [moment.astimezone(ZoneInfo(zone)).utcoffset()]


@pytest.mark.parametrize("zone", ZONES)
def test_the_intervals_have_neither_holes_nor_overlaps(zone: str) -> None:
    intervals = list(offsets(zone))
    assert [begin for begin, _, _ in intervals] == [BEGIN, *(end for _, end, _ in intervals[:-1])]
    assert intervals[-1][1] == END


def zones_of(warehouse: Warehouse) -> dict[str, str]:
    return {row.account_id: row.zone for row in warehouse.read(select(account_zones))}


def test_an_account_keeps_the_zone_of_its_first_load(
    warehouse: Warehouse, items: list[Any], new_load: Callable[..., Load]
) -> None:
    engine = warehouse.writer()
    fix_zones(engine, "Europe/Berlin")
    assert zones_of(warehouse) == {}
    write_load(engine, raw_recently_played, new_load(items))
    fix_zones(engine, "Europe/Berlin")
    write_load(engine, raw_recently_played, new_load(items, "page-2", "jonas"))
    fix_zones(engine, "Asia/Kolkata")
    assert zones_of(warehouse) == {"mira": "Europe/Berlin", "jonas": "Asia/Kolkata"}
    zones = {row.zone for row in warehouse.read(select(zone_offsets.c.zone).distinct())}
    assert zones == {"Europe/Berlin", "Asia/Kolkata"}


def test_offsets_follow_an_update_of_the_zones_data(
    warehouse: Warehouse, items: list[Any], new_load: Callable[..., Load]
) -> None:
    engine = warehouse.writer()
    write_load(engine, raw_recently_played, new_load(items))
    fix_zones(engine, "Asia/Kolkata")
    with engine.begin() as connection:
        connection.execute(zone_offsets.update().values(offset_seconds=0))
    fix_zones(engine, "")
    assert [tuple(row) for row in warehouse.read(select(zone_offsets))] == [
        ("Asia/Kolkata", times.to_text(BEGIN), times.to_text(END), 19_800)
    ]


@pytest.mark.parametrize(
    ("named", "zone"), [("Asia/Tokyo", "Asia/Tokyo"), (None, "UTC"), ("Nowhere/At-all", "UTC")]
)
def test_without_a_setting_it_is_the_machines_zone_as_far_as_that_is_one(
    named: str | None,
    zone: str,
    warehouse: Warehouse,
    items: list[Any],
    new_load: Callable[..., Load],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tzlocal, "get_localzone_name", lambda: named)
    write_load(warehouse.writer(), raw_recently_played, new_load(items))
    fix_zones(warehouse.writer(), "")
    assert zones_of(warehouse) == {"mira": zone}
