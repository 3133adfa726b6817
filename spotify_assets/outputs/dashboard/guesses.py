"""How often a password may be guessed: few times by one client, not many times by all of them."""

import threading
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from math import ceil
from typing import TypeVar

from spotify_assets import times

MOST_OF_ONE, MOST_OF_ALL = 5, 50
WITHIN = timedelta(minutes=15)

T = TypeVar("T")


class TooManyGuesses(Exception):
    """The password was not looked at. `seconds`: when to come again."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"Too many guesses. Try again in {seconds} s.")
        self.seconds = seconds


class Guesses:
    """The wrong guesses of the last minutes. The oldest are forgotten, so memory is bounded."""

    def __init__(self) -> None:
        self._wrong: deque[tuple[datetime, str]] = deque(maxlen=MOST_OF_ALL)
        self._checking = threading.Lock()

    def check(self, client: str, guess: Callable[[], T | None]) -> T | None:
        """The result of a guess, which is None where it was wrong.

        One guess at a time, since each takes 32 MiB and 0.2 s. Who comes meanwhile is
        sent away, not kept waiting: a waiting guess would hold a thread that pages need.

        Raises:
            TooManyGuesses: too many were wrong, or another one is being checked.
        """
        if not self._checking.acquire(blocking=False):
            raise TooManyGuesses(1)
        try:
            wait = self._wait(client)
            if wait > timedelta():
                raise TooManyGuesses(ceil(wait / timedelta(seconds=1)))
            result = guess()
            if result is None:
                self._wrong.append((times.now(), client))
            return result
        finally:
            self._checking.release()

    def _wait(self, client: str) -> timedelta:
        now = times.now()
        recent = [(when, who) for when, who in self._wrong if now - when < WITHIN]
        own = [when for when, who in recent if who == client]
        waits = [timedelta()]
        if len(own) >= MOST_OF_ONE:
            waits.append(own[-MOST_OF_ONE] + WITHIN - now)
        if len(recent) >= MOST_OF_ALL:
            waits.append(recent[0][0] + WITHIN - now)
        return max(waits)
