"""The dbt project's manifest and lineage: made where absent or older than the files described."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import tempfile
from contextlib import closing
from functools import cache
from pathlib import Path

from dagster_dbt import DbtProject

from spotify_assets.defs.models.lineage import FILE as LINEAGE
from spotify_assets.defs.models.lineage import Lineage, column_lineage, read_lineage
from spotify_assets.kernel_lock import kernel_lock
from spotify_assets.warehouse.dbt_command import (
    PARSED_DIR,
    PARSED_FILE,
    PROJECT_DIR,
    ModelsError,
    dbt_executable,
)

LINES_OF_DBT = 15  # of what it says about a file that it cannot read


@cache
def dbt_project() -> DbtProject:
    """The project with a manifest that is up to date.

    `DbtProject.prepare_if_dev` acts under `dagster dev` only and parses at every load; this makes
    the manifest once for all processes, whatever loads the definitions first.

    Raises:
        ModelsError: dbt cannot parse the project.
    """
    project = DbtProject(project_dir=PROJECT_DIR, profiles_dir=PROJECT_DIR, target_path=PARSED_DIR)
    if _is_stale(project.manifest_path):
        target = project.manifest_path.parent
        target.mkdir(parents=True, exist_ok=True)
        with kernel_lock(target / "manifest.lock"):
            if _is_stale(project.manifest_path):
                _parse(target)
    return project


@cache
def lineage_of_models() -> Lineage:
    """The column lineage of the models, as it was made with the manifest."""
    return read_lineage(dbt_project().manifest_path.parent)


def _is_stale(manifest: Path) -> bool:
    if not manifest.exists():
        return True
    made = manifest.stat().st_mtime
    sources = [PROJECT_DIR / "dbt_project.yml", PROJECT_DIR / "profiles.yml"]
    for folder in ("models", "macros", "tests"):
        # Folders too: a removed file changes nothing but its folder.
        sources += [PROJECT_DIR / folder, *(PROJECT_DIR / folder).rglob("*")]
    # Hidden files are editors' locks and backups, and no model to dbt.
    seen = (source for source in sources if not source.name.startswith("."))
    return any(source.stat().st_mtime > made for source in seen)


def _parse(target: Path) -> None:
    """Parse into a folder of its own and move the files, so that no process reads half of one.

    dbt also compiles the models, for their column lineage. That takes no longer than parsing alone.
    It connects to a database for it, which here is an empty one: compiled text that depends on what
    is stored would be another one on each machine.
    """
    with tempfile.TemporaryDirectory(dir=target) as folder, tempfile.TemporaryDirectory() as data:
        with closing(sqlite3.connect(Path(data, "spotify.db"))) as connection:
            connection.execute("pragma user_version = 1")  # or it stays a file without content
        parsed = subprocess.run(
            [
                dbt_executable(),
                *("compile", "--select", "resource_type:model", "--indirect-selection", "empty"),
                *("--target-path", folder, "--log-path", folder),
                *("--quiet", "--no-use-colors"),
            ],
            cwd=PROJECT_DIR,
            env={**os.environ, "SPOTIFY_ASSETS_DATA": data},
            capture_output=True,
            text=True,
            check=False,
        )
        # A model that needs tables to be compiled fails here and may be built all the same.
        manifest = Path(folder, "manifest.json")
        if not manifest.exists():
            raise ModelsError(_explained(parsed.stdout or parsed.stderr))
        found = column_lineage(json.loads(manifest.read_bytes()), read_lineage(target))
        Path(folder, LINEAGE).write_text(json.dumps(found), "utf-8")
        for name in (PARSED_FILE, LINEAGE, manifest.name):
            shutil.move(Path(folder, name), target / name)


def _explained(said: str) -> str:
    """What dbt said of a file that it cannot read, and what to do about it."""
    begin_of_line = r"^\d\d:\d\d:\d\d +((\[ERROR\]: )?Encountered an error:\n)?"
    words = re.sub(begin_of_line, "", said, flags=re.MULTILINE)
    lines = words.strip().splitlines()
    if len(lines) > LINES_OF_DBT:
        lines = [*lines[:LINES_OF_DBT], "  … All of it: spotify-assets-dbt parse"]
    folders = " and ".join(str(PROJECT_DIR / kind / "custom") for kind in ("models", "tests"))
    begin = "dbt cannot read the models and tests:"
    end = f"Mend that file or move it away. Your own ones are in {folders}."
    return "\n".join([begin, *lines, end])
