"""Tokens on disk: one file for each account, 0600 in a 0700 folder, replaced atomically.

This is the only place where a token rests. Whoever reads a token in order to change it holds
the account's lock meanwhile, so two processes never spend one refresh token.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

from spotify_assets import database, private_files
from spotify_assets.kernel_lock import KernelLock, kernel_lock

ENDPOINT = "api/token"  # of Spotify's accounts service, where tokens come from
LATEST_END = 10**11  # seconds since 1970: the year 5138
LONGEST_NAME = 100  # bytes; file systems end at 255, and the suffixes come on top


@dataclass(frozen=True, repr=False)
class Token:
    """What Spotify granted. `expires_at` is in seconds since 1970, `authorized_at` UTC text."""

    access_token: str
    refresh_token: str
    expires_at: float
    scope: str
    authorized_at: str

    def __post_init__(self) -> None:
        tokens = (self.access_token, self.refresh_token)
        is_whole = (
            all(isinstance(text, str) for text in (*tokens, self.scope, self.authorized_at))
            # What does not fit a header would be quoted whole in the error about it.
            and all(token.isascii() and token.isprintable() for token in tokens)
            and self.authorized_at.isascii()
            and isinstance(self.expires_at, int | float)
            and 0 <= self.expires_at < LATEST_END
        )
        if not is_whole:
            raise TypeError("a token file that somebody else wrote")


class TokenStore:
    """The folder of token files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def of_nobody(self, accounts: Iterable[str]) -> list[str]:
        """The names of token files of other accounts than these."""
        known = {self._path(account_id).name for account_id in accounts}
        return sorted({path.name for path in self._folder.glob("*.json")} - known)

    def load(self, account_id: str) -> Token | None:
        """The account's token, or None where there is no usable file."""
        try:
            return Token(**json.loads(self._path(account_id).read_text("utf-8")))
        except (FileNotFoundError, ValueError, TypeError, RecursionError):
            return None

    def save(self, account_id: str, token: Token) -> None:
        """Put the token on disk, fsynced, before anything forgets the one that it replaces.

        The caller holds `lock(account_id)`.
        """
        self._make_folder()
        private_files.write(self._path(account_id), json.dumps(asdict(token)))

    def remove(self, account_id: str) -> bool:
        """Remove the account's token from the disk; whether there was one.

        Waits for a process that renews it, which would write it again.
        """
        path = self._path(account_id)
        if not self._folder.exists():
            return False
        with self.lock(account_id):
            found = [each for each in (path, path.with_suffix(".tmp")) if each.exists()]
            for each in found:
                each.unlink()
            database.sync(self._folder)
        return bool(found)

    def lock(self, account_id: str, timeout: float = -1) -> KernelLock:
        """A lock between processes on this account's token, freed by the holder's death.

        Args:
            timeout: seconds after which `filelock.Timeout` is raised; -1 waits for ever.
        """
        self._make_folder()
        return kernel_lock(self._path(account_id).with_suffix(".lock"), timeout)

    def login_lock(self) -> KernelLock:
        """A lock on logging in, which only one process does at a time; it does not wait."""
        self._make_folder()
        # No account's: those end in .json, .tmp or .lock behind an escaped name.
        return kernel_lock(self._folder / "login", timeout=0)

    def _make_folder(self) -> None:
        for folder in (self._folder.parent, self._folder):  # mkdir's mode is not for parents
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder.chmod(0o700)

    def _path(self, account_id: str) -> Path:
        name = quote(account_id, safe="")
        if account_id != account_id.lower() or len(name) > LONGEST_NAME:
            # Some file systems take Mira and mira for one file, and none takes long names.
            name = hashlib.sha256(account_id.encode()).hexdigest()
        return self._folder / f"{name}.json"
