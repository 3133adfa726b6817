"""The configuration of a sandbox, and the world that follows from it.

Belongs here: what all endpoints share. Does not belong here: endpoints, sockets.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from spotify_assets.sandbox.answer_faults import ANSWER_FAULTS
from spotify_assets.sandbox.catalogue import Catalogue
from spotify_assets.sandbox.clock import Clock
from spotify_assets.sandbox.faults import Faults
from spotify_assets.sandbox.grants import Grants
from spotify_assets.sandbox.listener import Listener
from spotify_assets.sandbox.record_faults import RECORD_FAULTS
from spotify_assets.sandbox.recording import Recording
from spotify_assets.sandbox.world_faults import WORLD_FAULTS


@dataclass(frozen=True)
class SandboxConfig:
    """What can be chosen about a sandbox.

    `listeners` are the ids of the people who have an account; their names, taste and plays
    follow from `seed`. `now` is where the clock starts (this moment when None) and `speed` its
    seconds per real second. `recently_played` is a recorded response that everybody gets.
    `always_on` people play music around the clock. With `rotation`, each refresh brings a new
    refresh token and kills the old one. `not_listed` are listeners whom the app's list in the
    dashboard lacks. `hosts` are further host:port pairs under which browsers may ask for it.
    `token_mark` is in every code and token that is issued, so that a test can
    search for it what a client wrote.
    """

    seed: int = 2026
    listeners: tuple[str, ...] = ("mira", "jonas")
    now: datetime | None = None
    speed: float = 1.0
    app_name: str = "spotify-assets"
    client_id: str = "sandbox-client"
    client_secret: str = "sandbox-secret"
    redirect_uris: tuple[str, ...] = ("http://127.0.0.1:8765/callback",)
    recently_played: Path | None = None
    always_on: bool = False
    rotation: bool = False
    not_listed: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    token_mark: str = ""

    def __post_init__(self) -> None:
        """Raise ValueError for people who cannot have an account, no people, or a bad mark."""
        if not self.listeners:
            raise ValueError("a sandbox needs at least one listener")
        for listener in self.listeners:
            if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", listener):
                raise ValueError(
                    f"{listener!r} cannot be a listener's id: use 1 to 64 of A-Z a-z 0-9 . _ -"
                )
        # What a bearer token may consist of, by RFC 6750.
        if not re.fullmatch(r"[A-Za-z0-9._~+/=-]{0,64}", self.token_mark):
            raise ValueError("a token's mark has up to 64 of A-Z a-z 0-9 . _ ~ + / = -")


class World:
    """One clock, one catalogue, the people, what they have granted, and what goes wrong.

    `rotation` may be switched at any time. `stopping` is set when the sandbox ends.
    """

    def __init__(self, config: SandboxConfig) -> None:
        """Make it all up. Raises ValueError or OSError when the recording cannot be used."""
        self.config = config
        self.clock = Clock(config.now, config.speed)
        self.catalogue = Catalogue(config.seed)
        self.listeners = {
            listener: Listener(listener, self.catalogue, config.seed, config.always_on)
            for listener in config.listeners
        }
        self.grants = Grants(self.clock, config.token_mark)
        self.recording = Recording(config.recently_played) if config.recently_played else None
        known = (*ANSWER_FAULTS, *WORLD_FAULTS, *RECORD_FAULTS)
        self.faults = Faults(known, self.clock, config.listeners)
        self.rotation = config.rotation
        self.not_listed = config.not_listed
        self.stopping = threading.Event()

    @property
    def not_listed(self) -> tuple[str, ...]:
        """The listeners whom the app's list lacks. Setting it raises ValueError for strangers."""
        return self._not_listed

    @not_listed.setter
    def not_listed(self, listeners: Iterable[str]) -> None:
        self._not_listed = tuple(map(self.known, listeners))

    def revoke(self, listener: str) -> None:
        """Take back all that a listener granted to the app. Raises ValueError for a stranger."""
        self.grants.revoke(self.known(listener))

    def known(self, listener: object) -> str:
        """The id itself, if it is that of a listener. Raises ValueError."""
        if not isinstance(listener, str) or listener not in self.listeners:
            raise ValueError(f"listener must be one of: {', '.join(self.listeners)}")
        return listener
