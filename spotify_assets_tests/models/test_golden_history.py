"""A small history of two listeners, all of whose answers were worked out by hand.

Mira lives in Berlin, whose clock leaps from 2:00 to 3:00 on March 29 at 1:00 UTC, and in New York
since April 10. Jonas lives in New York, four hours behind UTC. All rows of both stand here, with
what becomes of each; what the models show of them is in golden_history.md, with why.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from sqlalchemy import text

from spotify_assets.sandbox.server import Sandbox
from spotify_assets.settings import CHECKOUT
from spotify_assets.spotify.state import LandedPage
from spotify_assets.warehouse.draining import load_of
from spotify_assets.warehouse.exported import STREAMING_HISTORY, ExportFile
from spotify_assets.warehouse.importing import to_batch
from spotify_assets.warehouse.loading import Load, write_load
from spotify_assets.warehouse.tables import raw_recently_played, raw_streaming_history
from spotify_assets.warehouse.warehouse import Warehouse
from spotify_assets.warehouse.zones import fix_zones, set_zone
from spotify_assets_tests.models.building import dbt_run
from spotify_assets_tests.support import user_of

Row = dict[str, Any]

ANSWERED = "2026-05-01T00:00:00.000Z"

# How many tracks there are on each album.
TRACKS = {"One": 2, "Two": 12, "Three": 2}
# URI, title, artist, album, seconds, ISRC, number on the album.
ALPHA = ("spotify:track:A", "Alpha", "Ann", "One", 180, "I-A", 1)
BETA = ("spotify:track:B", "Beta", "Ben", "Two", 240, "I-B", 5)
GAMMA = ("spotify:track:C", "Gamma", "Ann", "One", 50, "I-C", 2)
DELTA = ("spotify:track:D", "Delta", "Dee", "Three", 200, "I-D", 1)
# The same recording, as another release.
DELTA_AGAIN = ("spotify:track:D2", "Delta again", "Dee", "Three", 200, "I-D", 1)

# In order of their ends. Nobody looked from the fourth to the fifth: a gap of 7,050 s, in which at
# most 7,050 / 30 - 1 = 234 plays fit.
LISTED_OF_MIRA = (
    [
        ("2026-03-28T22:40:00.500Z", ALPHA),  # in no export: its length, 180 s, is an estimate
        ("2026-03-28T22:44:01.250Z", BETA),  # a pair
        ("2026-03-28T23:02:00.000Z", ALPHA),  # it ended on Sunday, and is Saturday's
        ("2026-03-28T23:04:30.000Z", ALPHA),  # once more: 150 s, since the end before
    ],
    [
        ("2026-03-29T01:02:00.000Z", BETA),  # a pair, over the leap
        ("2026-03-30T08:33:18.000Z", DELTA_AGAIN),  # a pair: offline, under another URI
        ("2026-03-31T20:20:40.000Z", BETA),  # a pair with a row of the account data
        ("2026-04-10T03:58:00.000Z", ALPHA),  # it began in Berlin, at 5:55
        ("2026-04-10T04:05:00.000Z", BETA),  # it began in New York, at 0:01 of the same date
    ],
)
# From the last but one to the last nobody looked for 172,800 s. Two ends 1.5 s apart are one play
# that was listed twice, so they are no spacing: at most 172,800 / 30 - 1 = 5,759 plays fit.
LISTED_OF_JONAS = (
    [
        ("2026-03-29T04:01:00.000Z", GAMMA),
        ("2026-03-29T04:04:20.000Z", DELTA),  # as long as there was time for it
        ("2026-03-30T03:59:59.999Z", ALPHA),
        ("2026-03-30T20:00:00.000Z", BETA),
        ("2026-03-30T20:00:01.500Z", BETA),  # the same play once more
    ],
    [
        ("2026-04-01T20:00:01.500Z", GAMMA),
    ],
)


def told(ts: str, track: tuple[Any, ...], ms_played: int, **others: object) -> Row:
    """A row of the extended history."""
    uri, title, artist, album, *_ = track
    names = {
        "spotify_track_uri": uri,
        "master_metadata_track_name": title,
        "master_metadata_album_artist_name": artist,
        "master_metadata_album_album_name": album,
    }
    return {"ts": ts, "ms_played": ms_played, "reason_end": "trackdone", **names, **others}


def told_of_episode(ts: str, uri: str, title: str, show: str, ms_played: int) -> Row:
    names = {"spotify_episode_uri": uri, "episode_name": title, "episode_show_name": show}
    return told(ts, NOTHING, ms_played) | names


TALK = ("spotify:episode:E", "Talk", "Show")
CHAT = ("spotify:episode:F", "Chat", "Radio")
NOTHING = (None, None, None, None)
MINE = (None, "Mine", "Me", None)
TOLD_OF_MIRA = [
    told("2026-03-28T22:44:02Z", BETA, 240_000),
    told("2026-03-28T22:44:09Z", BETA, 7_000, reason_end="fwdbtn"),  # too short to count
    # Just long enough to count, and not; the album's track was heard twice.
    told("2026-03-29T00:30:00Z", GAMMA, 30_000, reason_end="endplay"),
    told("2026-03-29T00:30:24Z", GAMMA, 24_000),
    told("2026-03-29T01:02:00Z", BETA, 240_000),
    told("2026-03-29T01:33:00Z", ALPHA, 180_000),  # 1:30 UTC, which is 3:30
    # Offline since 8:30 UTC, 1774859400 s after 1970, told of three days later.
    told(
        "2026-04-02T10:00:00Z",
        DELTA,
        200_000,
        offline=True,
        offline_timestamp=1_774_859_400,
        master_metadata_track_name="Delta again",
    ),
    told_of_episode("2026-03-30T17:00:00Z", *TALK, 1_800_000),
]
# Of the next download, which tells more.
TOLD_OF_MIRA_LATER = [
    told("2026-03-29T01:33:00Z", ALPHA, 180_000, skipped=True, platform="ios"),
]
TOLD_OF_MIRA_TO_THE_MINUTE = [
    # The extended history tells it better.
    {"endTime": "2026-03-29 01:33", "trackName": "Alpha", "artistName": "Ann", "msPlayed": 180_000},
    {"endTime": "2026-03-31 20:15", "trackName": "Alpha", "artistName": "Ann", "msPlayed": 60_000},
    {"endTime": "2026-03-31 20:20", "trackName": "Beta", "artistName": "Ben", "msPlayed": 100_000},
]
TOLD_OF_JONAS = [
    told("2026-03-30T04:03:00Z", MINE, 181_000),  # a file of his own: 23:59:59
    told("2026-03-30T04:03:00Z", MINE, 180_000),  # the same play once more
    told("2026-03-30T12:00:00Z", NOTHING, 31_000, reason_end="fwdbtn", incognito_mode=True),
    told("2026-03-30T12:00:00Z", ALPHA, 0, reason_end="unknown"),
]
# Of a download that begins a year before.
TOLD_OF_JONAS_LATER = [
    told("2025-03-28T16:00:00Z", DELTA_AGAIN, 200_000),
    # It began 30 min after the end before. An export names the album's artist.
    told(
        "2025-03-28T16:34:00Z",
        BETA,
        240_000,
        master_metadata_album_artist_name="Various Artists",
        master_metadata_album_album_name="Hits",
    ),
    told("2025-03-29T16:00:00Z", ALPHA, 180_000),
    told_of_episode("2025-03-29T16:40:01Z", *TALK, 600_000),  # 30 min and 1 s after
    told_of_episode("2025-03-29T16:45:01Z", *TALK, 300_000),  # the rest
    told_of_episode("2025-03-29T17:15:01Z", *CHAT, 1_800_000),
]


class Answer(NamedTuple):
    """A table of golden_history.md, under the heading that names its model and condition."""

    model: str
    condition: str
    columns: list[str]
    rows: list[list[str]]


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line[1:-1].split("|")]


def answers_in(page: str) -> Iterator[Answer]:
    for section in page.split("\n## ")[1:]:
        heading, text_and_tables = section.split("\n", 1)
        model, _, condition = heading.partition(" where ")
        for table in re.findall(r"(?:^\|.*\n)+", text_and_tables, re.MULTILINE):
            header, _, *rows = map(cells, table.splitlines())
            yield Answer(model, condition or "true", header, rows)


ANSWERS = list(answers_in(Path(__file__).with_name("golden_history.md").read_text("utf-8")))


def page(account_id: str, listed: list[tuple[str, tuple[Any, ...]]]) -> Load:
    """What Spotify lists, newest first."""
    items = [
        {
            "played_at": ended_at,
            "track": {
                "uri": uri,
                "name": title,
                "duration_ms": seconds * 1_000,
                "external_ids": {"isrc": isrc},
                "artists": [{"name": artist, "uri": f"spotify:artist:{artist}"}],
                "disc_number": 1,
                "track_number": number,
                "album": {
                    "uri": f"spotify:album:{album}",
                    "name": album,
                    "artists": [{"name": artist}],
                    "album_type": "album",
                    "total_tracks": TRACKS[album],
                },
            },
        }
        for ended_at, (uri, title, artist, album, seconds, isrc, number) in listed
    ]
    body = json.dumps({"items": items[::-1]})
    name = f"{account_id} {listed[0][0]}"
    return load_of(LandedPage(name, account_id, ANSWERED, ANSWERED, body))


def file(account_id: str, package: str, rows: list[Row]) -> Load:
    return Load(
        STREAMING_HISTORY,
        account_id,
        batches=[to_batch(account_id, rows, Counter())],
        file=ExportFile(package, f"{package}.json"),
    )


@pytest.fixture(scope="module")
def warehouse(still_spotify: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """Built whenever some rows had arrived, and anew when Mira said that she moved."""
    folder: Path = tmp_path_factory.mktemp("golden")
    settings = user_of(still_spotify.environment(), folder / "user").settings
    settings.make_data_folder()
    warehouse = Warehouse(settings.warehouse_path)
    engine = warehouse.writer()
    models = ("--select", *(f"+{model}" for model in {answer.model for answer in ANSWERS}))

    write_load(engine, raw_recently_played, page("mira", LISTED_OF_MIRA[0]))
    fix_zones(engine, "Europe/Berlin")
    write_load(engine, raw_streaming_history, file("jonas", "first", TOLD_OF_JONAS))
    fix_zones(engine, "America/New_York")
    account_data = file("mira", "account data", TOLD_OF_MIRA_TO_THE_MINUTE)
    write_load(engine, raw_streaming_history, account_data)
    write_load(engine, raw_streaming_history, file("mira", "second", TOLD_OF_MIRA))
    dbt_run(settings, *models)
    write_load(engine, raw_recently_played, page("mira", LISTED_OF_MIRA[1]))
    write_load(engine, raw_streaming_history, file("mira", "third", TOLD_OF_MIRA_LATER))
    dbt_run(settings, *models)
    write_load(engine, raw_recently_played, page("jonas", LISTED_OF_JONAS[0]))
    dbt_run(settings, *models)
    write_load(engine, raw_recently_played, page("jonas", LISTED_OF_JONAS[1]))
    write_load(engine, raw_streaming_history, file("jonas", "fourth", TOLD_OF_JONAS_LATER))
    dbt_run(settings, *models)
    set_zone(engine, "mira", "America/New_York", date(2026, 4, 10))
    dbt_run(settings, *models)
    return warehouse


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer.model)
def test_what_the_models_show_is_what_was_worked_out_by_hand(
    warehouse: Warehouse, answer: Answer
) -> None:
    columns = ", ".join(answer.columns)
    query = text(f"select {columns} from {answer.model} where {answer.condition}")
    found = [["" if cell is None else str(cell) for cell in row] for row in warehouse.read(query)]
    assert sorted(found) == sorted(answer.rows)


def test_every_mart_was_worked_out_by_hand() -> None:
    marts = {path.stem for path in Path(CHECKOUT, "dbt_project/models/marts").rglob("mart_*.sql")}
    assert marts <= {answer.model for answer in ANSWERS}
