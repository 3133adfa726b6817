"""Who may import whom: the rooms follow the path of a play, and Dagster stays at its end."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from spotify_assets.settings import CHECKOUT

PACKAGE = CHECKOUT / "spotify_assets"
GROUND = {
    "settings",
    "times",
    "database",
    "timetable",
    "alerting",
    "scheduler",
    "same_origin",
    "kernel_lock",
    "private_files",
}
MAY_IMPORT = {
    "settings": set[str](),
    "times": set[str](),
    "database": set[str](),
    "timetable": {"settings", "times"},
    "alerting": {"settings"},
    "scheduler": {"settings"},
    "same_origin": set[str](),
    "kernel_lock": set[str](),
    "private_files": {"database"},
    "spotify": GROUND,
    "contracts": GROUND | {"spotify"},
    "warehouse": GROUND | {"spotify", "contracts"},
    "covers": GROUND | {"spotify", "warehouse"},
    "outputs": GROUND | {"spotify", "warehouse", "covers"},
    "sandbox": {"times", "same_origin"},
    "defs": GROUND | {"spotify", "contracts", "warehouse", "covers", "outputs"},
    "definitions": GROUND | {"defs"},
    "demo": GROUND | {"spotify", "sandbox"},
    "cli": GROUND
    | {"spotify", "warehouse", "covers", "outputs", "sandbox", "defs", "definitions", "demo"},
}
MAY_IMPORT_DAGSTER = {"defs", "definitions", "cli"}


def imports(room: str) -> Iterator[tuple[Path, str]]:
    """All modules that the modules of a room import, wherever the import stands."""
    place = PACKAGE / room
    for path in sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((path, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.module, "imports are absolute"
                yield path, node.module
                if node.module == "spotify_assets":
                    yield from ((path, f"spotify_assets.{alias.name}") for alias in node.names)


def test_these_are_all_the_rooms() -> None:
    rooms = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert rooms - {"__init__", "__pycache__"} == set(MAY_IMPORT)


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_what_comes_before_it(room: str) -> None:
    for path, module in imports(room):
        parts = module.split(".")
        if parts[0] == "spotify_assets" and len(parts) > 1:
            assert parts[1] in MAY_IMPORT[room] | {room}, f"{path} imports {module}"
        if parts[0].startswith("dagster"):
            assert room in MAY_IMPORT_DAGSTER, f"{path} imports {module}"


def in_a_fresh_python(script: str, folder: Path) -> None:
    environment = {"PATH": "", "SPOTIFY_ASSETS_DATA": str(folder)}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_command_itself_imports_nothing_heavy(tmp_path: Path) -> None:
    script = (
        "import sys, spotify_assets.cli\n"
        "heavy = {'dagster', 'dbt', 'pandas', 'pandera', 'flask', 'rich', 'sqlalchemy'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    in_a_fresh_python(script, tmp_path)


def test_the_definitions_leave_dbt_to_its_own_process(tmp_path: Path) -> None:
    script = (
        "import sys, spotify_assets.definitions\n"
        "assert not [name for name in sys.modules if name.split('.')[0] == 'dbt' and '.' in name]\n"
        "import dbt.version\n"
        "assert dbt.version.__version__\n"
    )
    in_a_fresh_python(script, tmp_path)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["refresh", "--help"],
        ["view"],
        ["accounts"],
        ["status"],
        ["quarantine"],
        ["schedule"],
        ["covers"],
        ["report", "--account", "nobody"],
    ],
)
def test_commands_that_need_no_dagster_do_not_import_it(
    arguments: list[str], tmp_path: Path
) -> None:
    script = (
        "import sys\n"
        "from spotify_assets.cli import main\n"
        "import click\n"
        "try:\n"
        f"    main({arguments!r}, standalone_mode=False)\n"
        "except click.ClickException:\n"
        "    pass\n"
        "heavy = {'dagster', 'dbt', 'pandas', 'pandera', 'flask'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    in_a_fresh_python(script, tmp_path)
