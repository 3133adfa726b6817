"""Splitting a frame by a Pandera model: every row is accepted, or rejected with all its reasons.

One function for every contract. It neither changes nor drops a row.
"""

import json

import pandas as pd
import pandera.pandas as pa


def split(
    frame: pd.DataFrame, contract: type[pa.DataFrameModel]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows that keep the contract, and the rows that break it.

    Args:
        frame: the contract's columns as objects, `payload` among them.

    Returns:
        accepted: the frame's columns.
        rejected: `payload` and `reasons`, a JSON list of texts, "column: check" where the check
            is one column's.
    """
    frame = frame.reset_index(drop=True)
    try:
        contract.validate(frame, lazy=True)
    except pa.errors.SchemaErrors as errors:
        failures = errors.failure_cases
    else:
        return frame, pd.DataFrame(columns=["payload", "reasons"], dtype=object)
    if failures["index"].isna().any():
        # A failure of no row is a fault of ours (a missing column), never of the data.
        fault = failures.loc[failures["index"].isna(), ["check", "failure_case"]].iloc[0].to_dict()
        raise ValueError(f"the frame does not fit {contract.__name__}: {fault}")
    checks = failures["check"].replace("not_nullable", "missing or null")
    of_one_column = failures["schema_context"] == "Column"
    reasons = (
        checks.where(~of_one_column, failures["column"] + ": " + checks)
        .groupby(failures["index"].astype(int))
        .agg(lambda texts: json.dumps(sorted(set(texts))))
    )
    rejected = frame.loc[reasons.index, ["payload"]].assign(reasons=reasons)
    return frame.drop(index=reasons.index), rejected
