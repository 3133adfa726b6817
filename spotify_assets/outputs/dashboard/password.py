"""The dashboard's one password, and the sessions of those who logged in with it.

Both are in one file, so that a new password ends all sessions in the same instant. Of the password
and of each session it holds a hash, from which neither can be got back.
"""

import hashlib
import hmac
import json
import secrets
import unicodedata
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from spotify_assets import private_files, times
from spotify_assets.kernel_lock import KernelLock, kernel_lock
from spotify_assets.settings import OTHERS, SettingsError

SHORTEST, LONGEST = 8, 200  # characters
SESSION_LASTS = timedelta(days=30)
MOST_SESSIONS = 50  # the newest ones stay
# What OWASP advises where a check may take 32 MiB. It takes 0.2 s here.
N, R, P = 2**15, 8, 3
MOST_MEMORY = 64 * 2**20  # bytes; a file that asks for more than half is damaged
MOST_ROUNDS = 16
SALT_BYTES, HASH_BYTES = 16, 32


@dataclass(frozen=True)
class Stored:
    """The file: scrypt's parameters, salt and hash in hex, when each session ends in UTC text."""

    n: int
    r: int
    p: int
    salt: str
    hash: str
    sessions: dict[str, str]

    def __post_init__(self) -> None:
        is_whole = (
            all(isinstance(number, int) for number in (self.n, self.r, self.p))
            and 1 <= self.p <= MOST_ROUNDS
            and self.n > 1
            and self.n.bit_count() == 1
            and 0 < 128 * self.n * self.r <= MOST_MEMORY // 2
            and len(bytes.fromhex(self.salt)) == SALT_BYTES
            and len(bytes.fromhex(self.hash)) == HASH_BYTES
        )
        if not is_whole:
            raise ValueError("a password file that somebody else wrote")
        for end in self.sessions.values():
            times.from_text(end)

    def is_of(self, password: str) -> bool:
        """Whether this is the password; takes 0.2 s, on purpose."""
        return hmac.compare_digest(bytes.fromhex(self.hash), _scrypt(password, self))


class Access:
    """Who may look at the dashboard: reads and writes the file at `path`.

    Each method raises SettingsError where the file is damaged; nobody is let in then.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def set_password(self, password: str) -> None:
        """Store a new password. It ends all sessions, also where the file was damaged.

        Raises:
            ValueError: it is too short, too long, or no text.
        """
        if not SHORTEST <= len(password) <= LONGEST:
            raise ValueError(f"The password needs {SHORTEST} to {LONGEST} characters.")
        stored = Stored(N, R, P, secrets.token_hex(SALT_BYTES), "00" * HASH_BYTES, {})
        stored = replace(stored, hash=_scrypt(password, stored).hex())
        with self._lock():
            self._write(stored)

    def remove_password(self) -> bool:
        """Remove the password, which ends all sessions; whether there was one."""
        if not self._path.exists():
            return False
        with self._lock():
            self._path.unlink(missing_ok=True)
        return True

    def is_set(self) -> bool:
        """Whether there is a password."""
        return self._read() is not None

    def log_in(self, password: str) -> str | None:
        """The secret of a new session, or None where the password is wrong or none is set."""
        with self._lock():
            stored = self._read()
            if stored is None or len(password) > LONGEST or not stored.is_of(password):
                return None
            secret, now = secrets.token_urlsafe(32), times.now()
            going = {
                key: end for key, end in stored.sessions.items() if end > times.to_text(now)
            } | {_key(secret): times.to_text(now + SESSION_LASTS)}
            newest = sorted(going.items(), key=lambda each: each[1])[-MOST_SESSIONS:]
            self._write(replace(stored, sessions=dict(newest)))
            return secret

    def is_logged_in(self, secret: str) -> bool:
        """Whether this is the secret of a session that has not ended."""
        stored = self._read()
        # What the time of this search tells is a part of a hash, which leads to no secret.
        return stored is not None and stored.sessions.get(_key(secret), "") > times.now_text()

    def log_out(self, secret: str) -> None:
        """End a session; nothing where there is none."""
        with self._lock():
            stored = self._read()
            if stored is not None and _key(secret) in stored.sessions:
                kept = {key: end for key, end in stored.sessions.items() if key != _key(secret)}
                self._write(replace(stored, sessions=kept))

    def _read(self) -> Stored | None:
        try:
            return Stored(**json.loads(self._path.read_text("utf-8")))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, AttributeError, RecursionError):
            raise SettingsError(
                f"The file of the dashboard's password is damaged: {self._path}. "
                "Set a new one: spotify-assets dashboard --set-password"
            ) from None

    def _write(self, stored: Stored) -> None:
        private_files.write(self._path, json.dumps(asdict(stored)))

    def _lock(self) -> KernelLock:
        self._path.parent.mkdir(mode=0o777 & ~OTHERS, parents=True, exist_ok=True)
        return kernel_lock(self._path.with_suffix(".lock"))


def _key(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _scrypt(password: str, stored: Stored) -> bytes:
    # A phone and a computer may write the same letter as one character or as two.
    text = unicodedata.normalize("NFC", password).encode()
    options: dict[str, Any] = {"n": stored.n, "r": stored.r, "p": stored.p, "dklen": HASH_BYTES}
    salt = bytes.fromhex(stored.salt)
    return hashlib.scrypt(text, salt=salt, maxmem=MOST_MEMORY, **options)
