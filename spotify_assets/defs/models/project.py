"""The dbt project's manifest: made where it is absent or older than the files it describes."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from dagster_dbt import DbtProject
from filelock import FileLock

from spotify_assets.warehouse.dbt_command import PROJECT_DIR, dbt_executable

PARSED = "partial_parse.msgpack"


@cache
def dbt_project() -> DbtProject:
    """The project with a manifest that is up to date.

    `DbtProject.prepare_if_dev` acts under `dagster dev` only and parses at every load; this makes
    the manifest once for all processes, whatever loads the definitions first.

    Raises:
        RuntimeError: dbt cannot parse the project; the message holds dbt's own.
    """
    project = DbtProject(project_dir=PROJECT_DIR, profiles_dir=PROJECT_DIR)
    if _is_stale(project.manifest_path):
        target = project.manifest_path.parent
        target.mkdir(exist_ok=True)
        with FileLock(target / "manifest.lock"):
            if _is_stale(project.manifest_path):
                _parse(target)
    return project


@contextmanager
def parsed_before(target: Path) -> Iterator[None]:
    """Let dbt begin with what it parsed in the run before, and keep what it parses.

    What lies beside the manifest serves the data folder alone that it was made with, as its path is
    part of the profile: on any other dbt would parse all files, which takes 3 s of every run.

    Where it cannot be kept, the next run parses.

    Args:
        target: the folder of one run's artifacts, below that of all runs.
    """
    kept = target.parent / PARSED
    if kept.exists():
        target.mkdir(exist_ok=True)
        with suppress(OSError):
            shutil.copy(kept, target)
    yield
    with suppress(OSError):
        (target / PARSED).replace(kept)


def _is_stale(manifest: Path) -> bool:
    # dbt by hand writes it in place: one that was cut short is none.
    if not manifest.exists() or not manifest.read_bytes().endswith(b"}"):
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
            env={**os.environ, "DBT_PROFILES_DIR": str(PROJECT_DIR)},
            capture_output=True,
            text=True,
            check=False,
        )
        if parsed.returncode != 0:
            raise RuntimeError(f"dbt could not parse {PROJECT_DIR}:\n{parsed.stdout}")
        for name in (PARSED, "manifest.json"):
            shutil.move(Path(folder, name), target / name)
