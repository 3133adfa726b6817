"""Death in an import: each file is there as a whole or not at all, and importing again completes.

Looked at right after the death, before anything else of ours runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from spotify_assets import database
from spotify_assets.sandbox.catalogue import Catalogue
from spotify_assets.sandbox.export import extended_rows
from spotify_assets.sandbox.listener import Listener
from spotify_assets.warehouse.warehouse import Warehouse
from spotify_assets_tests.e2e.backing_up import copied
from spotify_assets_tests.e2e.killing import (
    Changes,
    assert_that_no_lock_is_held,
    compiled,
    deaths,
    run_until,
    statuses,
)
from spotify_assets_tests.models.building import ingest
from spotify_assets_tests.support import NOW, User, sandbox, user_of
from spotify_assets_tests.unit.spotify.export.downloads import pack

ROWS_IN_A_FILE, OVERLAP, FILES = 300, 20, 4
# What is the same however often an import began: numbers of loads and counts of sightings are not.
LASTING = {
    "plays": "select {columns} from raw_streaming_history order by row_key, variant",
    "quarantine": "select account_id, source, reasons, payload, released_by from quarantined_rows"
    " order by payload_hash",
    "open gaps": "select * from open_gaps order by gap_id, open_from",
    "closures": "select gap_id, closed_from, closed_to, rows_inside from coverage_closures",
    "zones": "select * from account_zones order by account_id, valid_from",
    "what each file loaded": "select file, sum(rows_loaded) from export_files join loads"
    " using (load_id) where source = 'streaming_history' group by file order by file",
}
# Of each load, what it says of its rows, and how many there are.
SUMS = """
    select load_id, file, rows_read, rows_loaded, rows_duplicate, rows_quarantined, rows_ignored,
        (select count(*) from raw_streaming_history as plays where plays.load_id = loads.load_id)
            as rows_there,
        (select count(*) from export_days as days where days.load_id = loads.load_id) as days_there
    from loads left join export_files using (load_id)
    where source = 'streaming_history' order by load_id
"""


@dataclass(frozen=True)
class Trial:
    """An import of one archive on copies of one data folder, killed in most of them."""

    original: User
    shim: Path
    archive: Path
    files: Mapping[str, int]

    @cached_property
    def never_killed(self) -> tuple[dict[str, int], dict[str, Any]]:
        """How many changes of each kind an import makes that nothing kills, and its tables."""
        user = self.user("never-killed")
        changes = self.run_until(user, "change", 0, "group")
        assert changes.killed_at is None
        return changes.counts, lasting(user)

    def user(self, name: str) -> User:
        return copied(self.original, self.shim.parent / name)

    def run_until(self, user: User, kind: str, at: int, whom: str) -> Changes:
        return run_until(user, self.shim, kind, at, whom, "import", str(self.archive))

    def kill(self, kind: str, share: float, whom: str) -> User:
        """Somebody whose import died after a share of the changes that a whole one makes."""
        counts, _ = self.never_killed
        at = 1 + int(share * counts[kind])
        for attempt in range(3):  # no two runs make quite as many changes
            user = self.user(f"{kind}-{share}-{attempt}")
            killed_at = self.run_until(user, kind, at, whom).killed_at
            print(f"{whom} killed at {kind} {at} of {counts[kind]}, a {killed_at}")
            if killed_at is not None:
                return user
        pytest.fail(f"three imports made less than {at} changes of kind {kind}")

    def assert_that_files_are_whole_or_absent(self, user: User) -> int:
        """Those that are there came in their order; how many they are."""
        found = sums(user)
        assert [load["file"] for load in found] == list(self.files)[: len(found)]
        for load in found:
            assert load["rows_read"] == self.files[load["file"]]
            assert load["rows_loaded"] == load["rows_there"] > 0
            assert load["days_there"] > 0
        is_finished = bool(rows(user, "select * from export_packages"))
        assert len(found) == len(self.files) or not is_finished
        assert is_finished == bool(rows(user, "select * from coverage_closures"))
        assert len(rows(user, "select * from raw_streaming_history")) == sum(
            load["rows_there"] for load in found
        )
        return len(found)

    def assert_that_importing_again_completes(self, user: User, done: int) -> None:
        again = user.run("import", str(self.archive))
        assert again.returncode == 0, again.stderr
        _, tables = self.never_killed
        assert lasting(user) == tables
        loads = sums(user)[done:]
        assert {load["file"]: load["rows_read"] for load in loads} == self.files
        assert [bool(load["rows_loaded"]) for load in loads] == [
            place >= done for place in range(len(self.files))
        ]
        assert all(load["rows_loaded"] == load["rows_there"] for load in loads)
        assert statuses(user) == []  # an import needs no run
        assert_that_no_lock_is_held(user)


def rows(user: User, query: str) -> list[dict[str, Any]]:
    found = Warehouse(user.settings.warehouse_path).read(text(query))
    return [dict(row._mapping) for row in found]


def sums(user: User) -> list[dict[str, Any]]:
    """Of each load of a file: its accounting, and how many of its rows are there."""
    for path in (user.settings.warehouse_path, user.settings.state_path):
        assert database.fault(path) is None
    return rows(user, SUMS)


def lasting(user: User) -> dict[str, Any]:
    names = [row["name"] for row in rows(user, "pragma table_info(raw_streaming_history)")]
    columns = ", ".join(name for name in names if name != "load_id")
    return {name: rows(user, query.format(columns=columns)) for name, query in LASTING.items()}


def members() -> dict[str, list[dict[str, Any]]]:
    """The files of an export up to a week after `NOW`, each with rows of the one before it."""
    listener = Listener("mira", Catalogue(2026), 2026)
    span = NOW - timedelta(days=60), NOW + timedelta(days=7)
    plays = [item.row for item in extended_rows(listener, *span) if item.kind != "video"]
    plays = plays[-FILES * ROWS_IN_A_FILE :]
    assert len(plays) == FILES * ROWS_IN_A_FILE
    files = {}
    for number in range(FILES):
        begin = number * ROWS_IN_A_FILE
        bad = {**plays[0], "ms_played": -1 - number}  # old, so that it keeps no gap open
        files[f"Streaming_History_Audio_2026_{number}.json"] = [
            *plays[max(0, begin - OVERLAP) : begin + ROWS_IN_A_FILE],
            bad,
        ]
    return files


@pytest.fixture(scope="module")
def importing(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    """Somebody with a gap that the archive covers, and another who imports nothing."""
    folder = tmp_path_factory.mktemp("kills-of-imports")
    with sandbox() as spotify:
        original = user_of(spotify.environment(), folder / "original")
        original.log_in("mira")
        ingest(original.settings)
        spotify.clock.advance(timedelta(days=7))
        ingest(original.settings)
        spotify.clock.advance(timedelta(days=14))
        ingest(original.settings)  # after the archive, so this gap stays
    assert statuses(original) == []  # Dagster's databases are there, as after any first command
    files = members()
    archive = pack(folder / "my_spotify_data.zip", files)
    trial = Trial(original, compiled(folder), archive, {name: len(files[name]) for name in files})
    _, tables = trial.never_killed
    assert len(tables["closures"]) == len(tables["open gaps"]) == 1
    assert len(tables["quarantine"]) == FILES
    return trial


@pytest.mark.parametrize(("kind", "share", "whom"), deaths("change", few=1, many=60))
def test_an_import_killed_at_any_change_is_whole_files_and_completed_by_the_next(
    importing: Trial, kind: str, share: float, whom: str
) -> None:
    user = importing.kill(kind, share, whom)
    done = importing.assert_that_files_are_whole_or_absent(user)
    print(f"{done} files were there")
    importing.assert_that_importing_again_completes(user, done)
