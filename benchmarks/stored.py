"""Makes a warehouse of so many plays in raw: `python -m benchmarks.stored FOLDER PLAYS`.

Four listeners at ninety plays a day, told by exports until two weeks before the end and by the API
in the last month. Written into the raw tables at once, since an import is measured elsewhere; in a
process of its own, since it takes more memory than what is measured.
"""

import hashlib
import json
import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, insert

from spotify_assets import times
from spotify_assets.warehouse.loading import Load, write_load
from spotify_assets.warehouse.tables import loads, raw_recently_played, raw_streaming_history
from spotify_assets.warehouse.warehouse import Warehouse
from spotify_assets.warehouse.zones import fix_zones

LISTENERS = ("ann", "ben", "cleo", "dan")
PLAYS_A_DAY = 90
END = datetime(2026, 11, 1, tzinfo=UTC)
EXPORTED_UNTIL, LISTED_SINCE = END - timedelta(days=15), END - timedelta(days=30)
TRACKS, ARTISTS, ALBUMS = 30_000, 3_000, 6_000
ROWS_AT_ONCE = 50_000
LISTED_MS = 30_000  # Spotify lists no shorter play
SHORT, LATE = 0.15, 0.03  # shares of plays
GOLDEN = 0.618  # of the ranks of tracks: few are played often, most a few times


def main(folder: Path, plays: int) -> None:
    """Fill `spotify.db` in a folder."""
    warehouse = Warehouse(folder / "spotify.db")
    engine = warehouse.writer()
    for number, listener in enumerate(LISTENERS):
        for source in ("streaming_history", "recently_played"):
            write_load(engine, raw_recently_played, Load(source, listener))
        with engine.begin() as connection:
            write(connection, listener, plays // len(LISTENERS), first_load=2 * number + 1)
    fix_zones(engine, "Europe/Berlin")


def write(connection: Connection, listener: str, plays: int, first_load: int) -> None:
    """The plays of one listener, the oldest first, as two loads."""
    exported, listed = [], []
    for track, ended_at, ms_played, late in history(listener, plays):
        if ended_at < EXPORTED_UNTIL:
            exported.append(exported_row(listener, track, ended_at, ms_played, late, first_load))
        if ended_at >= LISTED_SINCE and ms_played >= LISTED_MS:
            listed.append(listed_row(listener, track, ended_at, first_load + 1))
        if len(exported) == ROWS_AT_ONCE:
            connection.execute(insert(raw_streaming_history), exported)
            exported.clear()
    for table, rows, load_id in (
        (raw_streaming_history, exported, first_load),
        (raw_recently_played, listed, first_load + 1),
    ):
        if rows:
            connection.execute(insert(table), rows)
        count = {"rows_read": plays, "rows_loaded": plays}  # what matters here is that some were
        connection.execute(loads.update().where(loads.c.load_id == load_id).values(**count))


def history(listener: str, plays: int) -> Iterator[tuple[int, datetime, int, bool]]:
    """Track, end, length in ms, and whether it was told of later."""
    rng = random.Random(listener)
    end = END - timedelta(days=plays / PLAYS_A_DAY)
    spacing = timedelta(days=1) / PLAYS_A_DAY
    for _ in range(plays):
        end += spacing
        track = int(TRACKS * rng.random() ** (1 / (1 - GOLDEN)))
        ms_played = rng.randrange(1_000, LISTED_MS) if rng.random() < SHORT else 200_000
        yield track, end, ms_played + track % 1_000, rng.random() < LATE


def exported_row(
    listener: str, track: int, ended_at: datetime, ms_played: int, late: bool, load_id: int
) -> dict[str, object]:
    """A row of `raw_streaming_history`."""
    ended_at = ended_at.replace(microsecond=0)
    told_at = ended_at + timedelta(hours=5) if late else ended_at
    key = f"{listener} {told_at} {track} {ms_played}"
    return {
        "account_id": listener,
        "row_key": hashlib.sha256(key.encode()).hexdigest(),
        "variant": "0" * 16,
        "kind": "extended",
        "ts": times.to_text(told_at),
        "ms_played": ms_played,
        "platform": "android",
        "conn_country": "DE",
        "master_metadata_track_name": f"Song {track}",
        "master_metadata_album_artist_name": f"Artist {track % ARTISTS}",
        "master_metadata_album_album_name": f"Album {track % ALBUMS}",
        "spotify_track_uri": f"spotify:track:{track:022}",
        "reason_start": "trackdone",
        "reason_end": "fwdbtn" if ms_played < LISTED_MS else "trackdone",
        "shuffle": 0,
        "skipped": int(ms_played < LISTED_MS),
        "offline": int(late),
        "offline_timestamp": int(ended_at.timestamp()) - ms_played // 1_000,
        "incognito_mode": 0,
        "load_id": load_id,
    }


def listed_row(listener: str, track: int, ended_at: datetime, load_id: int) -> dict[str, object]:
    """A row of `raw_recently_played`."""
    item = listed_item(track, ended_at)
    key = f"{listener} {item['played_at']} {track}"
    return {
        "account_id": listener,
        "played_at": item["played_at"],
        "track_uri": f"spotify:track:{track:022}",
        "row_key": hashlib.sha256(key.encode()).hexdigest(),
        "track_name": f"Song {track}",
        "artist_name": f"Artist {track % ARTISTS}",
        "album_name": f"Album {track % ALBUMS}",
        "album_artist_name": f"Artist {track % ARTISTS}",
        "duration_ms": 200_000 + track % 1_000,
        "isrc": f"ISRC{track:08}",
        "payload": json.dumps(item),
        "load_id": load_id,
    }


def listed_item(track: int, ended_at: datetime) -> dict[str, object]:
    """An item of Spotify's recently-played page."""
    artist = {"name": f"Artist {track % ARTISTS}", "uri": f"spotify:artist:{track % ARTISTS:022}"}
    return {
        "played_at": times.to_text(ended_at),
        "context": None,
        "track": {
            "id": f"{track:022}",
            "uri": f"spotify:track:{track:022}",
            "name": f"Song {track}",
            "duration_ms": 200_000 + track % 1_000,
            "external_ids": {"isrc": f"ISRC{track:08}"},
            "artists": [artist],
            "album": {
                "name": f"Album {track % ALBUMS}",
                "uri": f"spotify:album:{track % ALBUMS:022}",
                "artists": [artist],
            },
        },
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
