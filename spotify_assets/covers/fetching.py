"""Fetching covers: each album's once, a bounded number each time, the most wanted first."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from filelock import Timeout

from spotify_assets import times
from spotify_assets.covers.errors import AGAIN_SOON, NoCoverError, NotAskedError, StoppedError
from spotify_assets.covers.folder import LARGEST_FILE, LARGEST_FOLDER, CoverFolder
from spotify_assets.covers.host import ImageHost
from spotify_assets.covers.tracks import Tracks
from spotify_assets.covers.wanted import Wanted, albums, look_up
from spotify_assets.kernel_lock import kernel_lock
from spotify_assets.settings import Settings
from spotify_assets.warehouse.warehouse import Warehouse

MOST_ALBUMS_AT_ONCE = 100
ALBUMS_WORTH_A_CALL = 500  # at three calls an hour, they have their covers within a week
FAILURES_IN_A_ROW = 5  # of the network; then the host is believed to be away
OFF = "SPOTIFY_ASSETS_COVERS is off: covers are neither fetched nor shown."

log = logging.getLogger(__name__)
Tell = Callable[[int, int], object]  # albums that are done, and all of this time


def _tell_nobody(done: int, total: int) -> None:
    """Leave out the progress."""


@dataclass(frozen=True)
class Fetched:
    """What one time of fetching came to, in albums.

    Attributes:
        failed: without a cover that can be had; they are left alone for a while.
        waiting: without one yet, for the next times.
        calls: of the Web API.
        stopped: what ended it early, or None.
    """

    fetched: int = 0
    failed: int = 0
    waiting: int = 0
    calls: int = 0
    stopped: str | None = None


def fetch_covers(settings: Settings, tell: Tell = _tell_nobody) -> Fetched:
    """Fetch covers of albums that have none; where another process does so, leave it to that one.

    A failure of one is remembered, and does not stop the others. What a kill leaves undone is done
    the next time.
    """
    if not settings.covers_on:
        return Fetched(stopped=OFF)
    try:
        with alone(settings):
            return _Fetching(settings).run(tell)
    except Timeout:
        return Fetched(stopped="Another process fetches covers.")


def has_work(settings: Settings) -> bool:
    """Whether an album lacks a cover that can be fetched now."""
    if not settings.covers_on:
        return False
    fetching = _Fetching(settings)
    return fetching.obstacle() is None and bool(fetching.plan()[0])


@contextmanager
def alone(settings: Settings) -> Iterator[None]:
    """Be the one who changes the folder. Raises filelock.Timeout where another one does."""
    settings.make_data_folder()
    settings.locks.mkdir(mode=0o700, exist_ok=True)
    with kernel_lock(settings.locks / "covers.lock", timeout=0):
        yield


class _Fetching:
    """One time of fetching."""

    def __init__(self, settings: Settings) -> None:
        self._warehouse = Warehouse(settings.warehouse_path)
        self._folder = CoverFolder(settings.covers)
        self._host = ImageHost(settings)
        self._tracks = Tracks(settings)
        self._failures_in_a_row = 0

    def plan(self) -> tuple[list[Wanted], int]:
        """The albums to fetch now, and how many are left for the next times."""
        keys = albums(self._warehouse)
        missing = [key for key in keys if not self._folder.is_settled(key)]
        worth_a_call, calls = set(keys[:ALBUMS_WORTH_A_CALL]), self._tracks.calls_left()
        chosen: list[Wanted] = []
        for each in look_up(self._warehouse, missing):
            if not self._host.addresses(each.images):
                if not calls or not each.track_uri or each.album_key not in worth_a_call:
                    continue
                calls -= 1
            chosen.append(each)
            if len(chosen) == MOST_ALBUMS_AT_ONCE:
                break
        return chosen, len(missing) - len(chosen)

    def run(self, tell: Tell) -> Fetched:
        """Fetch what is planned."""
        fetched = failed = done = 0
        chosen, waiting = self.plan()
        stopped = self.obstacle()
        while done < len(chosen) and stopped is None:
            try:
                self._fetch(chosen[done])
                fetched += 1
                self._failures_in_a_row = 0
            except NoCoverError as error:
                failed += 1
                self._remember(chosen[done], error)
            except NotAskedError:
                waiting += 1
            except StoppedError as error:
                stopped = str(error)
                break
            done += 1
            tell(done, len(chosen))
            stopped = self.obstacle()
        return Fetched(fetched, failed, waiting + len(chosen) - done, self._tracks.calls, stopped)

    def obstacle(self) -> str | None:
        """Why nothing can be fetched now, or None."""
        if self._failures_in_a_row == FAILURES_IN_A_ROW:
            return "Spotify's image host does not answer."
        if self._folder.size() > LARGEST_FOLDER - 2 * LARGEST_FILE:
            return "The folder of the covers is full."
        try:
            self._host.check()
        except StoppedError as error:
            return str(error)
        return None

    def _fetch(self, wanted: Wanted) -> None:
        """Fetch and keep the images of one album."""
        addresses = self._host.addresses(wanted.images)
        if not addresses:
            found = self._tracks.images_of_album(str(wanted.track_uri))
            addresses = self._host.addresses(found)
        if not addresses:
            raise NoCoverError("Spotify lists no image of it.")
        for size, address in addresses.items():
            self._folder.store(wanted.album_key, size, self._host.get(address))

    def _remember(self, wanted: Wanted, error: NoCoverError) -> None:
        if error.again_after == AGAIN_SOON:
            self._failures_in_a_row += 1
        log.info("No cover of %s: %s", wanted.album_key, error)
        until = times.now() + error.again_after
        self._folder.leave_alone(wanted.album_key, until, str(error))
