"""Times of looks and plays, in seconds after a start."""

from datetime import UTC, datetime, timedelta

from spotify_assets import times

START = datetime(2026, 3, 1, tzinfo=UTC)
ANSWERED = "2026-03-02T00:00:00.000Z"


def at(seconds: float) -> str:
    return times.to_text(START + timedelta(seconds=seconds))
