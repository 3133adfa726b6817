"""Death in a backup, a restore or a migration: what is there stays whole, and the next completes.

Looked at right after the death, before anything else of ours runs.
"""

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path

import pytest

from spotify_assets import database, times
from spotify_assets.sandbox.server import Sandbox
from spotify_assets.spotify.state import Identity, State
from spotify_assets.warehouse import schema
from spotify_assets.warehouse.backups.archive import unpack
from spotify_assets.warehouse.backups.digests import digests
from spotify_assets.warehouse.backups.folder import Backup, backups_in
from spotify_assets.warehouse.backups.making import back_up
from spotify_assets.warehouse.tables import metadata, model_watermarks
from spotify_assets_tests.e2e.backing_up import (
    Rows,
    back_up_and_live_on,
    copied,
    everything,
    newest,
)
from spotify_assets_tests.e2e.killing import (
    KINDS,
    Changes,
    assert_that_no_lock_is_held,
    compiled,
    deaths,
    processes,
    run_until,
)
from spotify_assets_tests.fixtures.old_warehouses import put_old_warehouse
from spotify_assets_tests.support import User, sandbox, user_of

MADE_BY_US = metadata.tables.keys() - {model_watermarks.name}  # the rest is dbt's
NUMBERED = re.compile(r"spotify-\d{4}-\d{8}T\d{6}Z-[0-9a-f]{12}")


@dataclass(frozen=True)
class Databases:
    """All that is in the two databases of a data folder or of a backup."""

    warehouse: Rows
    state: Rows

    @classmethod
    def of(cls, folder: Path) -> "Databases":
        """Raises AssertionError where SQLite finds a fault."""
        paths = folder / "spotify.db", folder / "state.db"
        assert [database.fault(path) for path in paths] == [None, None]
        return cls(*map(everything, paths))


@dataclass(frozen=True)
class Trial:
    """A command that is run on copies of one data folder, and killed in most of them.

    `between`: what the warehouse may hold on the way from what it was to what it becomes.
    """

    original: User
    shim: Path
    arguments: tuple[str, ...]
    variables: Mapping[str, str]
    between: tuple[Rows, ...] = ()

    @cached_property
    def before(self) -> Databases:
        return Databases.of(self.original.settings.data)

    @cached_property
    def backed_up(self) -> Databases:
        """What the newest backup holds before anything is run."""
        return self.opened(newest(self.original))

    @cached_property
    def never_killed(self) -> tuple[dict[str, int], Databases, set[str]]:
        """How many changes of each kind a run makes, its databases, and its files."""
        user = self.user("never-killed")
        changes = self.run_until(user, "change", 0, "group")
        assert changes.killed_at is None
        assert all(changes.counts[kind] > 0 for kind in KINDS)
        self.assert_that_nothing_is_left(user)
        return changes.counts, Databases.of(user.settings.data), files(user)

    @property
    def after(self) -> Databases:
        return self.never_killed[1]

    def user(self, name: str) -> User:
        """Somebody whose data are a copy of the original's."""
        return copied(self.original, self.shim.parent / f"{self.arguments[0]}-{name}")

    def run_until(self, user: User, kind: str, at: int, whom: str) -> Changes:
        return run_until(user, self.shim, kind, at, whom, *self.arguments, **self.variables)

    def kill(self, kind: str, share: float, whom: str) -> User:
        """Somebody whose run died after a share of the changes of a kind that a whole makes."""
        counts = self.never_killed[0]
        at = 1 + int(share * counts[kind])
        for attempt in range(3):  # no two runs make quite as many changes
            user = self.user(f"{kind}-{share}-{attempt}")
            killed_at = self.run_until(user, kind, at, whom).killed_at
            print(f"{whom} killed at {kind} {at} of {counts[kind]}, a {killed_at}")
            if killed_at is not None:
                return user
        pytest.fail(f"three runs made less than {at} changes of kind {kind}")

    def assert_that_all_is_whole(self, user: User, whom: str) -> None:
        """Both databases are as before or as after, and no backup is worse than the last one."""
        now = Databases.of(user.settings.data)
        assert now.state in (self.before.state, self.after.state)
        wholes = [self.before.warehouse, *self.between, self.after.warehouse]
        if whom == "group":
            assert now.warehouse in wholes
        else:  # dbt alone may have died: the restore went on and said so
            ours = [{name: whole[name] for name in MADE_BY_US & whole.keys()} for whole in wholes]
            assert {name: now.warehouse[name] for name in MADE_BY_US & now.warehouse.keys()} in ours
            for name in now.warehouse.keys() - MADE_BY_US - {model_watermarks.name}:
                assert now.warehouse[name] in [whole.get(name) for whole in wholes], name
        backup, before = newest(user), newest(self.original)
        assert backup.contents.number >= before.contents.number
        held = self.opened(backup)
        if backup.archive.name == before.archive.name:
            assert held == self.backed_up
        else:
            assert held == self.before

    def assert_that_the_next_completes(self, user: User) -> None:
        """The same command gives what it gives where nothing was killed, and leaves no more."""
        done = user.run(*self.arguments, **self.variables)
        assert done.returncode == 0, done.stderr
        assert Databases.of(user.settings.data) == self.after
        assert files(user) == self.never_killed[2]
        self.assert_that_nothing_is_left(user)

    def assert_that_nothing_is_left(self, user: User) -> None:
        assert not user.settings.scratch.exists()
        assert list(user.settings.data.rglob("*.partial")) == []
        for folder in (user.settings.backups, user.settings.aside):
            backups = backups_in(folder)
            assert [backup.fault for backup in backups if backup.fault] == []
            of_backups = [path for path in folder.glob("spotify-*") if path.is_file()]
            assert len(of_backups) == 2 * len(backups)
        assert_that_no_lock_is_held(user)
        assert processes(user) == []

    def opened(self, backup: Backup) -> Databases:
        """What is in a backup, as it is: opening it would bring it to today's schema."""
        folder = self.shim.parent / "opened"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        unpack(backup.archive, backup.contents.files, folder)
        for name, packed in backup.contents.files.items():
            assert digests(folder / name, packed.tables) == packed.tables
        return Databases.of(folder)


def files(user: User) -> set[str]:
    """The files of a data folder, without the numbers of backups and SQLite's own beside them."""
    paths = [path for path in user.settings.data.rglob("*") if path.is_file()]
    return {
        NUMBERED.sub("spotify-N", str(path.relative_to(user.settings.data)))
        for path in paths
        if not path.name.endswith(("-wal", "-shm"))
    }


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("kills-of-backups"))


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> User:
    """Somebody whose data have changed since the backup."""
    with sandbox(always_on=True) as spotify:
        user = user_of(spotify.environment(), tmp_path_factory.mktemp("original") / "user")
        back_up_and_live_on(user, spotify, "mira", "jonas")
    return user


@pytest.fixture(scope="module")
def backing_up(original: User, shim: Path) -> Trial:
    trial = Trial(original, shim, ("backup",), {"SPOTIFY_KEEP_BACKUPS": "last=1"})
    assert trial.after == trial.before != trial.backed_up
    return trial


@pytest.fixture(scope="module")
def restoring(original: User, shim: Path) -> Trial:
    trial = Trial(original, shim, ("restore", "--yes"), {})
    plays = [
        {row[:3] for row in databases.warehouse["raw_recently_played"]}
        for databases in (trial.before, trial.after, trial.backed_up)
    ]
    assert plays[0] > plays[2] < plays[1]  # some were lost, and others came
    assert plays[0] - plays[1]
    assert plays[1] - plays[0]
    assert trial.before.state != trial.after.state
    return trial


@pytest.fixture(scope="module")
def migrating(
    still_spotify: Sandbox, shim: Path, tmp_path_factory: pytest.TempPathFactory
) -> Trial:
    user = user_of(still_spotify.environment(), tmp_path_factory.mktemp("old") / "user")
    put_old_warehouse("0002_over_0001", user.settings.warehouse_path)
    State(user.settings.state_path).attach(Identity("mira", None, None), None, times.now_text())
    assert back_up(user.settings)
    migrated = shim.with_name("migrated.db")
    database.copy(user.settings.warehouse_path, migrated)
    schema.upgrade(migrated)
    trial = Trial(user, shim, ("quarantine", "retry"), {}, (everything(migrated),))
    assert trial.between[0] != trial.before.warehouse
    return trial


def kills(
    *numbers: tuple[str, int, int], at_the_last: tuple[str, ...] = ()
) -> pytest.MarkDecorator:
    """So many deaths of each kind in every run, and so many others in the long ones."""
    few_and_many = [deaths(kind, few, many) for kind, few, many in numbers]
    last = [pytest.param(kind, 0.9999, "group", id=f"at the last {kind}") for kind in at_the_last]
    return pytest.mark.parametrize(
        ("kind", "share", "whom"), [*chain.from_iterable(few_and_many), *last]
    )


@kills(("write", 1, 12), ("sync", 1, 8), ("rename", 2, 10), ("unlink", 1, 10))
def test_a_killed_backup_leaves_the_last_one_and_the_next_removes_it(
    backing_up: Trial, kind: str, share: float, whom: str
) -> None:
    user = backing_up.kill(kind, share, whom)
    backing_up.assert_that_all_is_whole(user, whom)
    backing_up.assert_that_the_next_completes(user)
    assert len(backups_in(user.settings.backups)) == 1
    assert backing_up.opened(newest(user)) == backing_up.before


@kills(("change", 2, 10), ("sync", 0, 5), ("rename", 0, 7), ("unlink", 0, 8))
def test_a_killed_restore_leaves_the_old_or_the_new_and_the_next_restores(
    restoring: Trial, kind: str, share: float, whom: str
) -> None:
    user = restoring.kill(kind, share, whom)
    restoring.assert_that_all_is_whole(user, whom)
    restoring.assert_that_the_next_completes(user)
    assert newest(user).archive.name == newest(restoring.original).archive.name
    aside = [restoring.opened(backup).warehouse for backup in backups_in(user.settings.aside)]
    assert restoring.before.warehouse in aside


@kills(
    *(("write", 1, 10), ("sync", 1, 6), ("rename", 1, 6), ("unlink", 0, 8)),
    at_the_last=("unlink",),  # when all is done, so that the next has nothing to migrate
)
def test_a_killed_migration_leaves_the_old_or_the_new_and_the_next_migrates(
    migrating: Trial, kind: str, share: float, whom: str
) -> None:
    user = migrating.kill(kind, share, whom)
    migrating.assert_that_all_is_whole(user, whom)
    migrating.assert_that_the_next_completes(user)
    assert newest(user).archive.name != newest(migrating.original).archive.name
    assert migrating.opened(newest(user)) == migrating.before
