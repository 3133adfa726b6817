"""A small history of two listeners, all of whose answers were worked out by hand.

Mira lives in Berlin, whose clock leaps from 2:00 to 3:00 on March 29 at 1:00 UTC, and in New York
since April 10. Jonas lives in New York, four hours behind UTC. All rows of both stand here, with
what becomes of each; below them is what the models show.
"""
# ruff: noqa: E501 # tables are read by their columns

import json
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from spotify_assets.sandbox.server import Sandbox
from spotify_assets.spotify.export.names import Kind
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

# URI, title, artist, album, seconds, ISRC.
ALPHA = ("spotify:track:A", "Alpha", "Ann", "One", 180, "I-A")
BETA = ("spotify:track:B", "Beta", "Ben", "Two", 240, "I-B")
GAMMA = ("spotify:track:C", "Gamma", "Ann", "One", 50, "I-C")
DELTA = ("spotify:track:D", "Delta", "Dee", "Three", 200, "I-D")
# The same recording, as another release.
DELTA_AGAIN = ("spotify:track:D2", "Delta again", "Dee", "Three", 200, "I-D")

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
        ("2026-03-30T08:33:18.000Z", DELTA_AGAIN),  # a pair: offline, under another URI and title
        ("2026-03-31T20:20:40.000Z", BETA),  # a pair with a row of the account data
        ("2026-04-10T03:58:00.000Z", ALPHA),  # it began in Berlin, at 5:55
        ("2026-04-10T04:05:00.000Z", BETA),  # it began in New York, at 0:01 of the same date
    ],
)
LISTED_OF_JONAS = (
    [
        ("2026-03-29T04:01:00.000Z", GAMMA),
        ("2026-03-29T04:04:20.000Z", DELTA),  # as long as there was time for it
        ("2026-03-30T03:59:59.999Z", ALPHA),
        ("2026-03-30T20:00:00.000Z", BETA),
        ("2026-03-30T20:00:01.500Z", BETA),  # the same play once more
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


NOTHING = (None, None, None, None)
MINE = (None, "Mine", "Me", None)
TOLD_OF_MIRA = [
    told("2026-03-28T22:44:02Z", BETA, 240_000),
    told("2026-03-28T22:44:09Z", BETA, 7_000, reason_end="fwdbtn"),  # too short to count
    # Half of 50 s, which Jonas's list tells, and not half.
    told("2026-03-29T00:30:00Z", GAMMA, 26_000, reason_end="endplay"),
    told("2026-03-29T00:30:24Z", GAMMA, 24_000),
    told("2026-03-29T01:02:00Z", BETA, 240_000),
    told("2026-03-29T01:33:00Z", ALPHA, 180_000),  # 1:30 UTC, which is 3:30
    # Offline since 8:30 UTC, 1774859400 s after 1970, told of three days later.
    told("2026-04-02T10:00:00Z", DELTA, 200_000, offline=True, offline_timestamp=1_774_859_400),
    told("2026-03-30T17:00:00Z", NOTHING, 1_800_000)
    | {
        "spotify_episode_uri": "spotify:episode:E",
        "episode_name": "Talk",
        "episode_show_name": "Show",
    },
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

# Model, and condition: columns and rows, in any order. A null is written as nothing.
EXPECTED = {
    ("fct_plays", "account_id = 'mira'"): """
        track_name  | local_started_at              | ms_played | ms_played_is_estimated | is_counted | skipped | time_is_unreliable | source
        Alpha       | 2026-03-28T23:37:00.500+01:00 |   180000  | 1 | 1 |   | 0 | api
        Beta        | 2026-03-28T23:40:02.000+01:00 |   240000  | 0 | 1 | 0 | 0 | both
        Beta        | 2026-03-28T23:44:02.000+01:00 |     7000  | 0 | 0 | 1 | 0 | export
        Alpha       | 2026-03-28T23:59:00.000+01:00 |   180000  | 1 | 1 |   | 0 | api
        Alpha       | 2026-03-29T00:02:00.000+01:00 |   150000  | 1 | 1 |   | 0 | api
        Gamma       | 2026-03-29T01:29:34.000+01:00 |    26000  | 0 | 1 | 1 | 0 | export
        Gamma       | 2026-03-29T01:30:00.000+01:00 |    24000  | 0 | 0 | 0 | 0 | export
        Beta        | 2026-03-29T01:58:00.000+01:00 |   240000  | 0 | 1 | 0 | 0 | both
        Alpha       | 2026-03-29T03:30:00.000+02:00 |   180000  | 0 | 1 | 1 | 0 | export
        Delta again | 2026-03-30T10:30:00.000+02:00 |   200000  | 0 | 1 | 0 | 1 | both
        Talk        | 2026-03-30T18:30:00.000+02:00 |  1800000  | 0 | 1 | 0 | 0 | export
        Alpha       | 2026-03-31T22:14:00.000+02:00 |    60000  | 0 | 1 |   | 0 | export
        Beta        | 2026-03-31T22:19:00.000+02:00 |   100000  | 0 | 1 |   | 0 | both
        Alpha       | 2026-04-10T05:55:00.000+02:00 |   180000  | 1 | 1 |   | 0 | api
        Beta        | 2026-04-10T00:01:00.000-04:00 |   240000  | 1 | 1 |   | 0 | api
        """,
    ("fct_plays", "account_id = 'jonas'"): """
        track_name  | local_started_at              | ms_played | ms_played_is_estimated | is_counted | skipped | incognito | source
        Gamma       | 2026-03-29T00:00:10.000-04:00 |    50000  | 1 | 1 |   | 0 | api
        Delta       | 2026-03-29T00:01:00.000-04:00 |   200000  | 1 | 1 |   | 0 | api
        Alpha       | 2026-03-29T23:56:59.999-04:00 |   180000  | 1 | 1 |   | 0 | api
        Mine        | 2026-03-29T23:59:59.000-04:00 |   181000  | 0 | 1 | 0 | 0 | export
                    | 2026-03-30T07:59:29.000-04:00 |    31000  | 0 | 1 | 1 | 1 | export
        Alpha       | 2026-03-30T08:00:00.000-04:00 |        0  | 0 | 0 | 1 | 0 | export
        Beta        | 2026-03-30T15:56:00.000-04:00 |   240000  | 1 | 1 |   | 0 | api
        """,
    # What a row has of its two sources.
    ("fct_plays", "source = 'both'"): """
        track_uri       | album_name | ended_at                 | api_played_at            | export_ended_at
        spotify:track:B | Two        | 2026-03-28T22:44:02.000Z | 2026-03-28T22:44:01.250Z | 2026-03-28T22:44:02.000Z
        spotify:track:B | Two        | 2026-03-29T01:02:00.000Z | 2026-03-29T01:02:00.000Z | 2026-03-29T01:02:00.000Z
        spotify:track:D | Three      | 2026-03-30T08:33:20.000Z | 2026-03-30T08:33:18.000Z | 2026-04-02T10:00:00.000Z
        spotify:track:B | Two        | 2026-03-31T20:20:40.000Z | 2026-03-31T20:20:40.000Z | 2026-03-31T20:20:00.000Z
        """,
    ("fct_track_days", "true"): """
        account_id | local_date | track_key                | content_type | track_name  | plays | ms_played | ms_played_estimated | first_played_at          | last_played_at
        mira       | 2026-03-28 | spotify:track:A          | track        | Alpha       | 2     |   360000  | 360000 | 2026-03-28T22:40:00.500Z | 2026-03-28T23:02:00.000Z
        mira       | 2026-03-28 | spotify:track:B          | track        | Beta        | 1     |   240000  |      0 | 2026-03-28T22:44:02.000Z | 2026-03-28T22:44:02.000Z
        mira       | 2026-03-29 | spotify:track:A          | track        | Alpha       | 2     |   330000  | 150000 | 2026-03-28T23:04:30.000Z | 2026-03-29T01:33:00.000Z
        mira       | 2026-03-29 | spotify:track:B          | track        | Beta        | 1     |   240000  |      0 | 2026-03-29T01:02:00.000Z | 2026-03-29T01:02:00.000Z
        mira       | 2026-03-29 | spotify:track:C          | track        | Gamma       | 1     |    26000  |      0 | 2026-03-29T00:30:00.000Z | 2026-03-29T00:30:00.000Z
        mira       | 2026-03-30 | spotify:track:D          | track        | Delta again | 1     |   200000  |      0 | 2026-03-30T08:33:20.000Z | 2026-03-30T08:33:20.000Z
        mira       | 2026-03-30 | spotify:episode:E        | episode      | Talk        | 1     |  1800000  |      0 | 2026-03-30T17:00:00.000Z | 2026-03-30T17:00:00.000Z
        mira       | 2026-03-31 | 5 characters: Alpha, Ann | track        | Alpha       | 1     |    60000  |      0 | 2026-03-31T20:15:00.000Z | 2026-03-31T20:15:00.000Z
        mira       | 2026-03-31 | spotify:track:B          | track        | Beta        | 1     |   100000  |      0 | 2026-03-31T20:20:40.000Z | 2026-03-31T20:20:40.000Z
        mira       | 2026-04-10 | spotify:track:A          | track        | Alpha       | 1     |   180000  | 180000 | 2026-04-10T03:58:00.000Z | 2026-04-10T03:58:00.000Z
        mira       | 2026-04-10 | spotify:track:B          | track        | Beta        | 1     |   240000  | 240000 | 2026-04-10T04:05:00.000Z | 2026-04-10T04:05:00.000Z
        jonas      | 2026-03-29 | spotify:track:C          | track        | Gamma       | 1     |    50000  |  50000 | 2026-03-29T04:01:00.000Z | 2026-03-29T04:01:00.000Z
        jonas      | 2026-03-29 | spotify:track:D          | track        | Delta       | 1     |   200000  | 200000 | 2026-03-29T04:04:20.000Z | 2026-03-29T04:04:20.000Z
        jonas      | 2026-03-29 | spotify:track:A          | track        | Alpha       | 1     |   180000  | 180000 | 2026-03-30T03:59:59.999Z | 2026-03-30T03:59:59.999Z
        jonas      | 2026-03-29 | 4 characters: Mine, Me   | track        | Mine        | 1     |   181000  |      0 | 2026-03-30T04:03:00.000Z | 2026-03-30T04:03:00.000Z
        jonas      | 2026-03-30 | unknown                  | track        |             | 1     |    31000  |      0 | 2026-03-30T12:00:00.000Z | 2026-03-30T12:00:00.000Z
        jonas      | 2026-03-30 | spotify:track:B          | track        | Beta        | 1     |   240000  | 240000 | 2026-03-30T20:00:00.000Z | 2026-03-30T20:00:00.000Z
        """,
    ("mart_coverage", "plays > 0 or open_gaps > 0"): """
        account_id | local_date | plays | open_gaps | max_lost_plays | coverage
        mira       | 2026-03-28 | 4     | 0         |   0            | no known loss
        mira       | 2026-03-29 | 5     | 1         | 234            | plays may be missing
        mira       | 2026-03-30 | 2     | 0         |   0            | no known loss
        mira       | 2026-03-31 | 2     | 0         |   0            | no known loss
        mira       | 2026-04-10 | 2     | 0         |   0            | no known loss
        jonas      | 2026-03-29 | 4     | 0         |   0            | no known loss
        jonas      | 2026-03-30 | 3     | 0         |   0            | no known loss
        """,
    ("mart_coverage", "plays = 0"): """
        account_id | local_date | coverage
        mira       | 2026-04-01 | no known loss
        mira       | 2026-04-02 | no known loss
        mira       | 2026-04-03 | no known loss
        mira       | 2026-04-04 | no known loss
        mira       | 2026-04-05 | no known loss
        mira       | 2026-04-06 | no known loss
        mira       | 2026-04-07 | no known loss
        mira       | 2026-04-08 | no known loss
        mira       | 2026-04-09 | no known loss
        """,
    ("mart_listening_by_day", "plays > 0"): """
        account_id | local_date | plays | tracks | ms_played | ms_played_estimated | is_at_least | max_lost_plays
        mira       | 2026-03-28 | 3     | 2      |  600000   | 360000              | 0           |   0
        mira       | 2026-03-29 | 4     | 3      |  596000   | 150000              | 1           | 234
        mira       | 2026-03-30 | 2     | 1      | 2000000   |      0              | 0           |   0
        mira       | 2026-03-31 | 2     | 2      |  160000   |      0              | 0           |   0
        mira       | 2026-04-10 | 2     | 2      |  420000   | 420000              | 0           |   0
        jonas      | 2026-03-29 | 4     | 4      |  611000   | 430000              | 0           |   0
        jonas      | 2026-03-30 | 2     | 1      |  271000   | 240000              | 0           |   0
        """,
    # 11 plays in the first seven days, 8 without Saturday, 4 without Sunday and its gap, 2, none.
    ("mart_listening_trends", "local_date > '2026-04-02'"): """
        account_id | local_date | plays_per_1000_days_of_7 | ms_per_day_of_7 | is_at_least_of_7 | ms_per_day_of_28
        mira       | 2026-04-03 | 1571                     | 479428          | 1                |
        mira       | 2026-04-04 | 1142                     | 393714          | 1                |
        mira       | 2026-04-05 |  571                     | 308571          | 0                |
        mira       | 2026-04-06 |  285                     |  22857          | 0                |
        mira       | 2026-04-07 |    0                     |      0          | 0                |
        mira       | 2026-04-08 |    0                     |      0          | 0                |
        mira       | 2026-04-09 |    0                     |      0          | 0                |
        mira       | 2026-04-10 |  285                     |  60000          | 0                |
        """,
    # Delta's play offline is in no hour, nor is Alpha's of no length.
    ("mart_listening_clock", "plays > 0"): """
        account_id | local_weekday | local_hour | plays | ms_played | ms_played_estimated | rank_by_plays
        mira       | 6             | 23         | 3     |  600000   | 360000              | 1
        mira       | 7             |  1         | 2     |  266000   |      0              | 2
        mira       | 2             | 22         | 2     |  160000   |      0              | 3
        mira       | 1             | 18         | 1     | 1800000   |      0              | 4
        mira       | 5             |  0         | 1     |  240000   | 240000              | 5
        mira       | 5             |  5         | 1     |  180000   | 180000              | 6
        mira       | 7             |  3         | 1     |  180000   |      0              | 7
        mira       | 7             |  0         | 1     |  150000   | 150000              | 8
        jonas      | 7             | 23         | 2     |  361000   | 180000              | 1
        jonas      | 7             |  0         | 2     |  250000   | 250000              | 2
        jonas      | 1             | 15         | 1     |  240000   | 240000              | 3
        jonas      | 1             |  7         | 1     |   31000   |      0              | 4
        """,
    ("mart_top_tracks", "period = 'all'"): """
        account_id | track_key                | track_name  | plays | ms_played | ms_played_estimated | rank_by_plays | rank_by_time
        mira       | spotify:track:A          | Alpha       | 5     | 870000    | 690000              | 1             | 1
        mira       | spotify:track:B          | Beta        | 4     | 820000    | 240000              | 2             | 2
        mira       | spotify:track:D          | Delta again | 1     | 200000    |      0              | 3             | 3
        mira       | 5 characters: Alpha, Ann | Alpha       | 1     |  60000    |      0              | 4             | 4
        mira       | spotify:track:C          | Gamma       | 1     |  26000    |      0              | 5             | 5
        jonas      | spotify:track:B          | Beta        | 1     | 240000    | 240000              | 1             | 1
        jonas      | spotify:track:D          | Delta       | 1     | 200000    | 200000              | 2             | 2
        jonas      | 4 characters: Mine, Me   | Mine        | 1     | 181000    |      0              | 3             | 3
        jonas      | spotify:track:A          | Alpha       | 1     | 180000    | 180000              | 4             | 4
        jonas      | spotify:track:C          | Gamma       | 1     |  50000    |  50000              | 5             | 5
        """,
    # Sunday is the last day of a week; April begins in the next one.
    ("mart_top_tracks", "period in ('week', 'month') and account_id = 'mira'"): """
        period | period_start | track_key                | plays | ms_played | rank_by_plays | rank_by_time
        week   | 2026-03-23   | spotify:track:A          | 4     | 690000    | 1             | 1
        week   | 2026-03-23   | spotify:track:B          | 2     | 480000    | 2             | 2
        week   | 2026-03-23   | spotify:track:C          | 1     |  26000    | 3             | 3
        week   | 2026-03-30   | spotify:track:D          | 1     | 200000    | 1             | 1
        week   | 2026-03-30   | spotify:track:B          | 1     | 100000    | 2             | 2
        week   | 2026-03-30   | 5 characters: Alpha, Ann | 1     |  60000    | 3             | 3
        week   | 2026-04-06   | spotify:track:B          | 1     | 240000    | 1             | 1
        week   | 2026-04-06   | spotify:track:A          | 1     | 180000    | 2             | 2
        month  | 2026-03-01   | spotify:track:A          | 4     | 690000    | 1             | 1
        month  | 2026-03-01   | spotify:track:B          | 3     | 580000    | 2             | 2
        month  | 2026-03-01   | spotify:track:D          | 1     | 200000    | 3             | 3
        month  | 2026-03-01   | 5 characters: Alpha, Ann | 1     |  60000    | 4             | 4
        month  | 2026-03-01   | spotify:track:C          | 1     |  26000    | 5             | 5
        month  | 2026-04-01   | spotify:track:B          | 1     | 240000    | 1             | 1
        month  | 2026-04-01   | spotify:track:A          | 1     | 180000    | 2             | 2
        """,
    ("mart_top_artists", "period = 'year' and period_start = '2026-01-01'"): """
        account_id | artist_name | plays | tracks | ms_played | ms_played_estimated | rank_by_plays | rank_by_time
        mira       | Ann         | 7     | 3      | 956000    | 690000              | 1             | 1
        mira       | Ben         | 4     | 1      | 820000    | 240000              | 2             | 2
        mira       | Dee         | 1     | 1      | 200000    |      0              | 3             | 3
        jonas      | Ann         | 2     | 2      | 230000    | 230000              | 1             | 2
        jonas      | Ben         | 1     | 1      | 240000    | 240000              | 2             | 1
        jonas      | Dee         | 1     | 1      | 200000    | 200000              | 3             | 3
        jonas      | Me          | 1     | 1      | 181000    |      0              | 4             | 4
        """,
    # What only the account data tells is on no album.
    ("mart_top_albums", "period = 'all'"): """
        account_id | album_name | artist_name | plays | tracks | ms_played | ms_played_estimated | rank_by_plays | rank_by_time
        mira       | One        | Ann         | 6     | 2      | 896000    | 690000              | 1             | 1
        mira       | Two        | Ben         | 4     | 1      | 820000    | 240000              | 2             | 2
        mira       | Three      | Dee         | 1     | 1      | 200000    |      0              | 3             | 3
        jonas      | One        | Ann         | 2     | 2      | 230000    | 230000              | 1             | 2
        jonas      | Two        | Ben         | 1     | 1      | 240000    | 240000              | 2             | 1
        jonas      | Three      | Dee         | 1     | 1      | 200000    | 200000              | 3             | 3
        """,
}


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
                "artists": [{"name": artist}],
                "album": {"name": album, "artists": [{"name": artist}]},
            },
        }
        for ended_at, (uri, title, artist, album, seconds, isrc) in listed
    ]
    body = json.dumps({"items": items[::-1]})
    name = f"{account_id} {listed[0][0]}"
    return load_of(LandedPage(name, account_id, ANSWERED, ANSWERED, body))


def file(account_id: str, package: str, rows: list[Row], kind: Kind = Kind.EXTENDED) -> Load:
    return Load(
        STREAMING_HISTORY,
        account_id,
        batches=[to_batch(account_id, kind, rows, Counter())],
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
    models = ("--select", *(f"+{model}" for model, _ in EXPECTED))

    write_load(engine, raw_recently_played, page("mira", LISTED_OF_MIRA[0]))
    fix_zones(engine, "Europe/Berlin")
    write_load(engine, raw_streaming_history, file("jonas", "first", TOLD_OF_JONAS))
    fix_zones(engine, "America/New_York")
    write_load(
        engine,
        raw_streaming_history,
        file("mira", "account data", TOLD_OF_MIRA_TO_THE_MINUTE, Kind.MUSIC),
    )
    write_load(engine, raw_streaming_history, file("mira", "second", TOLD_OF_MIRA))
    dbt_run(settings, *models)
    write_load(engine, raw_recently_played, page("mira", LISTED_OF_MIRA[1]))
    write_load(engine, raw_streaming_history, file("mira", "third", TOLD_OF_MIRA_LATER))
    dbt_run(settings, *models)
    write_load(engine, raw_recently_played, page("jonas", LISTED_OF_JONAS[0]))
    dbt_run(settings, *models)
    set_zone(engine, "mira", "America/New_York", date(2026, 4, 10))
    dbt_run(settings, *models)
    return warehouse


@pytest.mark.parametrize(("model", "condition"), EXPECTED)
def test_what_the_models_show_is_what_was_worked_out_by_hand(
    warehouse: Warehouse, model: str, condition: str
) -> None:
    header, *rows = EXPECTED[model, condition].strip().splitlines()
    columns, *expected = ([cell.strip() for cell in row.split("|")] for row in (header, *rows))
    query = text(f"select {', '.join(columns)} from {model} where {condition}")
    found = [["" if cell is None else str(cell) for cell in row] for row in warehouse.read(query)]
    assert sorted(found) == sorted(expected)
