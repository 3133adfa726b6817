"""Locks where the file system has none, and where another kind of lock left its file."""

import errno
import fcntl
import os
from pathlib import Path

import pytest
from filelock import Timeout

from spotify_assets.kernel_lock import kernel_lock


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK])
def test_where_files_cannot_be_locked_the_path_and_the_way_out_are_named(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refuse)
    path = tmp_path / "writer.lock"
    for _ in range(2):  # what the first one left does not hold the second one up
        with pytest.raises(OSError, match="cannot be locked") as caught:
            kernel_lock(path).acquire()
        assert "SPOTIFY_ASSETS_DATA" in str(caught.value)
        assert caught.value.filename == str(path)


def test_a_file_that_another_kind_of_lock_left_is_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "writer.lock"
    path.write_text("4711\nanother-machine\n")
    with kernel_lock(path, timeout=0):
        pass


def test_a_lock_is_held_by_one_and_readable_by_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "writer.lock"
    with kernel_lock(path):
        assert path.stat().st_mode & 0o777 == 0o600
        with pytest.raises(Timeout):
            kernel_lock(path, timeout=0).acquire()
