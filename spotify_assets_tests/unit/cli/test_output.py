"""What a person sees: nothing that matters is cut, and no title steers the terminal."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from spotify_assets.cli import main
from spotify_assets.cli.accounts import show_accounts
from spotify_assets.cli.plays import show_plays
from spotify_assets.spotify.state import Account
from spotify_assets_tests.unit.spotify.export.downloads import a_row

TIME = "2026-03-01T10:00:00.000Z"


def play(**changes: str) -> Any:
    values = {"played_at": TIME, "account_id": "mira", "track_name": "x", "artist_name": "y"}
    return SimpleNamespace(**values | {"play_id": "0123456789" * 2} | changes)


@pytest.mark.parametrize("width", ["60", "80", "200"])
def test_a_play_id_is_shown_whole_beside_any_title(
    width: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    show_plays([play(track_name="long " * 1000), play(account_id="k" * 64)], "UTC")
    header, *lines = capsys.readouterr().out.splitlines()
    assert header.split()[-2:] == ["Play", "id"]
    assert len(lines) == 2
    assert all("01234567890123456789" in line and len(line) <= int(width) for line in lines)


@pytest.mark.parametrize(
    "title", ["\x1b[31mred", "[red]red[/red]", "[link=https://a.example]a[/link]", ":fire:", "a\nb"]
)
def test_a_title_is_shown_as_it_is_but_for_control_characters(
    title: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    show_plays([play(track_name=title)], "UTC")
    shown = capsys.readouterr().out
    assert title.replace("\x1b", " ").replace("\n", " ") in shown
    assert "\x1b" not in shown


def test_a_name_as_long_as_a_book_does_not_fill_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPOTIFY_ASSETS_DATA", str(tmp_path / "data"))
    long = "x" * 100_000
    rows = [a_row(0, **{long: 1}), a_row(1, ms_played=-1, master_metadata_track_name=long)]
    path = tmp_path / "Streaming_History_Audio_2024_0.json"
    path.write_text(json.dumps(rows))
    for arguments in (["import", str(path), "--account", "mira", "--new"], ["quarantine"]):
        done = CliRunner().invoke(main, arguments)
        assert done.exit_code == 0, done.output
        assert "x" * 900 in done.output.replace("\n", "").replace(" ", "")
        assert len(done.output) < 3_000


def test_an_accounts_problem_is_shown_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    problem = "Spotify accepts this no more (" + "why " * 30 + "). Run: spotify-assets login"
    show_accounts(
        [Account("mira", "mira", None, "M" * 60, TIME, TIME, None, problem, False)], "UTC"
    )
    shown = capsys.readouterr().out
    assert f"mira: {problem}\n" in shown
    assert "2026-03-01" in shown
    assert "never" in shown


WORK = """
import os, sys
from spotify_assets.cli.output import working
with working("Working"):
    log = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
    kept = os.dup(1), os.dup(2)
    os.dup2(log, 1), os.dup2(log, 2)
    print("what a library prints", flush=True)
    print("what a library logs", file=sys.stderr, flush=True)
    os.dup2(kept[0], 1), os.dup2(kept[1], 2)
print("done")
"""


@pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")
def test_in_a_terminal_what_is_sent_to_a_log_file_goes_there(tmp_path: Path) -> None:
    """A spinner of rich takes over what is printed; a run then floods the terminal with its log."""
    import pty

    log, (ours, theirs) = tmp_path / "log", pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", WORK, str(log)],
        env={**os.environ, "TERM": "xterm"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # how Linux says that nobody writes any more
            while chunk := os.read(ours, 4096):
                shown += chunk
    os.close(ours)
    assert process.returncode == 0
    assert b"Working" in shown
    assert b"done" in shown
    assert b"library" not in shown
    assert log.read_text() == "what a library prints\nwhat a library logs\n"
