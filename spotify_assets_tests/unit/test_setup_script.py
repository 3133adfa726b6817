"""`scripts/setup` in checkouts of any name: what it writes into `.env` is read as it was meant."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from dotenv import dotenv_values

from spotify_assets.settings import CHECKOUT


@pytest.mark.parametrize(
    "name",
    ["plain", "with blanks", "a&b|c", "hash #1", "it's", 'say "so"', "back\\slash", "ünï", "$HOME"],
)
def test_the_env_file_names_the_folders_of_a_checkout_of_any_name(
    name: str, tmp_path: Path
) -> None:
    checkout = tmp_path / name
    (checkout / "scripts").mkdir(parents=True)
    for file in ("scripts/setup", ".env.example", "pyproject.toml", "requirements.txt"):
        shutil.copy(CHECKOUT / file, checkout / file)
    # An environment that is ready, so that nothing is installed.
    (checkout / "spotenv" / "bin").mkdir(parents=True)
    for command in ("python", "dotenv"):
        (checkout / "spotenv" / "bin" / command).symlink_to(Path(sys.executable).parent / command)
    made_from = b"".join(
        (checkout / file).read_bytes()
        for file in ("requirements.txt", "pyproject.toml", "scripts/setup")
    )
    mark = subprocess.run(["cksum"], input=made_from, capture_output=True, check=True).stdout
    (checkout / "spotenv" / ".ready").write_bytes(mark)

    subprocess.run(["sh", "scripts/setup"], cwd=checkout, check=True)

    values = dotenv_values(checkout / ".env")
    assert values["DAGSTER_HOME"] == str(checkout / "dagster_home")
    assert values["SPOTIFY_ASSETS_DATA"] == str(checkout / "data")
    assert values["SPOTIFY_ASSETS_DAGSTER"] == str(checkout / "data" / "dagster")
    assert values["SPOTIFY_REDIRECT_URI"] == "http://127.0.0.1:8765/callback"
    assert (checkout / ".env").stat().st_mode & 0o777 == 0o600
    assert (checkout / "data" / "dagster").is_dir()
