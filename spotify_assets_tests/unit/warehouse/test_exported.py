"""Which gaps a download closes: those that it shows both edges of, and nothing of them is missing.

All plays are of one track, so that only their ends tell them apart, where a test says no more.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pandera.pandas as pa
import pytest
from sqlalchemy import delete, insert, select

from spotify_assets.contracts import streaming_history as contract
from spotify_assets.contracts import values
from spotify_assets.settings import Settings
from spotify_assets.spotify.state import State
from spotify_assets.warehouse.health import Health, health
from spotify_assets.warehouse.loading import Receipt
from spotify_assets.warehouse.pending import lacks_a_model, models
from spotify_assets.warehouse.quarantine import retry
from spotify_assets.warehouse.tables import coverage_closures, model_watermarks, open_gaps
from spotify_assets.warehouse.warehouse import Warehouse
from spotify_assets_tests.unit.spotify.export.downloads import Home, Row, a_row, pack, ts_text
from spotify_assets_tests.unit.warehouse.looking import START, at

AUDIO, MORE, VIDEO = (
    "Streaming_History_Audio_2026_1.json",
    "Streaming_History_Audio_2026_2.json",
    "Streaming_History_Video_2026.json",
)
# Looks at the plays that ended at 0 and 300, and then at the one that ended at 4,000.
OPEN = [(at(300), at(4_000), 122)]
DAY = 86_400.0

Show = Callable[..., Row]
Bring = Callable[..., None]


@pytest.fixture
def home(settings: Settings) -> Home:
    return Home(settings.data)


@pytest.fixture
def shown(items: list[Any]) -> Show:
    """The row of an export for a play of the one track that ended at this second."""
    track = items[0]["track"]
    names = {
        "spotify_track_uri": track["uri"],
        "master_metadata_track_name": track["name"],
        "master_metadata_album_artist_name": track["artists"][0]["name"],
        "master_metadata_album_album_name": track["album"]["name"],
    }

    def shown(end: float, **changes: Any) -> Row:
        ended = START + timedelta(seconds=end)
        times = {"ts": ts_text(ended), "offline_timestamp": int(ended.timestamp()) - 200}
        return a_row(0, **{**names, **times, **changes})

    return shown


@pytest.fixture
def bring(home: Home, tmp_path: Path) -> Bring:
    """Import a download of these files."""
    count = 0

    def bring(members: dict[str, object], account: str = "mira") -> None:
        nonlocal count
        count += 1
        home.bring(pack(tmp_path / f"{count}.zip", members), account=account)

    return bring


@pytest.fixture(params=["the looks first", "the import first"])
def both_orders(request: pytest.FixtureRequest, look: Callable[..., None]) -> Callable[..., None]:
    """Do what is given before or after the looks that open the gap; the outcome is the same."""

    def run(*imports: Callable[[], None], account: str = "mira") -> None:
        if request.param == "the import first":
            for each in imports:
                each()
        look(0, 300, account=account)
        look(4_000, account=account)
        if request.param == "the looks first":
            for each in imports:
                each()

    return run


def open_now(home: Home) -> list[tuple[str, str, int]]:
    columns = open_gaps.c
    return [
        tuple(row)
        for row in home.warehouse.read(
            select(columns.open_from, columns.open_to, columns.max_lost_plays).order_by(
                columns.open_from
            )
        )
    ]


def see_all(warehouse: Warehouse) -> None:
    """Have all models seen all loads."""
    with warehouse.writer().begin() as connection:
        connection.execute(delete(model_watermarks))
        for name in models():
            connection.execute(insert(model_watermarks).values(model=name, load_id=9_999))


def closures(home: Home) -> list[tuple[str, str, int]]:
    columns = coverage_closures.c
    return [
        tuple(row)
        for row in home.warehouse.read(
            select(columns.closed_from, columns.closed_to, columns.rows_inside).order_by(
                columns.closed_from
            )
        )
    ]


def the_health(settings: Settings) -> Health:
    (account,) = health(settings)
    return account


def test_a_download_that_shows_both_edges_closes_the_gap_and_counts_the_plays_in_it(
    both_orders: Callable[..., None], home: Home, shown: Show, bring: Bring, settings: Settings
) -> None:
    inside = [
        shown(1_000),
        shown(1_000),  # once more, the same
        shown(1_300, ms_played=30_000),
        shown(1_600, ms_played=29_999),  # Spotify's page lists nothing shorter
        shown(1_900, incognito_mode=True),
        shown(2_200, incognito_mode=None),
        shown(2_500, ms_played=0),
    ]
    around = [shown(0), shown(301), shown(4_002), shown(5_000)]
    both_orders(lambda: bring({AUDIO: around + inside}))
    assert open_now(home) == []
    assert closures(home) == [(at(300), at(4_000), 3)]
    account = the_health(settings)
    assert (account.open_gaps, account.max_lost_plays, account.overfull_gaps) == (0, 0, 0)


def test_that_nothing_was_played_in_a_gap_is_a_finding(
    both_orders: Callable[..., None], home: Home, shown: Show, bring: Bring
) -> None:
    both_orders(lambda: bring({AUDIO: [shown(300), shown(4_000)]}))
    assert (open_now(home), closures(home)) == ([], [(at(300), at(4_000), 0)])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param({"end": 300}, {"end": 4_000}, id="to the second"),
        pytest.param({"end": 360}, {"end": 3_940}, id="a minute off"),
        pytest.param({"end": 240}, {"end": 4_060}, id="a minute off, outwards"),
        pytest.param(
            {"end": 300, "spotify_track_uri": None}, {"end": 4_000}, id="by its names alone"
        ),
        pytest.param(
            {"end": 300, "master_metadata_track_name": None},
            {"end": 4_000, "master_metadata_album_artist_name": "other", "skipped": None},
            id="by its uri alone",
        ),
        pytest.param(
            {"end": 300, "incognito_mode": True}, {"end": 4_000, "ms_played": 5}, id="not counted"
        ),
        pytest.param(
            {"end": 300},
            {
                "end": 4_000 + 3 * DAY,
                "offline": True,
                "offline_timestamp": int(START.timestamp()) + 3_800,
            },
            id="offline, told days later",
        ),
        pytest.param(
            {
                "end": 300 + 400 * DAY / 2,
                "offline": True,
                "offline_timestamp": (int(START.timestamp()) + 100) * 1000,
            },
            {"end": 4_000},
            id="offline, told half a year later, in ms",
        ),
        pytest.param(
            {
                "end": 4_000 + DAY / 2,
                "reason_end": "logout",
                "offline_timestamp": int(START.timestamp()) + 100,
            },
            {"end": 4_000},
            id="a logout, told half a day later",
        ),
    ],
)
def test_the_play_at_an_edge_is_found(
    before: Row, after: Row, both_orders: Callable[..., None], home: Home, shown: Show, bring: Bring
) -> None:
    rows = [shown(**before), shown(2_000), shown(**after)]
    both_orders(lambda: bring({AUDIO: rows}))
    assert (open_now(home), closures(home)) == ([], [(at(300), at(4_000), 1)])


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([{"end": 500}, {"end": 4_000}], id="by its start"),
        pytest.param([{"end": 361}, {"end": 4_000}], id="within it"),
        pytest.param([{"end": 300}, {"end": 3_100}, {"end": 5_000}], id="late by a pause"),
        pytest.param(
            [{"end": 500, "spotify_track_uri": None}, {"end": 4_200}], id="by names, at both edges"
        ),
        pytest.param([{"end": 0}, {"end": 1_400}, {"end": 4_000}], id="before its start"),
    ],
)
def test_the_play_at_an_edge_is_found_where_the_api_does_not_tell_its_end(
    rows: list[Row], both_orders: Callable[..., None], home: Home, shown: Show, bring: Bring
) -> None:
    both_orders(lambda: bring({AUDIO: [shown(**row) for row in rows]}))
    assert (open_now(home), closures(home)) == ([], [(at(300), at(4_000), 0)])


BROKEN = b'[{"ts"'


@pytest.mark.parametrize(
    "downloads",
    [
        pytest.param([], id="no download"),
        pytest.param([{AUDIO: [{"end": 300}, {"end": 2_000}]}], id="one edge"),
        pytest.param([{AUDIO: [{"end": 2_000}, {"end": 4_000}]}], id="the other edge"),
        pytest.param([{AUDIO: [{"end": 2_000}]}], id="what is between"),
        pytest.param([{AUDIO: [{"end": 0}, {"end": 9_000}]}], id="what is around"),
        pytest.param([{AUDIO: [{"end": 501}, {"end": 4_000}]}], id="before its start"),
        pytest.param(
            [{AUDIO: [{"end": 0}, {"end": 1_401}, {"end": 4_000}]}],
            id="more than a quarter of an hour before its start",
        ),
        pytest.param(
            [{AUDIO: [{"end": 300}, {"end": 3_939}]}], id="more than a minute off at its end"
        ),
        pytest.param(
            [
                {
                    AUDIO: [
                        {"end": 300},
                        {"end": 4_000, "spotify_track_uri": "spotify:track:other"}
                        | {"master_metadata_track_name": "another"},
                    ]
                }
            ],
            id="another track at an edge",
        ),
        pytest.param(
            [{AUDIO: [{"end": 300}, {"end": 4_000 + DAY, "offline": False}]}],
            id="told late, and not offline",
        ),
        pytest.param(
            [
                {
                    AUDIO: [
                        {"end": 300},
                        {"end": 4_000 + DAY, "offline": True, "offline_timestamp": 0},
                    ]
                }
            ],
            id="offline, and no time of the player",
        ),
        pytest.param(
            [{AUDIO: [{"end": 300}, {"end": 4_000}], MORE: BROKEN}], id="a file of it failed"
        ),
        pytest.param(
            [{AUDIO: BROKEN, MORE: [{"end": 300}, {"end": 4_000}]}], id="the first file failed"
        ),
        pytest.param(
            [{AUDIO: [{"end": 300}, {"end": 4_000}], "Streaming_History_Radio_2026.json": b""}],
            id="a history of an unknown name is in it",
        ),
        pytest.param(
            [{AUDIO: [{"end": 300}, {"end": 2_000}]}, {AUDIO: [{"end": 2_000}, {"end": 4_000}]}],
            id="an edge in each of two downloads",
        ),
        pytest.param(
            [
                {AUDIO: [{"end": 300}, {"end": 4_000}], MORE: BROKEN},
                {AUDIO: [{"end": 300}, {"end": 2_000}]},
            ],
            id="the other edge in a broken download",
        ),
        pytest.param(
            [{AUDIO: [{"end": 300}, {"end": 2_000, "ms_played": -1}, {"end": 4_000}]}],
            id="a row within is in quarantine",
        ),
        pytest.param(
            [
                {
                    AUDIO: [{"end": 300}, {"end": 4_000}],
                    VIDEO: [{"end": 2_000, "ms_played": "7 s"}, {"end": 9}],
                }
            ],
            id="a row of another file is in quarantine",
        ),
        pytest.param(
            [{AUDIO: [{"end": 300}, {"end": 0, "ts": None}, {"end": 4_000}]}],
            id="a row that nobody can tell the time of is in quarantine",
        ),
        pytest.param(
            [{AUDIO: [{"end": 300}, {"end": 0, "ts": "2026-02-30T00:00:00Z"}, {"end": 4_000}]}],
            id="a row of a day that is none is in quarantine",
        ),
        pytest.param(
            [
                {
                    AUDIO: [
                        {"end": 300},
                        {"end": 4_000},
                        {"end": 3 * DAY, "offline": True, "ms_played": {}}
                        | {"offline_timestamp": int(START.timestamp()) + 1_800},
                    ]
                }
            ],
            id="an offline row within, told days later, is in quarantine",
        ),
        pytest.param(
            [
                {
                    AUDIO: [
                        {"end": 300},
                        {"end": 4_000},
                        {
                            "end": 3 * DAY,
                            "offline": True,
                            "ms_played": None,
                            "offline_timestamp": 0,
                        },
                    ]
                }
            ],
            id="an offline row of an unknown time before is in quarantine",
        ),
        pytest.param(
            [{AUDIO: [{"end": 300}, {"end": 4_000}], "account": "jonas"}], id="of another"
        ),
    ],
)
def test_a_gap_stays_open_where_no_whole_download_shows_all_of_it(
    downloads: list[dict[str, Any]],
    both_orders: Callable[..., None],
    home: Home,
    shown: Show,
    bring: Bring,
) -> None:
    def members(download: dict[str, Any]) -> dict[str, object]:
        return {
            name: content if isinstance(content, bytes) else [shown(**row) for row in content]
            for name, content in download.items()
            if name != "account"
        }

    both_orders(
        *(lambda each=each: bring(members(each), each.get("account", "mira")) for each in downloads)
    )
    assert (open_now(home), closures(home)) == (OPEN, [])


def test_the_account_data_closes_no_gap(
    both_orders: Callable[..., None], home: Home, shown: Show, bring: Bring
) -> None:
    minutes = [
        {
            "endTime": shown(end)["ts"][:16].replace("T", " "),
            "artistName": shown(end)["master_metadata_album_artist_name"],
            "trackName": shown(end)["master_metadata_track_name"],
            "msPlayed": 200_000,
        }
        for end in (300, 4_000)
    ]
    both_orders(lambda: bring({"StreamingHistory_music_0.json": minutes}))
    assert (open_now(home), closures(home)) == (OPEN, [])


def test_one_row_is_the_play_at_one_edge_only(
    look: Callable[..., None], home: Home, shown: Show, bring: Bring
) -> None:
    look(0, 300)
    look(400)  # the same track again
    bring({AUDIO: [shown(0), shown(350), shown(900)]})
    assert (open_now(home), closures(home)) == ([(at(300), at(400), 2)], [])
    bring({AUDIO: [shown(0), shown(301), shown(402), shown(900)]})
    assert (open_now(home), closures(home)) == ([], [(at(300), at(400), 0)])


def test_files_of_one_download_close_a_gap_together(
    both_orders: Callable[..., None], home: Home, shown: Show, bring: Bring
) -> None:
    members: dict[str, object] = {
        AUDIO: [shown(300), shown(1_000)],
        MORE: [shown(4_000), shown(2_000)],
        VIDEO: [shown(3_000), shown(2_000)],
        "Userdata.json": b"not to be read",
        "StreamingHistory_music_0.json": [],
    }
    both_orders(lambda: bring(members))
    assert (open_now(home), closures(home)) == ([], [(at(300), at(4_000), 3)])


def test_a_row_in_quarantine_outside_a_gap_keeps_it_from_nothing(
    both_orders: Callable[..., None], home: Home, shown: Show, bring: Bring
) -> None:
    outside = [
        shown(100, ms_played=-1),
        shown(5_000, ms_played=-1),
        # Offline, and over before the gap began, or begun after it.
        shown(250, ms_played=-1, offline=True),
        shown(3 * DAY, platform=7, offline=True, offline_timestamp=int(START.timestamp()) + 5_000),
    ]
    both_orders(lambda: bring({AUDIO: [shown(300), shown(4_000), *outside]}))
    assert (open_now(home), closures(home)) == ([], [(at(300), at(4_000), 0)])


def test_a_row_that_another_download_had_in_quarantine_keeps_this_one_from_nothing(
    both_orders: Callable[..., None], home: Home, shown: Show, bring: Bring
) -> None:
    both_orders(
        lambda: bring({AUDIO: [shown(2_000, ms_played=-1), shown(9_000)]}),
        lambda: bring({AUDIO: [shown(300), shown(2_000), shown(4_000)]}),
    )
    assert (open_now(home), closures(home)) == ([], [(at(300), at(4_000), 1)])


class LongRows(contract.StreamingHistory):
    """A contract that also accepts rows of more than 24 days."""

    @pa.check("ms_played", ignore_na=False, error="not an integer from 0 to 2^62")
    def is_length(cls, column: pd.Series[Any]) -> pd.Series[bool]:
        return values.are_integers(column, 0, 2**62)


def test_a_gap_closes_when_what_was_in_it_is_let_go_of_quarantine(
    both_orders: Callable[..., None],
    home: Home,
    shown: Show,
    bring: Bring,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = [shown(300), shown(2_000, ms_played=2**31), shown(4_000), shown(2_100)]
    both_orders(lambda: bring({AUDIO: rows}))
    assert open_now(home) == OPEN
    assert retry(home.settings) == {"mira": Receipt(rows_read=1, rows_quarantined=1)}
    assert open_now(home) == OPEN
    monkeypatch.setattr(contract, "StreamingHistory", LongRows)
    assert retry(home.settings) == {"mira": Receipt(rows_read=1, rows_loaded=1)}
    assert open_now(home) == []
    ((begin, end, _),) = closures(home)
    assert (begin, end) == (at(300), at(4_000))


def test_the_same_download_once_it_is_whole_closes_the_gap(
    look: Callable[..., None], home: Home, shown: Show, bring: Bring
) -> None:
    look(0, 300)
    look(4_000)
    edges = [shown(300), shown(4_000)]
    bring({AUDIO: [*edges, shown(2_000)], MORE: BROKEN})
    assert open_now(home) == OPEN
    see_all(home.warehouse)
    # No row is new: it is by the closure that models hear of it.
    bring({AUDIO: [*edges, shown(2_000)], MORE: []})
    assert (open_now(home), closures(home)) == ([], [(at(300), at(4_000), 1)])
    assert lacks_a_model(home.warehouse)
    see_all(home.warehouse)
    bring({AUDIO: [*edges, shown(2_000)], MORE: []})
    assert len(closures(home)) == 1
    assert not lacks_a_model(home.warehouse)


def test_a_later_download_closes_the_gap_that_an_earlier_one_left_open(
    both_orders: Callable[..., None], home: Home, shown: Show, bring: Bring
) -> None:
    both_orders(
        lambda: bring({AUDIO: [shown(0), shown(300), shown(1_000)]}),
        lambda: bring({AUDIO: [shown(0), shown(300), shown(1_000), shown(3_000), shown(4_000)]}),
        lambda: bring({AUDIO: [shown(3_000), shown(4_000)]}),
    )
    assert (open_now(home), closures(home)) == ([], [(at(300), at(4_000), 2)])


def test_when_a_play_within_a_gap_ended_its_player_tells_better_than_a_late_report(
    both_orders: Callable[..., None], home: Home, shown: Show, bring: Bring
) -> None:
    began = int(START.timestamp())
    rows = [
        shown(300),
        shown(4_000),
        shown(5 * DAY, offline=True, offline_timestamp=began + 1_000),
        shown(9_000, reason_end="logout", offline_timestamp=(began + 2_000) * 1000),
        shown(3_000, offline=True, offline_timestamp=began - 9_000),  # over before the gap
        shown(3_300, offline=True, offline_timestamp=began + 90_000),  # cannot be: after its ts
        shown(3_400, offline=True, offline_timestamp=None),
        shown(5 * DAY + 1, offline=False, offline_timestamp=began + 1_500),
    ]
    both_orders(lambda: bring({AUDIO: rows}))
    assert (open_now(home), closures(home)) == ([], [(at(300), at(4_000), 4)])


def test_gaps_over_midnight_are_closed(
    look: Callable[..., None], home: Home, shown: Show, bring: Bring
) -> None:
    before, after = -2 * DAY - 0.4, 0.2
    look(-3 * DAY, before)
    look(after)
    # Both edges are stamped on the other side of a midnight.
    bring({AUDIO: [shown(-40_000), shown(-1)], MORE: [shown(1 - 2 * DAY), shown(-DAY)]})
    assert (open_now(home), closures(home)) == ([], [(at(before), at(after), 2)])


def test_each_of_several_gaps_is_closed_by_the_download_that_shows_it(
    look: Callable[..., None], home: Home, shown: Show, bring: Bring
) -> None:
    for end in (0, 2_000, 4_000, 6_000):
        look(end)
    bring({AUDIO: [shown(1_000), shown(2_000), shown(3_000), shown(4_000), shown(5_000)]})
    assert [gap[:2] for gap in open_now(home)] == [(at(0), at(2_000)), (at(4_000), at(6_000))]
    assert closures(home) == [(at(2_000), at(4_000), 1)]
    bring({AUDIO: [shown(0), shown(2_000), shown(4_000), shown(6_000)]})
    assert open_now(home) == []
    assert closures(home)[0] == (at(0), at(2_000), 0)


def test_what_pages_left_of_a_gap_a_download_closes(
    look: Callable[..., None], home: Home, shown: Show, bring: Bring
) -> None:
    look(0, 300)
    look(4_000)
    look(2_000, 3_000, 4_000)
    assert open_now(home) == [(at(300), at(2_000), 120)]
    bring({AUDIO: [shown(300), shown(1_000), shown(2_000), shown(3_000), shown(4_000)]})
    assert open_now(home) == []
    assert closures(home) == [(at(300), at(2_000), 1), (at(2_000), at(4_000), 2)]


def test_what_a_page_leaves_of_a_gap_an_earlier_download_closes_as_a_later_one_does(
    both_orders: Callable[..., None],
    look: Callable[..., None],
    home: Home,
    shown: Show,
    bring: Bring,
) -> None:
    both_orders(lambda: bring({AUDIO: [shown(300), shown(1_000), shown(2_000)]}))
    assert open_now(home) == OPEN
    look(2_000, 4_000)
    assert open_now(home) == []
    assert closures(home) == [(at(300), at(2_000), 1), (at(2_000), at(4_000), 1)]


def test_a_play_at_an_edge_that_is_in_quarantine_is_known_by_its_end(
    look: Callable[..., None], home: Home, shown: Show, bring: Bring
) -> None:
    look(0, 300, track={"uri": "spotify:track:1"})
    look(4_000)
    assert open_now(home) == OPEN
    bring({AUDIO: [shown(301, spotify_track_uri="spotify:track:1"), shown(2_000), shown(4_000)]})
    assert (open_now(home), closures(home)) == ([], [(at(300), at(4_000), 1)])


@pytest.mark.parametrize(("plays", "overfull"), [(3, 0), (4, 1)])
def test_more_plays_in_a_gap_than_it_can_hold_are_a_fault_of_ours_that_health_tells(
    plays: int,
    overfull: int,
    look: Callable[..., None],
    home: Home,
    shown: Show,
    bring: Bring,
    settings: Settings,
) -> None:
    State(settings.state_path).add_account("mira")
    look(0, 300)
    look(420)  # holds three plays of half a minute
    assert open_now(home) == [(at(300), at(420), 3)]
    inside = [shown(310 + 25 * number, ms_played=30_000) for number in range(plays)]
    bring({AUDIO: [shown(300), *inside, shown(420)]})
    assert (open_now(home), closures(home)) == ([], [(at(300), at(420), plays)])
    assert the_health(settings).overfull_gaps == overfull
