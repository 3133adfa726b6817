"""The album images of single tracks, by the Web API: three calls an hour, which Spotify counts.

Only a track of an album is known where just an export tells of it. The calls are made with the
login of one account; what they tell is no secret of anybody's.
"""

import logging
import re
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from spotify_assets import times
from spotify_assets.covers.errors import NoCoverError, NotAskedError
from spotify_assets.settings import Settings, is_loopback
from spotify_assets.spotify import transport
from spotify_assets.spotify.authorization import StoredLogin
from spotify_assets.spotify.blocks import Blocks
from spotify_assets.spotify.client import SpotifyClient
from spotify_assets.spotify.errors import BadAnswer, SpotifyError
from spotify_assets.spotify.oauth import OAuthApp
from spotify_assets.spotify.retrying import Retrying
from spotify_assets.spotify.state import Account, State
from spotify_assets.spotify.token_store import TokenStore

# Calls for single tracks locked others out for most of a day (your_spotify#622, 2026-08). Three an
# hour are fewer than the looks of a day.
MOST_CALLS, CALLS_EVERY = 3, timedelta(minutes=55)
MOST_CALLS_OF_A_SANDBOX = 1000  # on this machine there is no quota to protect
ENDPOINT = "tracks/{id}"

log = logging.getLogger(__name__)


class Tracks:
    """What the Web API says of tracks."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._state = State(settings.state_path)
        self._client: SpotifyClient | None = None
        self._is_over = False
        self.calls = 0

    def calls_left(self) -> int:
        """How many calls may be made now."""
        if self._account() is None or Blocks(self._settings).present(ENDPOINT):
            return 0
        if is_loopback(self._settings.api_url):
            return MOST_CALLS_OF_A_SANDBOX
        with suppress(FileNotFoundError):
            age = times.now().timestamp() - self._sign.stat().st_mtime
            if 0 <= age < CALLS_EVERY.total_seconds():
                return 0
        return MOST_CALLS

    def images_of_album(self, track_uri: str) -> object:
        """The images of the album that a track is on, as received.

        Raises:
            NoCoverError: Spotify does not know the track.
            NotAskedError: Spotify takes no call of this kind now; it is not asked again.
        """
        found = re.fullmatch(r"spotify:track:([0-9A-Za-z]{22})", track_uri)
        if not found:
            raise NoCoverError("No track of it is Spotify's.")
        if self._is_over:
            raise NotAskedError
        try:
            client = self._client = self._client or self._new_client()
            self._leave_sign()
            self.calls += 1
            answer: Any = client.get(f"tracks/{found[1]}").json
        except BadAnswer as error:
            raise NoCoverError(str(error)) from None
        except (SpotifyError, OSError) as error:
            log.info("Spotify is not asked for further tracks now: %s", error)
            self._is_over = True
            raise NotAskedError from None
        album = answer.get("album")
        return album.get("images") if isinstance(album, dict) else None

    def _account(self) -> Account | None:
        """Any account whose login works, as far as is known."""
        accounts = self._state.accounts()
        return next(
            (each for each in accounts if each.authorized_at and not each.needs_login), None
        )

    def _new_client(self) -> SpotifyClient:
        account = self._account()
        if account is None:  # logged out since the plan was made
            raise NotAskedError
        settings = self._settings
        app, store = OAuthApp(settings, transport.per_exchange), TokenStore(settings.tokens)
        login = StoredLogin(app, store, self._state, account.account_id)
        return SpotifyClient(settings, login, Retrying.never())

    @property
    def _sign(self) -> Path:
        return self._settings.covers / "called"

    def _leave_sign(self) -> None:
        """Say that calls were made, by the file's time of change."""
        self._sign.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._sign.touch(mode=0o600)
