"""Downloads as Spotify makes them, only smaller, and what their import leaves in the databases."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select

from spotify_assets.settings import Settings
from spotify_assets.spotify.export.files import Package, find_packages
from spotify_assets.spotify.export.names import Kind
from spotify_assets.warehouse.importing import ImportedFile, import_packages
from spotify_assets.warehouse.loading import Receipt
from spotify_assets.warehouse.tables import (
    coverage_closures,
    export_days,
    export_files,
    export_packages,
    loads,
    quarantined_rows,
    raw_streaming_history,
)
from spotify_assets.warehouse.warehouse import Warehouse

Row = dict[str, Any]

FOLDER = "Spotify Extended Streaming History"
BEGIN = datetime(2024, 3, 1, 8, tzinfo=UTC)
SPACING = timedelta(minutes=4)
# An address for documentation, by RFC 5737; nothing that begins like this may be stored.
ADDRESS = "203.0.113."


def ts_text(moment: datetime) -> str:
    """A moment as an extended history writes it."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def a_row(number: int = 0, **changes: Any) -> Row:
    """A row of an extended history, as in 2025; every number is another play."""
    return {
        "ts": ts_text(BEGIN + number * SPACING),
        "platform": "android",
        "ms_played": 200_000,
        "conn_country": "NO",
        "ip_addr": f"{ADDRESS}{number % 250}",
        "master_metadata_track_name": f"song {number}",
        "master_metadata_album_artist_name": "somebody",
        "master_metadata_album_album_name": "an album",
        "spotify_track_uri": f"spotify:track:{number:022}",
        "episode_name": None,
        "episode_show_name": None,
        "spotify_episode_uri": None,
        "audiobook_title": None,
        "audiobook_uri": None,
        "audiobook_chapter_uri": None,
        "audiobook_chapter_title": None,
        "reason_start": "trackdone",
        "reason_end": "trackdone",
        "shuffle": False,
        "skipped": False,
        "offline": False,
        "offline_timestamp": int((BEGIN + number * SPACING).timestamp()) - 200,
        "incognito_mode": False,
    } | changes


def rows_of(*numbers: int, **changes: Any) -> list[Row]:
    return [a_row(number, **changes) for number in numbers]


def a_minute(number: int = 0, kind: Kind = Kind.MUSIC, **changes: Any) -> Row:
    """A row of the account data, of one of its kinds."""
    names = {
        Kind.MUSIC: ("artistName", "trackName"),
        Kind.PODCAST: ("podcastName", "episodeName"),
        Kind.AUDIOBOOK: ("audiobookName", "authorName"),
    }[kind]
    ended = (BEGIN + number * SPACING).strftime("%Y-%m-%d %H:%M")
    named = {name: f"{name} {number}" for name in names}
    return {"endTime": ended, **named, "msPlayed": 200_000} | changes


def as_bytes(content: object) -> bytes:
    """What a member of an archive holds: bytes as they are, all else as Spotify writes JSON."""
    return content if isinstance(content, bytes) else json.dumps(content, indent=2).encode()


def pack(
    path: Path,
    members: Mapping[str, object],
    folder: str = FOLDER,
    method: int = zipfile.ZIP_DEFLATED,
) -> Path:
    """Write an archive; a member is named by what stands below the folder."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(f"{folder}/{name}" if folder else name, as_bytes(content))
    return path


def unpack(folder: Path, members: Mapping[str, object]) -> Path:
    """The same as loose files."""
    for name, content in members.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(as_bytes(content))
    return folder


def no_tell(_name: str, _bytes: int, _rows: int) -> None: ...


class Home:
    """A data folder into which downloads are imported."""

    def __init__(self, data: Path) -> None:
        environ = {"SPOTIFY_ASSETS_DATA": str(data), "SPOTIFY_TIMEZONE": "UTC"}
        self.settings = Settings.load(environ, env_file=None)
        self.warehouse = Warehouse(self.settings.warehouse_path)

    def bring(
        self,
        *paths: Path,
        account: str = "mira",
        packages: list[Package] | None = None,
        tell: Callable[[str, int, int], None] = no_tell,
    ) -> list[ImportedFile]:
        """Import what is at these paths; what became of each file."""
        found = find_packages(paths) if packages is None else packages
        return list(import_packages(self.settings, account, found, tell))

    def total(self, *paths: Path, account: str = "mira") -> Receipt:
        """Import what is at these paths, in which nothing is wrong; the accounting of it all."""
        done = self.bring(*paths, account=account)
        assert [file.error for file in done if file.error] == []
        return sum((file.receipt for file in done), Receipt())

    def rows(self) -> list[Row]:
        """The raw rows, in a fixed order, without the load that brought them."""
        return sorted(
            (
                {name: value for name, value in row._mapping.items() if name != "load_id"}
                for row in self.warehouse.read(select(raw_streaming_history))
            ),
            key=lambda row: (row["account_id"], row["row_key"], row["variant"]),
        )

    def quarantined(self) -> list[tuple[str, Row, list[str]]]:
        """The rows in quarantine: whose they are, the payload, the reasons."""
        return [
            (row.account_id, json.loads(row.payload), json.loads(row.reasons))
            for row in self.warehouse.read(
                select(quarantined_rows)
                .where(quarantined_rows.c.released_by.is_(None))
                .order_by(quarantined_rows.c.payload_hash)
            )
        ]

    def receipts(self) -> list[Receipt]:
        """The accounting of every load, in their order."""
        names = Receipt.__dataclass_fields__
        return [
            Receipt(**{name: load._mapping[name] for name in names})
            for load in self.warehouse.read(select(loads).order_by(loads.c.load_id))
        ]

    def tables(self) -> dict[str, Any]:
        """All that imports write, without times and without the names that an import makes up."""
        kept = {
            loads: ("load_id", "source", "account_id", "window_from", "window_to", "rows_read"),
            export_files: ("load_id", "file"),
            export_packages: ("account_id", "load_id", "package"),
            export_days: ("load_id", "day", "row_keys"),
            coverage_closures: ("gap_id", "closed_from", "closed_to", "rows_inside"),
            quarantined_rows: ("account_id", "reasons", "payload", "released_by"),
        }
        found: dict[str, Any] = {
            table.name: sorted(
                map(tuple, self.warehouse.read(select(*(table.c[name] for name in names)))),
                key=repr,
            )
            for table, names in kept.items()
        }
        return found | {"receipts": self.receipts(), "raw_streaming_history": self.rows()}

    def lasting(self) -> dict[str, Any]:
        """Those of the tables that importing the same once more must not change."""
        tables = self.tables()
        return {name: tables[name] for name in ("raw_streaming_history", "quarantined_rows")}

    def has_bytes(self, needle: bytes) -> list[str]:
        """The files below the data folder in which these bytes stand."""
        files = (path for path in self.settings.data.rglob("*") if path.is_file())
        return [path.name for path in files if needle in path.read_bytes()]
