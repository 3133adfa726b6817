"""Data folders of different people, for the tests that look at pages.

They are made in seconds: without Dagster, and built by dbt in this process.
"""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from spotify_assets import times
from spotify_assets.covers.fetching import fetch_covers
from spotify_assets.outputs.dashboard.password import Access
from spotify_assets.sandbox.catalogue import Catalogue
from spotify_assets.sandbox.export import write_extended
from spotify_assets.sandbox.listener import Listener
from spotify_assets.settings import Settings
from spotify_assets.warehouse.accounts import rename
from spotify_assets.warehouse.exclusions import Candidate, Hidden, hide
from spotify_assets.warehouse.exported import STREAMING_HISTORY, ExportFile
from spotify_assets.warehouse.importing import to_batch
from spotify_assets.warehouse.loading import Load, write_load
from spotify_assets.warehouse.tables import coverage_gaps, export_packages, raw_streaming_history
from spotify_assets.warehouse.warehouse import Warehouse
from spotify_assets.warehouse.zones import fix_zones
from spotify_assets_tests.e2e.watched import HOSTILE
from spotify_assets_tests.models.building import dbt_run, import_what_was_listed, ingest
from spotify_assets_tests.support import NOW, sandbox, user_of
from spotify_assets_tests.unit.spotify.export.downloads import Row, a_row, ts_text

BERLIN = {"SPOTIFY_TIMEZONE": "Europe/Berlin"}
# What `rename` takes: 64 characters that can be printed.
DISPLAY_NAMES = {
    "one": HOSTILE[0],
    "two": HOSTILE[1],
    "three": "W" * 64,
    "four": "عربي מימין לשמאל",
    "five": "🎧 O'Brien & ünï \u0301",
}


def nothing(folder: Path) -> Settings:
    """No command was ever run, so there is no data folder."""
    return replace(user_of(BERLIN, folder).settings, data=folder / "none")


def no_plays(folder: Path) -> Settings:
    """All tables and models, and no row in them."""
    settings = user_of(BERLIN, folder).settings
    return _built(settings, Warehouse(settings.warehouse_path))


def one_play(folder: Path) -> Settings:
    """One play, an hour ago."""
    return _imported(folder, [_play(0, timedelta(hours=1))])


def one_day(folder: Path) -> Settings:
    """Thirty plays of today."""
    rows = [_play(number, number * timedelta(minutes=17)) for number in range(30)]
    for row in rows[::7]:
        row |= {"skipped": True, "reason_end": "fwdbtn"}
    return _imported(folder, rows)


def listed(folder: Path) -> Settings:
    """The last plays of two listeners as the API lists them, an export of one, and covers."""
    with sandbox(always_on=True, listeners=("mira", "jonas")) as server:
        user = user_of(server.environment() | BERLIN, folder)
        user.log_in("mira", "jonas")
        warehouse = ingest(user.settings)
        import_what_was_listed(warehouse, "jonas")
        settings = _built(user.settings, warehouse)
        assert fetch_covers(settings, lambda *_: None).fetched > 10
    return settings


def years(folder: Path) -> Settings:
    """Two years of mira and one of jonas by exports, and what the API lists of both."""
    with sandbox(always_on=True, listeners=("mira", "jonas")) as server:
        user = user_of(server.environment() | BERLIN, folder)
        user.log_in("mira", "jonas")
        warehouse = ingest(user.settings)
        seed, end = server.config.seed, NOW - timedelta(days=2)
        for name, of_days in (("mira", 760), ("jonas", 400)):
            listener = Listener(name, Catalogue(seed), seed)
            archive = folder / f"{name}.zip"
            write_extended(archive, listener, end - timedelta(days=of_days), end)
            done = user.call("import", str(archive), "--account", name)
            assert done.returncode == 0, done.stderr
    return _built(user.settings, warehouse)


def five_accounts(folder: Path) -> Settings:
    """Five accounts with hostile names and open gaps, one of which has no play."""
    settings = user_of(BERLIN, folder).settings
    warehouse = Warehouse(settings.warehouse_path)
    for account in list(DISPLAY_NAMES)[:4]:
        chance = random.Random(account)
        ages = [timedelta(minutes=chance.randrange(60, 800 * 24 * 60)) for _ in range(150)]
        rows = [_play(number, age, chance.choice(HOSTILE)) for number, age in enumerate(ages)]
        rows += [_episode(name, chance.choice(ages)) for name in HOSTILE]
        _load(warehouse, account, [*rows, a_row(ms_played=-1)])
    with warehouse.writer().begin() as connection:
        connection.execute(
            insert(coverage_gaps),
            [
                {
                    "account_id": account,
                    "gap_from": times.to_text(NOW - timedelta(days=days)),
                    "gap_to": times.to_text(NOW - timedelta(days=days - 2)),
                    "max_lost_plays": 1_000 * days,
                    "spacing_ms": 30_000,
                    "cause": HOSTILE[0] if days == 100 else None,
                    "load_id": 1,
                }
                for account in ("one", "three", "five")
                for days in (5, 100)
            ],
        )
        connection.execute(
            insert(export_packages),
            [
                {"package_id": name, "account_id": "two", "load_id": 2, "package": name}
                for name in HOSTILE
            ],
        )
    for account, name in DISPLAY_NAMES.items():
        rename(settings, account, name)
    hide(settings, Hidden.ARTIST, Candidate("name:hidden", HOSTILE[3]), "three")
    return _built(settings, warehouse)


def behind_a_password(folder: Path) -> Settings:
    """Others may ask, once they have logged in."""
    settings = user_of(BERLIN, folder).settings
    Access(settings.dashboard_password).set_password("a long password")
    return settings


WORLDS: dict[str, Callable[[Path], Settings]] = {
    make.__name__: make
    for make in (
        nothing,
        no_plays,
        one_play,
        one_day,
        listed,
        years,
        five_accounts,
        behind_a_password,
    )
}


def _imported(folder: Path, rows: list[Row]) -> Settings:
    settings = user_of(BERLIN, folder).settings
    warehouse = Warehouse(settings.warehouse_path)
    _load(warehouse, "mira", rows)
    return _built(settings, warehouse)


def _load(warehouse: Warehouse, account: str, rows: list[Row]) -> None:
    load = Load(
        STREAMING_HISTORY,
        account,
        batches=[to_batch(account, rows, Counter())],
        file=ExportFile(f"package of {account}", "Streaming_History_Audio_2026.json"),
    )
    write_load(warehouse.writer(), raw_streaming_history, load)


def _built(settings: Settings, warehouse: Warehouse) -> Settings:
    fix_zones(warehouse.writer(), settings.timezone)
    dbt_run(settings)
    return settings


def _play(number: int, age: timedelta, name: str | None = None) -> Row:
    """A play that ended so long ago, of a song of somebody, or with one name for all of it."""
    end = NOW - age
    names: dict[str, Any] = {"offline_timestamp": int(end.timestamp()) - 200}
    if name:
        song = f"{HOSTILE.index(name):022}"
        names |= {"spotify_track_uri": f"spotify:track:{song}"}
        names |= {
            f"master_metadata_{field}": name
            for field in ("track_name", "album_artist_name", "album_album_name")
        }
    return a_row(number, **({"ts": ts_text(end)} | names))


def _episode(name: str, age: timedelta) -> Row:
    show = f"{HOSTILE.index(name):022}"
    return _play(0, age) | {
        "spotify_track_uri": None,
        "master_metadata_track_name": None,
        "master_metadata_album_artist_name": None,
        "master_metadata_album_album_name": None,
        "episode_name": name,
        "episode_show_name": name,
        "spotify_episode_uri": f"spotify:episode:{show}",
    }
