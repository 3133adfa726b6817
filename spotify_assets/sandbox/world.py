"""The configuration of a sandbox, and the world that follows from it.

Belongs here: what all endpoints share. Does not belong here: endpoints, sockets.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from spotify_assets.sandbox.catalogue import Catalogue
from spotify_assets.sandbox.clock import Clock
from spotify_assets.sandbox.grants import Grants
from spotify_assets.sandbox.listener import Listener
from spotify_assets.sandbox.recording import Recording


@dataclass(frozen=True)
class SandboxConfig:
    """What can be chosen about a sandbox.

    `listeners` are the ids of the people who have an account; their names, taste and plays
    follow from `seed`. `now` is where the clock starts (this moment when None) and `speed` its
    seconds per real second. `recently_played` is a recorded response that everybody gets.
    `always_on` people play music around the clock.
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

    def __post_init__(self) -> None:
        """Raise ValueError for people who cannot have an account, or no people at all."""
        if not self.listeners:
            raise ValueError("a sandbox needs at least one listener")
        for listener in self.listeners:
            if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", listener):
                raise ValueError(
                    f"{listener!r} cannot be a listener's id: use 1 to 64 of A-Z a-z 0-9 . _ -"
                )


class World:
    """One clock, one catalogue, the people, and what they have granted."""

    def __init__(self, config: SandboxConfig) -> None:
        """Make it all up. Raises ValueError or OSError when the recording cannot be used."""
        self.config = config
        self.clock = Clock(config.now, config.speed)
        self.catalogue = Catalogue(config.seed)
        self.listeners = {
            listener: Listener(listener, self.catalogue, config.seed, config.always_on)
            for listener in config.listeners
        }
        self.grants = Grants(self.clock)
        self.recording = Recording(config.recently_played) if config.recently_played else None
