"""`spotify-assets covers`: what it says of what came, and of what kept it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from click.testing import CliRunner, Result

from spotify_assets.cli import main
from spotify_assets.settings import Settings
from spotify_assets_tests.unit.covers.conftest import PICTURE, Library

if TYPE_CHECKING:
    from spotify_assets_tests.unit.conftest import Reply, Serve

A_PICTURE: Reply = (200, {}, PICTURE)
GONE: Reply = (404, {}, b"")


def covers(settings: Settings, *arguments: str, **variables: str) -> Result:
    environment = settings.environment() | variables
    return CliRunner().invoke(main, ["covers", *arguments], env=environment)


def test_it_says_how_many_came_and_how_many_have_none(serve: Serve, library: Library) -> None:
    settings = library(serve(GONE, A_PICTURE), 3)
    done = covers(settings)
    assert done.exit_code == 0
    assert done.output == (
        "Covers fetched: 2. Albums that wait for the next times: 0. "
        "Without a cover that can be had: 1.\n"
    )
    assert covers(settings).output == "No album lacks a cover that can be had.\n"


def test_for_a_program_it_is_one_object(serve: Serve, library: Library) -> None:
    done = covers(library(serve(A_PICTURE), 2), "--json")
    expected = {"fetched": 2, "failed": 0, "waiting": 0, "calls": 0, "stopped": None}
    assert json.loads(done.output) == expected


def test_a_host_that_asks_for_a_wait_is_a_failure_with_one_clear_line(
    serve: Serve, library: Library
) -> None:
    settings = library(serve((429, {"Retry-After": "7200"}, b"")), 2)
    for _ in range(2):
        done = covers(settings)
        assert done.exit_code == 1
        assert "Error: Spotify's image host asks us to stay away until" in done.stderr


def test_turned_off_or_without_models_it_says_so(
    serve: Serve, library: Library, settings: Settings
) -> None:
    assert "Nothing is modelled yet. Run: spotify-assets refresh" in covers(settings).output
    server = serve(A_PICTURE)
    done = covers(library(server), SPOTIFY_ASSETS_COVERS="off")
    assert (done.exit_code, server.seen) == (0, [])
    assert "SPOTIFY_ASSETS_COVERS is off" in done.output
