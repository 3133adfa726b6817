"""The one text form of a time."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotify_assets import times

moments = st.datetimes(
    min_value=datetime(1, 1, 3),
    max_value=datetime(9999, 12, 29),
    timezones=st.builds(
        timezone,
        st.timedeltas(min_value=timedelta(hours=-23, minutes=-59), max_value=timedelta(hours=23)),
    ),
)


@given(moments)
def test_every_time_has_one_text_of_fixed_width_that_reads_back(moment: datetime) -> None:
    text = times.to_text(moment)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text)
    back = times.from_text(text)
    assert back.tzinfo is UTC
    assert timedelta(0) <= moment - back < timedelta(milliseconds=1)  # cut, never rounded up
    assert times.to_text(back) == text


@given(moments, moments)
def test_text_order_is_time_order(one: datetime, other: datetime) -> None:
    if times.to_text(one) < times.to_text(other):
        assert one < other
    elif times.to_text(one) > times.to_text(other):
        assert one > other
    else:
        assert abs(one - other) < timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2026-02-25T20:15:20.497Z", "2026-02-25T20:15:20.497Z"),
        ("2026-02-25T20:15:20Z", "2026-02-25T20:15:20.000Z"),
        ("2026-02-25T20:15:20.4979Z", "2026-02-25T20:15:20.497Z"),
        ("2026-02-25T20:15:20.999999Z", "2026-02-25T20:15:20.999Z"),
        ("2026-02-25T23:45:20.497+03:30", "2026-02-25T20:15:20.497Z"),
        ("1969-12-31T23:59:59.9999Z", "1969-12-31T23:59:59.999Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"),
    ],
)
def test_any_iso_time_that_names_its_offset_is_read(text: str, same: str) -> None:
    assert times.to_text(times.from_text(text)) == same


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-02-25",
        "2026-02-25T20:15:20",
        "2026-02-30T20:15:20Z",
        "2026-02-25T25:15:20Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "10000-01-01T00:00:00Z",
        "\ud800",
    ],
)
def test_what_is_no_time_or_names_no_offset_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):
        times.from_text(text)


@given(st.text())
def test_no_text_makes_from_text_fail_in_another_way(text: str) -> None:
    try:
        assert times.from_text(text).tzinfo is UTC
    except ValueError:
        pass


def test_now_is_now() -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    assert before <= times.from_text(times.now_text()) <= datetime.now(UTC)


def test_the_date_header_is_read_in_utc() -> None:
    moment = times.from_http_date("Wed, 25 Feb 2026 20:15:20 GMT")
    assert moment == datetime(2026, 2, 25, 20, 15, 20, tzinfo=UTC)
    assert times.from_http_date("Wed, 25 Feb 2026 21:15:20 +0100") == moment
    assert times.from_http_date("Wed, 25 Feb 2026 20:15:20") == moment


MALFORMED_DATES = [
    None,
    "",
    " ",
    "soon",
    "Wed, 99 Feb 2026 20:15:20 GMT",
    "Wed, 25 Feb 2026 20:15:20 +9999999999999999",
    "Wed, 25 Feb 99999 20:15:20 GMT",
    "Fri, 31 Dec 9999 23:59:59 -1400",
    "2026-02-25T20:15:20Z",
]


@pytest.mark.parametrize("header", MALFORMED_DATES)
def test_a_malformed_date_header_is_no_date(header: str | None) -> None:
    assert times.from_http_date(header) is None


@given(
    st.text()
    | st.from_regex(r"[A-Z][a-z]{2}, \d{1,3} [A-Z][a-z]{2} \d{1,5} \d\d:\d\d:\d\d [+-]?\w{0,9}")
)
def test_no_date_header_is_fatal_and_every_date_can_be_written(header: str) -> None:
    moment = times.from_http_date(header)
    assert moment is None or len(times.to_text(moment)) == 24


def test_a_person_reads_the_clock_of_a_zone() -> None:
    assert times.local("2026-07-01T22:30:00.000Z", "Europe/Berlin") == "2026-07-02 00:30 CEST"
    assert times.local("2026-01-01T23:30:59.999Z", "Europe/Berlin") == "2026-01-02 00:30 CET"


def test_without_a_zone_it_is_the_clock_of_this_machine() -> None:
    here = datetime(2026, 7, 1, 22, 30, tzinfo=UTC).astimezone()
    assert times.local("2026-07-01T22:30:00.000Z", "").startswith(f"{here:%Y-%m-%d %H:%M}")
