"""Pictures in an asset's metadata fail nothing."""

import logging

import pytest

from spotify_assets.defs import pictures
from spotify_assets.settings import Settings
from spotify_assets.warehouse.tables import raw_recently_played

END = raw_recently_played.c.played_at


def test_where_nothing_is_stored_there_is_no_picture(settings: Settings) -> None:
    assert pictures.of_raw(settings, END) == {}
    for model in pictures.MODELS:
        assert pictures.of_model(settings, model) == {}
    assert not settings.data.exists()


def test_a_picture_that_fails_is_logged_and_fails_nothing(
    settings: Settings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.make_data_folder()
    settings.warehouse_path.write_bytes(b"no database" * 1000)
    monkeypatch.setattr(logging.getLogger("dagster"), "propagate", True)
    assert pictures.of_raw(settings, END) == {}
    assert pictures.of_model(settings, "mart_listening_clock") == {}
    assert "There is no picture of raw_recently_played" in caplog.text
    assert "There is no picture of mart_listening_clock" in caplog.text


def test_a_model_without_a_picture_is_not_asked(settings: Settings) -> None:
    settings.make_data_folder()
    settings.warehouse_path.write_bytes(b"no database" * 1000)
    assert pictures.of_model(settings, "fct_plays") == {}
