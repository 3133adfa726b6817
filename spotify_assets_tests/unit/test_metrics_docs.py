"""docs/metrics.md says what the models' descriptions say."""

import re
import runpy
from pathlib import Path

from spotify_assets.settings import CHECKOUT

metrics = runpy.run_path(str(CHECKOUT / "scripts" / "metrics.py"))


def test_the_page_is_what_the_script_writes() -> None:
    written = Path(CHECKOUT, "docs", "metrics.md").read_text(encoding="utf-8")
    assert written == metrics["page"](), "Run: spotenv/bin/python scripts/metrics.py"


def test_every_model_of_the_marts_has_one_heading() -> None:
    models = {path.stem for path in Path(CHECKOUT, "dbt_project/models/marts").rglob("*.sql")}
    headings = re.findall(r"^### (\w+)$", metrics["page"](), flags=re.MULTILINE)
    assert sorted(headings) == sorted(models)


def test_a_description_cannot_break_its_table() -> None:
    model = {
        "name": "mart_x",
        "description": "One row\n  per x.\n",
        "columns": [{"name": "a", "description": "this | that\nor neither"}],
    }
    assert metrics["described"](model) == (
        "### mart_x\n\nOne row per x.\n\n| column | |\n|---|---|\n"
        "| `a` | this \\| that or neither |\n"
    )
