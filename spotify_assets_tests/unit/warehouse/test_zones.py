"""Local clocks: fixed once for an account, their offsets those of the IANA data."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from spotify_assets import times
from spotify_assets.warehouse import zones
from spotify_assets.warehouse.loading import Load, write_load
from spotify_assets.warehouse.tables import (
    account_zones,
    model_watermarks,
    raw_recently_played,
    zone_offsets,
)
from spotify_assets.warehouse.warehouse import Warehouse
from spotify_assets.warehouse.zones import (
    BEGIN,
    END,
    Stay,
    check_day,
    check_zone,
    first_moment,
    fix_zones,
    moved,
    offsets,
    set_zone,
)

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


def in_hours(zone: str, begin: datetime, end: datetime) -> list[tuple[str, float]]:
    return [
        (times.to_text(start)[:16], offset / timedelta(hours=1))
        for start, _, offset in offsets(zone)
        if begin <= start < end
    ]


@pytest.mark.parametrize(
    ("zone", "hours"), [("Asia/Kolkata", 5.5), ("Asia/Kathmandu", 5.75), ("UTC", 0)]
)
def test_a_zone_without_summer_time_is_one_interval(zone: str, hours: float) -> None:
    assert in_hours(zone, BEGIN, END) == [("2006-01-01T00:00", hours)]


def test_lord_howe_goes_half_an_hour_forth_and_back() -> None:
    """Back on the first Sunday of April, at 2:00 summer time, forth on that of October at 2:00."""
    year = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
    assert in_hours("Australia/Lord_Howe", *year) == [
        ("2026-04-04T15:00", 10.5),
        ("2026-10-03T15:30", 11),
    ]


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
    fix_zones(engine, "Asia/Tokyo")
    assert [tuple(row) for row in warehouse.read(select(zone_offsets))] == [
        ("Asia/Kolkata", times.to_text(BEGIN), times.to_text(END), 19_800)
    ]


MOVES = st.tuples(
    st.sampled_from(ZONES), st.none() | st.dates(date(2006, 1, 1), date(2059, 12, 31))
)
EAST_TO_WEST = tuple(zone for zone in ZONES if zone != "Pacific/Apia")  # less than a day apart


def zone_at(starts: dict[datetime, str], moment: datetime) -> str:
    return [zone for start, zone in starts.items() if start <= moment][-1]


@given(
    st.lists(MOVES, max_size=8),
    st.lists(st.datetimes(datetime(2006, 1, 1), datetime(2059, 12, 31)), min_size=5),
)
def test_a_move_lasts_until_the_next_one_and_changes_nothing_else(
    moves: list[tuple[str, date | None]], naive: list[datetime]
) -> None:
    starts = {BEGIN: "Europe/Lisbon"}
    for zone, day in moves:
        before, starts = starts, moved(starts, zone, day)
        begins = list(starts)
        assert begins[0] == BEGIN
        assert all(first < then < END for first, then in pairwise(begins))
        assert all(name != then for name, then in pairwise(starts.values()))
        assert moved(starts, zone, day) == starts
        begin = BEGIN if day is None else max(first_moment(day, zone), BEGIN)
        assert zone_at(starts, begin) == zone
        replaced = {
            start
            for start, name in before.items()
            if start > BEGIN and start.astimezone(ZoneInfo(name)).date() == day
        }
        later = {start for start in before if start > begin} - replaced if day else set()
        for moment in (moment.replace(tzinfo=UTC) for moment in naive):
            if begin <= moment < min(later, default=END):
                assert zone_at(starts, moment) == zone
            elif not replaced:
                assert zone_at(starts, moment) == zone_at(before, moment)


@given(
    st.lists(
        st.dates(date(2006, 1, 2), date(2059, 12, 31)),
        min_size=1,
        max_size=len(EAST_TO_WEST),
        unique=True,
    ),
    st.permutations(EAST_TO_WEST),
    st.data(),
)
def test_in_whatever_order_moves_are_entered_the_latest_one_counts(
    days: list[date], places: list[str], data: st.DataObject
) -> None:
    entered = data.draw(st.permutations(list(zip(days, places, strict=False))))
    starts = {BEGIN: "Pacific/Auckland"}
    for day, zone in entered:
        starts = moved(starts, zone, day)
    expected = {first_moment(day, zone): zone for day, zone in sorted(entered)}
    assert starts == {BEGIN: "Pacific/Auckland"} | expected


@pytest.mark.parametrize(
    ("day", "zone", "moment"),
    [
        ("2026-05-01", "Europe/Berlin", "2026-04-30T22:00"),
        ("2026-05-01", "America/New_York", "2026-05-01T04:00"),
        ("2026-05-01", "Asia/Kathmandu", "2026-04-30T18:15"),
        # From 0:00 the clocks went to 1:00, the first time of that day.
        ("2018-11-04", "America/Sao_Paulo", "2018-11-04T03:00"),
        # From 1:00 they went back to 0:00, which was there twice.
        ("2024-11-03", "America/Havana", "2024-11-03T04:00"),
        # A day that never was, when Samoa went over to the other side of the date line.
        ("2011-12-30", "Pacific/Apia", "2011-12-30T10:00"),
    ],
)
def test_a_move_begins_with_the_first_moment_of_its_day_there(
    day: str, zone: str, moment: str
) -> None:
    starts = moved({BEGIN: "UTC"}, zone, date.fromisoformat(day))
    assert [times.to_text(start)[:16] for start in starts] == ["2006-01-01T00:00", moment]


def stays_of(warehouse: Warehouse, account_id: str = "mira") -> list[Stay]:
    query = select(account_zones).where(account_zones.c.account_id == account_id)
    rows = warehouse.read(query.order_by(account_zones.c.valid_from))
    return [Stay(row.zone, row.valid_from, row.valid_to) for row in rows]


def mark_models(warehouse: Warehouse) -> None:
    with warehouse.writer().begin() as connection:
        connection.execute(model_watermarks.delete())
        connection.execute(model_watermarks.insert().values(model="fct_plays", load_id=1))


def are_forgotten(warehouse: Warehouse) -> bool:
    return not warehouse.read(select(model_watermarks))


BEGIN_TEXT, END_TEXT = times.to_text(BEGIN), times.to_text(END)


def test_moves_are_kept_and_can_be_replaced_and_taken_back(
    warehouse: Warehouse, items: list[Any], new_load: Callable[..., Load]
) -> None:
    engine = warehouse.writer()
    write_load(engine, raw_recently_played, new_load(items))
    fix_zones(engine, "Europe/Berlin")
    home = Stay("Europe/Berlin", BEGIN_TEXT, END_TEXT)
    day = date(2026, 5, 1)

    set_zone(engine, "mira", "Asia/Tokyo", day)
    change = set_zone(engine, "mira", "America/New_York", day)
    leaving = "2026-05-01T04:00:00.000Z"
    assert change.stays == stays_of(warehouse)
    assert change.stays == [
        Stay("Europe/Berlin", BEGIN_TEXT, leaving),
        Stay("America/New_York", leaving, END_TEXT),
    ]
    written = {row.zone for row in warehouse.read(select(zone_offsets.c.zone).distinct())}
    assert written == {"Europe/Berlin", "America/New_York", "Asia/Tokyo"}

    set_zone(engine, "mira", "Europe/Berlin", day)
    assert stays_of(warehouse) == [home]
    set_zone(engine, "mira", "Asia/Tokyo", day)
    set_zone(engine, "mira", "Europe/Berlin")
    assert stays_of(warehouse) == [home]


def test_models_are_built_anew_if_and_only_if_the_days_of_plays_changed(
    warehouse: Warehouse, items: list[Any], new_load: Callable[..., Load]
) -> None:
    engine = warehouse.writer()
    write_load(engine, raw_recently_played, new_load(items))
    fix_zones(engine, "Europe/Berlin")
    mark_models(warehouse)
    assert set_zone(engine, "jonas", "Asia/Kolkata").is_new  # who has no plays
    assert not set_zone(engine, "mira", "Europe/Berlin").is_new
    assert not are_forgotten(warehouse)
    for _ in range(2):
        assert set_zone(engine, "mira", "Asia/Kolkata", date(2026, 5, 1)).has_loads
        assert are_forgotten(warehouse)
        mark_models(warehouse)
        assert not set_zone(engine, "mira", "Asia/Kolkata", date(2026, 5, 1)).is_new
        assert not are_forgotten(warehouse)
        set_zone(engine, "mira", "Europe/Berlin")


def test_a_move_in_the_future_leaves_the_days_until_then_where_they_are(
    warehouse: Warehouse, items: list[Any], new_load: Callable[..., Load]
) -> None:
    engine = warehouse.writer()
    write_load(engine, raw_recently_played, new_load(items))
    fix_zones(engine, "Europe/Berlin")
    day = times.now().date() + timedelta(days=90)
    set_zone(engine, "mira", "Asia/Tokyo", day)
    leaving = times.to_text(first_moment(day, "Asia/Tokyo"))
    assert stays_of(warehouse) == [
        Stay("Europe/Berlin", BEGIN_TEXT, leaving),
        Stay("Asia/Tokyo", leaving, END_TEXT),
    ]


def test_a_zone_can_be_given_before_the_first_load_which_then_keeps_it(
    warehouse: Warehouse, items: list[Any], new_load: Callable[..., Load]
) -> None:
    engine = warehouse.writer()
    set_zone(engine, "mira", "Asia/Tokyo", date(2026, 5, 1), default="Europe/Berlin")
    stays = stays_of(warehouse)
    assert [stay.zone for stay in stays] == ["Europe/Berlin", "Asia/Tokyo"]
    write_load(engine, raw_recently_played, new_load(items))
    fix_zones(engine, "Asia/Kolkata")
    assert stays_of(warehouse) == stays


def test_an_update_of_the_zones_data_has_models_built_anew(
    warehouse: Warehouse, items: list[Any], new_load: Callable[..., Load]
) -> None:
    engine = warehouse.writer()
    mark_models(warehouse)
    write_load(engine, raw_recently_played, new_load(items))
    fix_zones(engine, "Asia/Kolkata")
    fix_zones(engine, "Asia/Kolkata")
    assert not are_forgotten(warehouse)
    with engine.begin() as connection:
        connection.execute(zone_offsets.update().values(offset_seconds=0))
    fix_zones(engine, "Asia/Kolkata")
    assert are_forgotten(warehouse)


def test_a_change_that_fails_half_way_leaves_all_as_it_was(
    warehouse: Warehouse,
    items: list[Any],
    new_load: Callable[..., Load],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise OSError("gone")

    engine = warehouse.writer()
    write_load(engine, raw_recently_played, new_load(items))
    fix_zones(engine, "Europe/Berlin")
    mark_models(warehouse)
    before = stays_of(warehouse)
    monkeypatch.setattr(zones, "_write_offsets", fail)  # the last thing that it does
    with pytest.raises(OSError, match="gone"):
        set_zone(engine, "mira", "Asia/Tokyo")
    assert stays_of(warehouse) == before
    assert not are_forgotten(warehouse)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Europe/Berln", "Europe/Berlin"),
        ("europe/berlin", "Europe/Berlin"),
        ("new york", "America/New_York"),
        ("Kolkatta", "Asia/Kolkata"),
        ("posixrules", "Write it as in Europe/Berlin"),
        ("localtime", "is no time zone"),
        ("Factory", "is no time zone"),
        ("../x", "Write it as in Europe/Berlin"),
        ("/etc/localtime", "is no time zone"),
        ("Europe", "is no time zone"),
        ("", "Write it as in Europe/Berlin"),
        ("Europe/Berlin\0", "Europe/Berlin"),
    ],
)
def test_what_is_no_zone_is_refused_and_close_ones_are_named(name: str, hint: str) -> None:
    with pytest.raises(ValueError, match=hint) as raised:
        check_zone(name)
    assert "\n" not in str(raised.value)


def test_zones_and_days_that_exist_are_let_pass() -> None:
    for name in (*ZONES, "US/Eastern", "Etc/GMT+12"):
        check_zone(name)
    check_day(date(2006, 1, 1))
    check_day(date(2059, 12, 31))
    for day in (date(2005, 12, 31), date(2060, 1, 1)):
        with pytest.raises(ValueError, match="is not between 2006-01-01 and 2059-12-31"):
            check_day(day)
