"""The split: every row on one side, with all its reasons, unchanged."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pandera.pandas as pa
import pytest

from spotify_assets.contracts.split import split


class Numbers(pa.DataFrameModel):
    """A small contract: a number that is small and even, beside its payload."""

    number: object
    other: object = pa.Field(nullable=True)
    payload: object

    @pa.check("number", element_wise=True, error="not small")
    def is_small(cls, value: Any) -> bool:
        return isinstance(value, int) and value < 10

    @pa.check("number", element_wise=True, error="not even")
    def is_even(cls, value: Any) -> bool:
        return isinstance(value, int) and value % 2 == 0

    @pa.dataframe_check(error="number: larger than other")
    def is_ordered(cls, frame: pd.DataFrame) -> pd.Series[bool]:
        pairs = zip(frame["number"], frame["other"], strict=True)
        ordered = [not isinstance(b, int) or not isinstance(a, int) or a <= b for a, b in pairs]
        return pd.Series(ordered, index=frame.index, dtype=bool)


def frame(*rows: tuple[object, object], index: list[int] | None = None) -> pd.DataFrame:
    records = [{"number": a, "other": b, "payload": f"row {i}"} for i, (a, b) in enumerate(rows)]
    columns = ["number", "other", "payload"]
    return pd.DataFrame(records, columns=columns, dtype=object, index=index)


def reasons(rejected: pd.DataFrame) -> dict[str, list[str]]:
    pairs = zip(rejected["payload"], rejected["reasons"], strict=True)
    return {payload: json.loads(reasons) for payload, reasons in pairs}


def test_a_row_that_breaks_several_checks_has_several_reasons() -> None:
    accepted, rejected = split(
        frame((2, None), (11, 3), (3, None), (None, None), (["a"], {"b": 1}), (4, 2)), Numbers
    )
    assert accepted["payload"].tolist() == ["row 0"]
    assert reasons(rejected) == {
        "row 1": ["number: larger than other", "number: not even", "number: not small"],
        "row 2": ["number: not even"],
        "row 3": ["number: missing or null"],
        "row 4": ["number: not even", "number: not small"],
        "row 5": ["number: larger than other"],
    }


@pytest.mark.parametrize(
    "rows", [(), ((2, None),), ((3, None),), ((3, 3), (3, 3)), ((2, 2), (2, 2), (13, 1))]
)
def test_every_row_is_on_exactly_one_side(rows: tuple[tuple[object, object], ...]) -> None:
    accepted, rejected = split(frame(*rows), Numbers)
    sides = [*accepted["payload"], *rejected["payload"]]
    assert sorted(sides) == [f"row {number}" for number in range(len(rows))]
    assert list(accepted.columns) == ["number", "other", "payload"]
    assert list(rejected.columns) == ["payload", "reasons"]


def test_an_index_with_repetitions_mixes_no_rows_up() -> None:
    accepted, rejected = split(frame((2, None), (3, None), (4, None), index=[7, 7, 7]), Numbers)
    assert accepted["payload"].tolist() == ["row 0", "row 2"]
    assert rejected["payload"].tolist() == ["row 1"]


def test_no_value_is_changed() -> None:
    given = frame((2, None), (3, 2**70), (4, {"a": [1]}))
    before = given.copy(deep=True)
    accepted, _ = split(given, Numbers)
    pd.testing.assert_frame_equal(given, before)
    assert accepted["other"].tolist() == [None, {"a": [1]}]
    assert [type(value) for value in accepted["number"]] == [int, int]


def test_a_frame_that_does_not_fit_is_a_fault_of_ours() -> None:
    with pytest.raises(ValueError, match="does not fit Numbers.*number"):
        split(frame((2, None)).drop(columns="number"), Numbers)
