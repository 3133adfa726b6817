"""The folder of backups, whatever instant a process that adds or removes one is killed at."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from spotify_assets import database
from spotify_assets.warehouse.backups import folder as backup_folder
from spotify_assets.warehouse.backups.archive import pack
from spotify_assets.warehouse.backups.folder import backups_in, next_number, tidy
from spotify_assets.warehouse.backups.manifest import Contents, Manifest, PackedFile

STEPS_AT_MOST = 20
OF_OTHERS = (
    "spotify-export.json.partial",
    "spotify-0002.json",
    "spotify-0002.json.partial",
    "spotify-0002-copy.tar.zst.partial",
    "spotify-playlists.tar.zst.partial",
    "notes.partial",
)


class Killed(BaseException):
    """Like a signal that nothing can catch."""


@pytest.fixture
def backups(tmp_path: Path) -> Path:
    """A folder with one backup, and files of others whose names are like those of backups."""
    folder = tmp_path / "backups"
    folder.mkdir()
    add(folder, 1)
    for name in OF_OTHERS:
        (folder / name).write_text("somebody's")
    return folder


def write(folder: Path, number: int) -> tuple[Path, Manifest]:
    """An archive that has no name yet, and the manifest for it."""
    file = folder.parent / "state.db"
    file.write_bytes(b"content %d" % number)
    partial = backup_folder.partial_archive(folder, number)
    packed = pack([file], partial)
    files = {name: PackedFile(*member, tables={}) for name, member in packed.members.items()}
    contents = Contents(number, "2026-03-01T04:45:00.000Z", "1", None, 0, None, None, 0, files)
    return partial, Manifest(packed.size, packed.sha256, contents)


def add(folder: Path, number: int) -> Path:
    return backup_folder.add(*write(folder, number))


def whole(folder: Path) -> list[int]:
    """The numbers of the backups, each of which must be good; nothing unfinished is beside them."""
    found = backups_in(folder)
    assert [backup.fault for backup in found] == [None] * len(found)
    names = {path.name for path in folder.iterdir()}
    of_backups = {backup.archive.name for backup in found}
    of_backups |= {name.replace(".tar.zst", ".json") for name in of_backups}
    assert names == of_backups | set(OF_OTHERS)
    assert all((folder / name).read_text() == "somebody's" for name in OF_OTHERS)
    return [backup.contents.number for backup in found]


def killed(at: int, act: Callable[[], object]) -> bool:
    """Do something and be killed at the n-th change of a file, a written one being half-written."""
    step = 0
    with pytest.MonkeyPatch.context() as patch:

        def stopping(owner: Any, name: str, half: Callable[..., object] | None = None) -> None:
            real = getattr(owner, name)

            def stop_or(*arguments: Any, **named: Any) -> Any:
                nonlocal step
                step += 1
                if step == at:
                    if half:
                        half(*arguments)
                    raise Killed
                return real(*arguments, **named)

            patch.setattr(owner, name, stop_or)

        def write_half(path: Path, content: bytes) -> None:
            with path.open("wb") as file:
                file.write(content[: len(content) // 2])

        for name in ("rename", "unlink", "touch"):
            stopping(Path, name)
        stopping(Path, "write_bytes", write_half)
        stopping(database, "sync")
        try:
            act()
        except Killed:
            return True
    assert step < at
    return False


def deaths(act: Callable[[], object], prepare: Callable[[], object]) -> Iterator[int]:
    """Be killed at every change in turn; the number of it, with what is left of that."""
    for at in range(1, STEPS_AT_MOST):
        prepare()
        if not killed(at, act):
            assert at > 3
            return
        yield at
    pytest.fail("it never came to its end")


@pytest.mark.parametrize("tidied_until", [0, 1, 2, 3])
def test_a_backup_whose_addition_is_killed_is_there_or_not(
    backups: Path, tidied_until: int
) -> None:
    made: list[Any] = []
    outcomes = set()

    def prepare() -> None:
        for backup in backups_in(backups):
            if backup.contents.number > 1:
                backup_folder.remove(backup.archive)
        made[:] = write(backups, 2)

    for _ in deaths(lambda: backup_folder.add(*made), prepare):
        if tidied_until:
            killed(tidied_until, lambda: tidy(backups))
        tidy(backups)
        outcomes.add(tuple(whole(backups)))
    assert outcomes == {(1,), (2, 1)}


@pytest.mark.parametrize("tidied_until", [0, 1, 2, 3])
def test_a_backup_whose_removal_is_killed_is_there_or_not(backups: Path, tidied_until: int) -> None:
    added: list[Path] = []
    outcomes = set()

    def prepare() -> None:
        present = {backup.contents.number: backup.archive for backup in backups_in(backups)}
        added[:] = [present.get(2) or add(backups, 2)]

    for _ in deaths(lambda: backup_folder.remove(added[0]), prepare):
        if tidied_until:
            killed(tidied_until, lambda: tidy(backups))
        tidy(backups)
        outcomes.add(tuple(whole(backups)))
    assert outcomes == {(1,), (2, 1)}


def test_half_of_a_removed_backup_is_never_taken_for_it(backups: Path) -> None:
    for at in (2, 3):
        archive = add(backups, 2)
        assert killed(at, lambda archive=archive: backup_folder.remove(archive))  # type: ignore[misc]
        assert not archive.exists()
        assert backup_folder.newest_backup(backups) == backups_in(backups)[-1]
        tidy(backups)
        assert whole(backups) == [1]


def test_tidying_what_is_in_order_changes_nothing(backups: Path) -> None:
    add(backups, 2)
    before = {path: path.stat() for path in backups.iterdir()}
    tidy(backups)
    assert {path: path.stat() for path in backups.iterdir()} == before


def test_numbers_go_on_after_damage_and_with_half_of_a_backup(backups: Path) -> None:
    assert next_number(backups) == 2
    add(backups, 41).unlink()  # the manifest is left
    assert next_number(backups) == 42
    archive = add(backups, 42)
    archive.write_bytes(b"")
    assert next_number(backups) == 43
    assert [backup.fault is None for backup in backups_in(backups)] == [False, False, True]
