"""docs/questions.md asks something of every mart, and each question is answered."""

import re
from pathlib import Path

import pytest
from sqlalchemy import text

from spotify_assets.defs.outputs.report import MARTS
from spotify_assets.settings import CHECKOUT
from spotify_assets_tests.models.building import Built

PAGE = Path(CHECKOUT, "docs", "questions.md").read_text(encoding="utf-8")
# Title and SQL of each question.
QUESTIONS = dict(re.findall(r"^## (.+?)$.*?^```sql$(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE))
# The tests' plays are tracks of a few days: nobody was away, and nobody heard a show.
WITHOUT_ANSWER = {"mart_returns", "mart_podcasts"}


def tables_in(query: str) -> set[str]:
    return set(re.findall(r"\b(?:from|join) ([a-z_]+)", query))


@pytest.mark.parametrize("title", QUESTIONS)
def test_a_question_is_answered_by_rows(built: Built, title: str) -> None:
    rows = built.warehouse.read(text(QUESTIONS[title]))
    assert bool(rows) == tables_in(QUESTIONS[title]).isdisjoint(WITHOUT_ANSWER)


def test_the_page_has_as_many_questions_as_blocks_of_sql() -> None:
    assert len(QUESTIONS) == PAGE.count("```sql") == PAGE.count("\n## ")


def test_every_mart_is_looked_at_and_the_lineage_names_what_the_page_asks(built: Built) -> None:
    looked_at = {
        exposure["name"]: {parent.split(".")[-1] for parent in exposure["depends_on"]["nodes"]}
        for exposure in built.manifest["exposures"].values()
    }
    marts = {
        node["name"]
        for node in built.manifest["nodes"].values()
        if node["name"].startswith("mart_")
    }
    assert marts <= set().union(*looked_at.values())
    assert looked_at["year_in_review"] == set(MARTS)
    assert looked_at["questions"] == set().union(*map(tables_in, QUESTIONS.values()))
