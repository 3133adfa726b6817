"""The dbt project's manifest: made where it is absent or older than the files it describes."""

import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from dagster_dbt import DbtProject
from filelock import FileLock

from spotify_assets.warehouse.dbt_command import (
    PARSED_DIR,
    PARSED_FILE,
    PROJECT_DIR,
    dbt_executable,
)


@cache
def dbt_project() -> DbtProject:
    """The project with a manifest that is up to date.

    `DbtProject.prepare_if_dev` acts under `dagster dev` only and parses at every load; this makes
    the manifest once for all processes, whatever loads the definitions first.

    Raises:
        RuntimeError: dbt cannot parse the project; the message holds dbt's own.
    """
    project = DbtProject(project_dir=PROJECT_DIR, profiles_dir=PROJECT_DIR, target_path=PARSED_DIR)
    if _is_stale(project.manifest_path):
        target = project.manifest_path.parent
        target.mkdir(parents=True, exist_ok=True)
        with FileLock(target / "manifest.lock"):
            if _is_stale(project.manifest_path):
                _parse(target)
    return project


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
    """Parse into a folder of its own and move the files, so that no process reads half of one."""
    with tempfile.TemporaryDirectory(dir=target) as folder:
        parsed = subprocess.run(
            [dbt_executable(), "parse", "--target-path", folder, "--log-path", folder],
            cwd=PROJECT_DIR,
            capture_output=True,
            text=True,
            check=False,
        )
        if parsed.returncode != 0:
            raise RuntimeError(f"dbt could not parse {PROJECT_DIR}:\n{parsed.stdout}")
        for name in (PARSED_FILE, "manifest.json"):
            shutil.move(Path(folder, name), target / name)
