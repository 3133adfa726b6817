"""Damage to a backup is found and named, and the present data stay as they are."""

import random
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from spotify_assets.warehouse.backups import restoring
from spotify_assets.warehouse.backups.errors import BackupError
from spotify_assets.warehouse.backups.folder import Backup, backups_in, newest_backup
from spotify_assets.warehouse.backups.making import back_up
from spotify_assets.warehouse.backups.manifest import manifest_path
from spotify_assets.warehouse.schema import HEAD
from spotify_assets.warehouse.warehouse import Warehouse
from spotify_assets_tests.fixtures.old_warehouses import OLD_WAREHOUSES, put_old_warehouse
from spotify_assets_tests.support import User
from spotify_assets_tests.unit.warehouse.backups.trying import (
    assert_accepted,
    everything,
    refusal,
    rows_of,
)

# Each damages an archive (its manifest lies beside it) of which another is a neighbour.
Damage = Callable[[random.Random, Path, Path], object]


def flip(dice: random.Random, path: Path) -> None:
    content = bytearray(path.read_bytes())
    for place in dice.sample(range(len(content)), dice.choice((1, 1, 2, 8))):
        content[place] ^= 1 << dice.randrange(8)
    path.write_bytes(content)


def cut(dice: random.Random, path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: dice.randrange(1, len(content))])


def append(dice: random.Random, path: Path) -> None:
    with path.open("ab") as file:
        file.write(dice.choice((bytes, dice.randbytes))(dice.choice((1, 512, 4096))))


def zero(dice: random.Random, path: Path) -> None:
    content = bytearray(path.read_bytes())
    start = dice.randrange(len(content) - 512)
    content[start : start + 512] = bytes(512)
    path.write_bytes(content)


def swap(one: Path, other: Path) -> None:
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)


def swap_both(one: Path, other: Path) -> None:
    swap(one, other)
    swap(manifest_path(one), manifest_path(other))


CHANGED = r"\.tar\.zst was changed: its SHA-256 is not that of its manifest"
OF_ANOTHER = r"its manifest \S+\.json is that of spotify-0001-\S+\.tar\.zst"
MANIFEST_DAMAGED = r"its manifest \S+\.json is damaged"
DAMAGES: dict[str, tuple[Damage, str]] = {
    "flipped archive": (lambda dice, archive, _: flip(dice, archive), CHANGED),
    "flipped manifest": (
        lambda dice, archive, _: flip(dice, manifest_path(archive)),
        MANIFEST_DAMAGED,
    ),
    "cut archive": (
        lambda dice, archive, _: cut(dice, archive),
        r"was cut short: it has [\d,]+ bytes of [\d,]+\.",
    ),
    "cut manifest": (lambda dice, archive, _: cut(dice, manifest_path(archive)), MANIFEST_DAMAGED),
    "appended archive": (
        lambda dice, archive, _: append(dice, archive),
        r"was appended to: it has [\d,]+ bytes of [\d,]+\.",
    ),
    "appended manifest": (
        lambda dice, archive, _: append(dice, manifest_path(archive)),
        MANIFEST_DAMAGED,
    ),
    "zeros in archive": (lambda dice, archive, _: zero(dice, archive), CHANGED),
    "zeros in manifest": (
        lambda dice, archive, _: zero(dice, manifest_path(archive)),
        MANIFEST_DAMAGED,
    ),
    "empty archive": (lambda _, archive, __: archive.write_bytes(b""), r"\.tar\.zst is empty\."),
    "empty manifest": (
        lambda _, archive, __: manifest_path(archive).write_bytes(b""),
        r"its manifest \S+\.json is empty\.",
    ),
    "no archive": (
        lambda _, archive, __: archive.unlink(),
        r"\.tar\.zst is missing; only its manifest is there\.",
    ),
    "no manifest": (
        lambda _, archive, __: manifest_path(archive).unlink(),
        r"its manifest \S+\.json is missing\.",
    ),
    "swapped archives": (
        lambda _, archive, other: swap(archive, other),
        r"was cut short: it has [\d,]+ bytes of [\d,]+\.",  # it holds less
    ),
    "swapped manifests": (
        lambda _, archive, other: swap(manifest_path(archive), manifest_path(other)),
        OF_ANOTHER,
    ),
    "swapped pairs": (lambda _, archive, other: swap_both(archive, other), OF_ANOTHER),
}


def damages(few: int, many: int) -> Iterator[Any]:
    """Parameters `damage`, `seed`: each damage in turn, a few in every run, others in long runs."""
    for seed in range(few + many):
        name = list(DAMAGES)[seed % len(DAMAGES)]
        marks = () if seed < few else (pytest.mark.soak,)
        yield pytest.param(name, seed, marks=marks, id=f"{name} {seed}")


@pytest.mark.parametrize(("damage", "seed"), damages(few=45, many=500))
def test_damage_is_refused_by_its_name_and_the_undamaged_twin_accepted(
    owner: User, damage: str, seed: int
) -> None:
    newest, older = (backup.archive for backup in backups_in(owner.settings.backups))
    inflict, reason = DAMAGES[damage]
    files = {path: path.read_bytes() for path in owner.settings.backups.iterdir()}
    whole = everything(owner.settings)
    inflict(random.Random(seed), newest, older)
    assert everything(owner.settings) != whole
    assert re.search(reason, refusal(owner.settings, newest.name))
    for path, content in files.items():
        path.write_bytes(content)
    assert everything(owner.settings) == whole
    assert_accepted(owner.settings, newest.name, rows_of(owner.settings.data))


def test_a_damaged_backup_can_be_replaced_by_the_whole_restore_of_its_twin(
    owner: User, backup: Backup
) -> None:
    twin = owner.settings.data.parent / "usb" / backup.archive.name
    twin.parent.mkdir()
    for path in (backup.archive, manifest_path(backup.archive)):
        shutil.copy(path, twin.parent)
    rows = rows_of(owner.settings.data)
    with backup.archive.open("r+b") as file:
        file.truncate(1000)
    assert "was cut short" in refusal(owner.settings, backup.archive.name)
    done = restoring.restore(owner.settings, restoring.find(owner.settings, str(twin)))
    assert (done.models_fault, done.lost_plays, done.receipts) == (None, 0, {})
    restored = rows_of(owner.settings.data)
    changing = {"spotify.db restores", "spotify.db model_watermarks"}
    assert {name: restored[name] for name in rows.keys() - changing} == {
        name: rows[name] for name in rows.keys() - changing
    }


@pytest.mark.parametrize("damage", ["flipped archive", "empty manifest", "swapped pairs"])
def test_the_command_says_in_one_line_what_is_wrong_and_changes_nothing(
    owner: User, damage: str
) -> None:
    newest, older = (backup.archive for backup in backups_in(owner.settings.backups))
    inflict, reason = DAMAGES[damage]
    inflict(random.Random(1), newest, older)
    before = everything(owner.settings)
    done = owner.run("restore", newest.name, "--yes")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith(f"Error: {newest.name}")
    assert re.search(reason, done.stderr)
    assert everything(owner.settings) == before


def test_without_a_name_the_newest_good_one_is_taken(owner: User) -> None:
    newest, older = backups_in(owner.settings.backups)
    newest.archive.write_bytes(b"")
    assert restoring.find(owner.settings, None) == older


def test_where_no_backup_is_good_each_says_why(owner: User) -> None:
    newest, older = (backup.archive for backup in backups_in(owner.settings.backups))
    newest.write_bytes(b"")
    manifest_path(older).unlink()
    with pytest.raises(BackupError) as refused:
        restoring.find(owner.settings, None)
    assert f"{newest.name} is empty." in str(refused.value)
    assert f"{older.name}: its manifest {manifest_path(older).name} is missing." in str(
        refused.value
    )


@pytest.mark.parametrize("of", [lambda archive: archive, manifest_path])
def test_a_file_that_cannot_be_read_is_the_fault_of_its_backup_alone(
    owner: User, of: Callable[[Path], Path]
) -> None:
    newest, older = backups_in(owner.settings.backups)
    unreadable = of(newest.archive)
    unreadable.unlink()
    unreadable.mkdir()  # as unreadable as a broken disk, for any user
    assert "cannot be read: Is a directory" in refusal(owner.settings, newest.archive.name)
    assert newest_backup(owner.settings.backups) == older
    kept = back_up(owner.settings)
    assert kept is not None
    assert [each.archive for each in kept.damaged] == [newest.archive]


@pytest.mark.parametrize(
    "name",
    ["holiday.tar.zst", "spotify-0002-20260301T044500Z.tar.zst", "spotify-2-copy.tar.zst"],
)
def test_what_spotify_assets_did_not_name_is_refused(
    owner: User, backup: Backup, name: str
) -> None:
    renamed = owner.settings.backups / name
    shutil.copy(backup.archive, renamed)
    shutil.copy(manifest_path(backup.archive), manifest_path(renamed))
    assert f"{name} is no backup that spotify-assets made, or was renamed" in refusal(
        owner.settings, name
    )
    assert_accepted(owner.settings, backup.archive.name, rows_of(owner.settings.data))


def test_a_good_archive_under_the_name_of_another_is_refused(owner: User, backup: Backup) -> None:
    name = backup.archive.name.replace("spotify-0002", "spotify-0003")
    shutil.copy(backup.archive, owner.settings.backups / name)
    shutil.copy(manifest_path(backup.archive), manifest_path(owner.settings.backups / name))
    assert f"is that of {backup.archive.name}" in refusal(owner.settings, name)


@pytest.mark.parametrize("old", OLD_WAREHOUSES)
def test_an_older_schema_is_migrated(owner: User, old: str) -> None:
    owner.settings.warehouse_path.unlink()
    shutil.rmtree(owner.settings.backups)  # they hold more
    put_old_warehouse(old, owner.settings.warehouse_path)
    before = rows_of(owner.settings.data)
    kept = back_up(owner.settings)
    assert kept is not None
    assert kept.made.contents.schema_revision == old[:4]
    restoring.restore_beside(owner.settings, kept.made, owner.settings.data.parent / "beside")
    after = rows_of(owner.settings.data.parent / "beside")
    # A migration changes what says the revision, and has all models built anew.
    for name in ("spotify.db alembic_version", "spotify.db model_watermarks"):
        before.pop(name, None)
    for name, rows in before.items():
        # Columns that came since are empty, and last.
        width = len(rows[0]) if rows else 0
        assert [row[:width] for row in after[name]] == rows, name
        assert {value for row in after[name] for value in row[width:]} <= {None}, name
    assert Warehouse(owner.settings.data.parent / "beside" / "spotify.db").revision() == HEAD


def test_a_newer_schema_is_refused_by_its_revision(owner: User, backup: Backup) -> None:
    with closing(sqlite3.connect(owner.settings.warehouse_path)) as connection, connection:
        connection.execute("update alembic_version set version_num = '0815'")
    kept = back_up(owner.settings)
    assert kept is not None
    reason = refusal(owner.settings, kept.made.archive.name)
    assert "schema revision 0815 this version does not know. Upgrade spotify-assets." in reason
    with closing(sqlite3.connect(owner.settings.warehouse_path)) as connection, connection:
        connection.execute("update alembic_version set version_num = ?", (HEAD,))
    assert_accepted(owner.settings, backup.archive.name, rows_of(owner.settings.data))
