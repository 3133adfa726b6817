"""`data/inbox`: downloads that are imported by themselves once they have come to rest.

What lies in it is for the only account; with several accounts, what lies in a folder of an
account's name is for that account. A folder of another name may be meant for an account that is not
there yet, unless it has a name that Spotify's archives unpack to. What was imported moves to
`inbox/done`. What could not be stays where it is, with its error kept, until it changes.
"""

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from spotify_assets import times
from spotify_assets.settings import Settings
from spotify_assets.spotify.export.files import find_packages
from spotify_assets.spotify.export.names import as_text
from spotify_assets.spotify.state import DONE, InboxFailure, State, normal_name
from spotify_assets.warehouse.importing import (
    CHANGED,
    ImportedFile,
    Tell,
    import_packages,
    known_accounts,
)

RESTED_AFTER = timedelta(seconds=30)
# What the archives of Spotify's unpack to, with what browsers and people add to it.
DOWNLOAD = re.compile(
    r"(my_spotify_data|MyData|Spotify (Account Data|Extended Streaming History))\b.*", re.IGNORECASE
)
LINK = "It is a link. Put the file itself into the inbox."
UNDECIDED = "nobody can tell whose it is; put it into a folder of the account's name in the inbox"


@dataclass(frozen=True)
class Entry:
    """A file or folder in the inbox.

    Attributes:
        name: its path below the inbox, as text.
        account_id: whose it is, or None where that cannot be told.
        signature: changes when it does.
    """

    name: str
    path: Path
    account_id: str | None
    signature: str


@dataclass(frozen=True)
class Stuck:
    """A file or folder of the inbox that is not imported as it is, and why.

    `failed_at`: when it was tried, as UTC text; None where it was not, since nobody can tell whose
    it is.
    """

    name: str
    error: str
    failed_at: str | None


def entries(settings: Settings) -> list[Entry]:
    """What lies in the inbox and has not failed as it is now; those in no account's folder too."""
    failures = State(settings.state_path).inbox_failures()
    return [each for each in _present(settings) if not _has_failed(each, failures)]


def stuck(settings: Settings) -> list[Stuck]:
    """What lies in the inbox and will not be imported while it stays as it is."""
    failures = State(settings.state_path).inbox_failures()
    found = []
    for each in _present(settings):
        if _has_failed(each, failures):
            failure = failures[each.name]
            found.append(Stuck(each.name, failure.error, failure.failed_at))
        elif each.account_id is None:
            found.append(Stuck(each.name, UNDECIDED, None))
    return found


def _has_failed(entry: Entry, failures: Mapping[str, InboxFailure]) -> bool:
    failure = failures.get(entry.name)
    return failure is not None and failure.signature == entry.signature


def _present(settings: Settings) -> list[Entry]:
    if not settings.inbox.is_dir():
        return []
    accounts = known_accounts(settings)
    only = next(iter(accounts)) if len(accounts) == 1 else None
    return [
        each
        for child in _children(settings.inbox)
        for each in (
            [_entry(settings.inbox, each, normal_name(child.name)) for each in _inside(child)]
            if child.is_dir() and normal_name(child.name) in accounts
            else [_entry(settings.inbox, child, only if _is_download(child) else None)]
        )
    ]


def _is_download(path: Path) -> bool:
    return not path.is_dir() or DOWNLOAD.fullmatch(path.name) is not None


def at_rest(
    present: list[Entry], seen: Mapping[str, tuple[str, str]], now: datetime
) -> tuple[list[Entry], dict[str, tuple[str, str]]]:
    """Which entries have not changed for half a minute, and what to hand in the next time.

    Args:
        seen: by name, the signature that was last seen and since when, as UTC text.
    """
    noted: dict[str, tuple[str, str]] = {}
    for each in present:
        signature, since = seen.get(each.name, ("", ""))
        is_same = signature == each.signature and since <= times.to_text(now)
        noted[each.name] = (each.signature, since if is_same else times.to_text(now))
    rested = [
        each for each in present if now - times.from_text(noted[each.name][1]) >= RESTED_AFTER
    ]
    return rested, noted


def import_entry(settings: Settings, entry: Entry, tell: Tell) -> list[ImportedFile]:
    """Import a file or folder of the inbox, and move it aside where all of it was read.

    Raises:
        ValueError: nobody can tell whose it is.
    """
    if entry.account_id is None:
        raise ValueError(f"Nobody can tell whose {entry.name} is: put it in inbox/NAME/.")
    state = State(settings.state_path)
    if entry.path.is_symlink():  # what was at rest is the link, and not what it leads to
        state.keep_inbox_failure(entry.name, entry.signature, LINK)
        return [ImportedFile(entry.name, entry.name, error=LINK)]
    packages = find_packages([entry.path])
    done = list(import_packages(settings, entry.account_id, packages, tell))
    errors = [f"{file.file}: {file.error}" for file in done if file.error]
    errors += [f"{name}: unknown rows" for each in packages for name in each.unknown]
    if not errors and not _move_aside(settings, entry):
        errors = [f"{entry.name}: {CHANGED}"]
    if errors:
        state.keep_inbox_failure(entry.name, entry.signature, errors[0])
    return done


def _children(folder: Path) -> Iterator[Path]:
    for child in sorted(folder.iterdir()):
        if not child.name.startswith(".") and child.name != DONE:
            yield child


def _inside(folder: Path) -> list[Path]:
    try:
        return list(_children(folder))
    except OSError:  # the import says why it cannot be listed
        return [folder]


def _entry(inbox: Path, path: Path, account_id: str | None) -> Entry:
    return Entry(as_text(str(path.relative_to(inbox))), path, account_id, _signature(path))


def _signature(path: Path) -> str:
    """What changes when the files do, or their names below the path."""
    files = [Path(here, name) for here, _, names in os.walk(path) for name in names]
    found = hashlib.sha256()
    for file in sorted(files) if path.is_dir() and not path.is_symlink() else [path]:
        try:
            status = file.lstat()
        except FileNotFoundError:  # it is on its way
            continue
        # The number tells what replaces a file and keeps its size and time.
        seen = (status.st_size, status.st_mtime_ns, status.st_ino)
        found.update(os.fsencode(f"{file.relative_to(path)} {seen}\n"))
    return found.hexdigest()


def _move_aside(settings: Settings, entry: Entry) -> bool:
    """Move what was imported to the done; False where it is no longer what was read, and stays."""
    if _signature(entry.path) != entry.signature:
        return False
    target = settings.inbox / DONE / entry.path.relative_to(settings.inbox)
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    number = 1
    while target.exists():
        number += 1
        target = target.with_name(f"{entry.path.stem} ({number}){entry.path.suffix}")
    try:
        entry.path.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        # The done lies on another disk. Under another name first, so that nothing more comes to it.
        hidden = entry.path.rename(entry.path.with_name(f".{entry.path.name}"))
        if _signature(hidden) != entry.signature:
            hidden.rename(entry.path)
            return False
        shutil.move(hidden, target)
        return True
    if _signature(target) != entry.signature:  # it came between the look and the move
        target.rename(entry.path)
        return False
    return True
