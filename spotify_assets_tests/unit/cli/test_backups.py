"""What `restore` refuses before it looks at anything."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from spotify_assets.cli import main


@pytest.mark.parametrize(
    "arguments", [["--to", ""], ["--to=  "], [""], ["", "--yes"], ["--to", "", "--json"]]
)
def test_an_empty_name_or_folder_is_wrong_usage_and_says_what_to_write(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPOTIFY_ASSETS_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["restore", *arguments])
    assert (done.exit_code, done.stdout) == (2, "")
    assert "it is empty" in done.stderr
    assert "spotify-assets restore" in done.stderr
    assert list(tmp_path.iterdir()) == []
