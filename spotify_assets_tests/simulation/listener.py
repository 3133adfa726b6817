"""Somebody who listens a lot: two hundred plays a day, and now and then an hour of short songs."""

import random
from bisect import bisect_right
from collections.abc import Callable
from datetime import datetime, timedelta

from spotify_assets.sandbox.catalogue import Catalogue
from spotify_assets.sandbox.listener import Play

PLAYS_A_DAY = 200
BURST = 60  # plays of 31 s each, half an hour
WAKES = timedelta(hours=7)


class HeavyListener:
    """Stands in for a listener of the sandbox; all plays are made up beforehand."""

    display_name = "Heavy"
    account_id = "heavy0heavy"

    def __init__(
        self, listener_id: str, catalogue: Catalogue, seed: int, start: datetime, days: int
    ) -> None:
        self.id = listener_id
        self._dice = random.Random(f"heavy/{seed}")
        self._tracks = catalogue.tracks
        self._plays = [play for day in range(days) for play in self._day(start + day * DAY)]
        self._ends = [play.ended_at for play in self._plays]

    def plays(self, start: datetime, end: datetime, with_short: bool = False) -> list[Play]:
        """The plays that ended after `start` and not after `end`, oldest first."""
        between = self._plays[bisect_right(self._ends, start) : bisect_right(self._ends, end)]
        return [play for play in between if with_short or not play.is_short]

    def newest(
        self,
        now: datetime,
        count: int,
        with_short: bool = False,
        has_arrived: Callable[[Play], bool] = lambda _: True,
    ) -> list[Play]:
        """The last plays that had ended by `now` and have arrived, newest first."""
        found: list[Play] = []
        for play in reversed(self._plays[: bisect_right(self._ends, now)]):
            if len(found) == count:
                break
            if (with_short or not play.is_short) and has_arrived(play):
                found.append(play)
        return found

    def _day(self, midnight: datetime) -> list[Play]:
        dice, moment, plays = self._dice, midnight + WAKES, list[Play]()
        bursts = {dice.randrange(PLAYS_A_DAY - BURST)} if dice.random() < 0.5 else set()
        left = 0
        while len(plays) < PLAYS_A_DAY and moment < midnight + DAY:
            if len(plays) in bursts:
                left = BURST
            track, is_short = dice.choice(self._tracks), not left and dice.random() < 0.04
            ms_played = dice.randint(5_000, 29_000) if is_short else dice.randint(90_000, 330_000)
            if left:
                ms_played, left = 31_000, left - 1
            if dice.random() < 0.03 and not left:
                moment += timedelta(minutes=dice.randint(5, 60))
            ended = moment + timedelta(milliseconds=ms_played)
            plays.append(Play(track, None, moment, ended, ms_played, is_short))
            moment = ended
        return plays


DAY = timedelta(days=1)
