"""From the files of an export to the raw table, a file at a time.

Each file is one load: all of its rows or none. So a kill or Ctrl-C leaves whole files done, and
importing again finds their rows and goes on.
"""

import gc
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy import select

from spotify_assets.settings import Settings
from spotify_assets.spotify.export import fields
from spotify_assets.spotify.export.errors import ExportError
from spotify_assets.spotify.export.files import HistoryFile, Package
from spotify_assets.spotify.export.names import Kind, Series, kind_of
from spotify_assets.spotify.state import State, check_name, normal_name
from spotify_assets.warehouse.backups.migrating import bring_up_to_date
from spotify_assets.warehouse.exported import STREAMING_HISTORY, ExportFile, finish_package
from spotify_assets.warehouse.loading import Batch, Load, Receipt, write_load
from spotify_assets.warehouse.lock import let_others, writing
from spotify_assets.warehouse.tables import loads, raw_streaming_history
from spotify_assets.warehouse.warehouse import Warehouse
from spotify_assets.warehouse.zones import fix_zones

# A turn costs a third of a second; without one, a run would wait for the whole of a long import.
TURN_EVERY_SECONDS = 10
FOUND_SHOWN, FOUND_LENGTH = 3, 20
CHANGED = (
    "It changed while it was read, so it closes no gap. What was read is loaded. Import it again, "
    "which adds what is new."
)


@dataclass(frozen=True)
class ImportedFile:
    """What became of a file.

    Attributes:
        package, file: names of the download and of the file in it.
        unknown_fields: names of fields that nobody here knows, whose values were not kept.
        error: why nothing of it was loaded, or None.
    """

    package: str
    file: str
    receipt: Receipt = field(default_factory=Receipt)
    unknown_fields: tuple[str, ...] = ()
    error: str | None = None


# Called as files are read: the name of the present one, how many bytes and rows of all so far.
Tell = Callable[[str, int, int], None]


def whose(settings: Settings, account_id: str | None) -> str:
    """The account that an import is for: the one that was named, or the only one there is.

    Raises:
        ValueError: that cannot be a name, or none was named and there is not just one account.
    """
    if account_id is not None:
        account_id = normal_name(account_id)
        check_name(account_id)
        return account_id
    accounts = known_accounts(settings)
    if len(accounts) == 1:
        return accounts.pop()
    here = f" Here are: {', '.join(sorted(accounts))}." if accounts else ""
    raise ValueError(f"Say whose plays these are: --account NAME.{here}")


def known_accounts(settings: Settings) -> set[str]:
    """The names of all accounts, also of those whose `state.db` was lost."""
    accounts = {account.account_id for account in State(settings.state_path).accounts()}
    loaded = Warehouse(settings.warehouse_path).read(select(loads.c.account_id).distinct())
    return accounts | {name for (name,) in loaded}


def import_packages(
    settings: Settings, account_id: str, packages: Iterable[Package], tell: Tell
) -> Iterator[ImportedFile]:
    """Import downloads file by file, and say what became of each as soon as it is done.

    Every file takes the writer lock for itself, and now and then others have their turn between.

    Raises:
        ValueError: an account cannot have this name.
    """
    check_name(account_id)
    bytes_before = rows_before = 0
    last_turn = time.monotonic()
    for package in packages:
        if package.fault:
            yield ImportedFile(package.name, package.name, error=package.fault)
            continue
        one = _Import(settings, account_id, package)
        for file in package.files:
            if time.monotonic() - last_turn > TURN_EVERY_SECONDS:
                let_others()
                last_turn = time.monotonic()
            done = one.load(file, partial(_tell_all, tell, file.name, bytes_before, rows_before))
            bytes_before += file.size
            rows_before += done.receipt.rows_read
            if done.error is None:
                # Not before: a name that was mistyped would stay. A kill between the load and this
                # leaves an account that `known_accounts` knows by its load.
                State(settings.state_path).add_account(account_id)
            yield done
        if error := one.finish():
            yield ImportedFile(package.name, package.name, error=error)


def _tell_all(
    tell: Tell, name: str, bytes_before: int, rows_before: int, bytes_read: int, rows_read: int
) -> None:
    tell(name, bytes_before + bytes_read, rows_before + rows_read)


class _Import:
    """One download on its way into an account."""

    def __init__(self, settings: Settings, account_id: str, package: Package) -> None:
        self._settings, self._account_id, self._package = settings, account_id, package
        self._id = uuid.uuid4().hex
        # How often each row of the account data was there so far; they can look alike. Files that
        # do not continue each other (a copy, the same download again) may hold the same rows.
        self._seen: defaultdict[Series, Counter[bytes]] = defaultdict(Counter)
        self._has_extended = False
        self._is_whole = not package.unknown
        self._warehouse = Warehouse(settings.warehouse_path)

    def load(self, file: HistoryFile, tell: Callable[[int, int], None]) -> ImportedFile:
        """Load a file, or nothing of it."""
        unknown, seen = set[str](), self._seen[file.series].copy()
        load = Load(
            source=STREAMING_HISTORY,
            account_id=self._account_id,
            batches=self._batches(file, seen, unknown, tell),
            file=ExportFile(self._id, file.name),
        )
        name = self._package.name
        try:
            with writing(self._settings.locks, f"the import of {file.name}"), _no_collections():
                bring_up_to_date(self._settings)
                receipt = write_load(self._warehouse.writer(), raw_streaming_history, load)
                fix_zones(self._warehouse.writer(), self._settings.timezone)
        except ExportError as error:
            self._is_whole = False
            return ImportedFile(name, file.name, error=str(error))
        self._seen[file.series] = seen
        return ImportedFile(name, file.name, receipt, tuple(sorted(unknown)))

    def finish(self) -> str | None:
        """Let the download close gaps where all of it was loaded; say where it has changed."""
        if self._is_whole and not self._package.is_as_found():
            return CHANGED
        if self._is_whole and self._has_extended:
            with writing(self._settings.locks, f"the import of {self._package.name}"):
                engine = self._warehouse.writer()
                finish_package(engine, self._account_id, self._id, self._package.name)
        return None

    def _batches(
        self,
        file: HistoryFile,
        seen: Counter[bytes],
        unknown: set[str],
        tell: Callable[[int, int], None],
    ) -> Iterator[Batch]:
        bytes_read, rows_read = 0, 0

        def note(place: int) -> None:
            nonlocal bytes_read
            bytes_read = place

        for rows in file.rows(note):
            if not rows_read and not fields.has_history(rows):
                _require_no_rows_of_spotify(file.name, rows)
            rows_read += len(rows)
            unknown |= fields.unknown_fields(rows)
            batch = to_batch(self._account_id, rows, seen)
            self._has_extended |= bool(batch.accepted["kind"].eq(str(Kind.EXTENDED)).any())
            yield batch
            tell(bytes_read, rows_read)


def _require_no_rows_of_spotify(name: str, rows: list[Any]) -> None:
    """Return where a file is one of Spotify's histories, and just has no rows.

    Raises:
        ExportError: it is no history; says what was expected, and what was found.
    """
    of_spotify = kind_of(name) is not None
    if rows:
        found = ", ".join(each[:FOUND_LENGTH] for each in fields.names_in(rows)[:FOUND_SHOWN])
        raise ExportError(
            "Its rows lack ts and ms_played, or endTime and msPlayed; found: "
            f"{found or 'no fields'}. "
            + (
                "If Spotify changed its format, look for a newer spotify-assets."
                if of_spotify
                else "It is no listening history of Spotify's."
            )
        )
    if not of_spotify:
        raise ExportError("It holds an empty list, so it is no listening history.")


@contextmanager
def _no_collections() -> Iterator[None]:
    """Spare the garbage collector: it looks through all rows over and over, 15 % of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def to_batch(account_id: str, rows: list[Any], seen: Counter[bytes]) -> Batch:
    """Rows of an export, split by the contract and keyed.

    Args:
        account_id: whose plays they are.
        rows: of any kinds; each is whatever JSON value it is.
        seen: how often each row of the account data was in its download so far.
    """
    from spotify_assets.contracts import streaming_history as contract
    from spotify_assets.contracts.split import split

    def payload_of(place: int) -> str:
        return fields.payload(rows[place])

    rows_read = len(rows)  # before anything is decided about them
    accepted, rejected = split(contract.flatten(rows), contract.StreamingHistory)
    return Batch(
        rows_read=rows_read,
        accepted=contract.keyed(account_id, accepted, seen),
        rejected=rejected.assign(payload=rejected["payload"].map(payload_of)),
        ends=accepted["ended_at"],
        payload_of=payload_of,
    )
