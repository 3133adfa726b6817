"""How long an account's login lasts, and when its owner is told: one answer for every reader.

Spotify ends each login six months after its owner agreed and tells nobody beforehand.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from spotify_assets import times

if TYPE_CHECKING:  # 0.1 s that commands which show no account need not pay
    from spotify_assets.spotify.state import Account

# Days before the end at which the words get louder: `accounts` and the asset check say it, then
# every refresh does, then the check is an error.
NOTICE, WARNING, ALARM = 30, 7, 1


@dataclass(frozen=True)
class LoginLife:
    """What is left of an account's login.

    Attributes:
        days_left: rounded up to whole days; 0 where Spotify has ended it, by time or otherwise.
        warning: what to tell the owner; None while there is more than a month left.
    """

    days_left: int
    warning: str | None


def login_life(account: "Account", now: datetime) -> LoginLife | None:
    """What is left of the account's login, or None where nobody ever logged in."""
    if account.login_ends_at is None:
        return None
    left = times.from_text(account.login_ends_at) - now
    days = 0 if account.needs_login else max(0, math.ceil(left / timedelta(days=1)))
    if days > NOTICE:
        return LoginLife(days, None)
    date = account.login_ends_at[:10]
    if account.needs_login:
        says = "Spotify refuses this login"
    elif days == 0:
        says = f"this login ended on {date}, six months after it was given"
    else:
        says = f"this login ends within {days} {'day' if days == 1 else 'days'}, on {date}"
    return LoginLife(days, f"{account.account_id}: {says}. Run: spotify-assets login")
