"""Locks on files that the kernel frees when their holder dies."""

import errno
from pathlib import Path

from filelock import FileLock

NO_LOCKS = {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK}


class KernelLock(FileLock):
    """A lock that fails where the file system has none.

    The library's other kind stays behind when its holder is killed, so everybody waits for ever.
    """

    def _acquire(self) -> None:
        try:
            super()._acquire()
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            raise OSError(
                error.errno,
                "Files cannot be locked there, so two processes could write at once. Let "
                "SPOTIFY_ASSETS_DATA be a folder on a disk of this machine",
                self.lock_file,
            ) from None


def kernel_lock(path: Path, timeout: float = -1) -> KernelLock:
    """A lock for `with`.

    Args:
        path: of the lock's file, which only its owner may open.
        timeout: seconds to wait; then `filelock.Timeout` is raised. -1: for ever.
    """
    return KernelLock(path, timeout, mode=0o600, fallback_to_soft=False)
