"""The documentation's tables of faults are the registry, word for word."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path

from spotify_assets.sandbox.answer_faults import ANSWER_FAULTS, API
from spotify_assets.sandbox.faults import Fault
from spotify_assets.sandbox.record_faults import RECORD_FAULTS
from spotify_assets.sandbox.world import SandboxConfig
from spotify_assets.sandbox.world_faults import WORLD_FAULTS

DOCS = Path(__file__).parents[3] / "docs" / "sandbox.md"
COMMON = {"path": API, "times": None, "listener": None}


def row(fault: Fault) -> str:
    own = {
        name: takes.default
        for name, takes in fault.parameters.items()
        if (name, takes.default) not in COMMON.items()
    }
    takes = ", ".join(f"`{name}` {json.dumps(default)}" for name, default in own.items())
    return f"| `{fault.name}` | {fault.description} | {takes} |"


def table(head: str) -> list[str]:
    """The rows below a table's head."""
    rows = DOCS.read_text("utf-8").partition(f"| {head} |")[2].partition("\n\n")[0]
    return rows.splitlines()[2:]


def rows(faults: Iterable[Fault]) -> list[str]:
    return [row(fault) for fault in faults]


def test_the_tables_of_faults_are_those_of_the_registry() -> None:
    assert table("fault of answers") == rows(ANSWER_FAULTS)
    assert table("fault of the list") == rows(WORLD_FAULTS)
    assert table("fault of a play") == rows(RECORD_FAULTS)


def test_the_faults_of_answers_all_take_what_the_docs_say_that_all_take() -> None:
    assert all(COMMON.keys() <= fault.parameters.keys() for fault in ANSWER_FAULTS)
    assert not any(
        COMMON.keys() & fault.parameters.keys() for fault in (*WORLD_FAULTS, *RECORD_FAULTS)
    )


def test_the_docs_name_every_choice_about_a_sandbox() -> None:
    named = set(re.findall(r"`([a-z_-]+)`|--([a-z-]+)", DOCS.read_text("utf-8")))
    told = {one.replace("-", "_") for pair in named for one in pair}
    assert {field.name for field in fields(SandboxConfig)} <= told
