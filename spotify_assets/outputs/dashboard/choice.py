"""What a reader chose: accounts, a period, a measure. All of it stands in the address."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from spotify_assets import times
from spotify_assets.outputs.marts.look import Account
from spotify_assets.outputs.periods import LAST_DAYS, Period, period
from spotify_assets.settings import Settings

DEFAULT_PERIOD = "28"


@dataclass(frozen=True)
class Link:
    """A choice to make, by its words and its address."""

    words: str
    address: str
    is_chosen: bool


@dataclass(frozen=True)
class Choice:
    """One reader's choice, and the addresses of the others.

    Attributes:
        chosen: the accounts that the page is about.
        clock: the zone of SPOTIFY_TIMEZONE.
        today: the date in it.
        settings: where the data are.
    """

    accounts: Sequence[Account]
    chosen: Sequence[Account]
    period: Period
    by_time: bool
    today: date
    clock: ZoneInfo
    query: Mapping[str, str]
    settings: Settings

    @classmethod
    def of(
        cls, query: Mapping[str, str], accounts: Sequence[Account], settings: Settings
    ) -> "Choice":
        """The choice that an address makes.

        Raises:
            ValueError: it names an account or a period that there is not.
        """
        clock = ZoneInfo(settings.timezone)
        today = times.now().astimezone(clock).date()
        who = query.get("account")
        chosen = [each for each in accounts if not who or who == each.account_id]
        if not chosen:
            raise ValueError("There is no such account.")
        by = query.get("by") or "plays"
        if by not in ("plays", "time"):
            raise ValueError("Rankings are by plays or by time.")
        return cls(
            accounts=accounts,
            chosen=chosen,
            period=period(query.get("period") or DEFAULT_PERIOD, today),
            by_time=by == "time",
            today=today,
            clock=clock,
            query=dict(query),
            settings=settings,
        )

    @property
    def ids(self) -> list[str]:
        return [each.account_id for each in self.chosen]

    @property
    def one(self) -> str | None:
        """The account that is chosen, or is the only one; None for all of several."""
        return self.chosen[0].account_id if len(self.chosen) == 1 else None

    @property
    def years(self) -> list[int]:
        """The years of the chosen accounts' plays, the newest first."""
        first = min(each.first_date for each in self.chosen).year
        return list(range(self.today.year, first - 1, -1))

    def address(self, page: str, **changes: str | None) -> str:
        """The address of a page with the same choice, but for what changes."""
        kept = {
            name: value for name, value in self.query.items() if name in ("account", "period", "by")
        }
        values = {name: value for name, value in (kept | changes).items() if value}
        return f"/{page}" + (f"?{urlencode(values)}" if values else "")

    def periods(self, page: str) -> list[Link]:
        """The periods that are offered, and the one that is chosen where it is another."""
        words = {str(days): f"{days} days" for days in LAST_DAYS[:3]}
        words |= {"365": "365 days", "month": "This month", "year": "This year", "all": "All time"}
        if self.period.name not in words:
            words[self.period.name] = self.period.title
        return [
            Link(text, self.address(page, period=name), name == self.period.name)
            for name, text in words.items()
        ]

    def listeners(self, page: str) -> list[Link]:
        """The accounts, and all of them together; none where there is one only."""
        if len(self.accounts) == 1:
            return []
        links = [
            Link(
                each.name,
                self.address(page, account=each.account_id),
                self.one == each.account_id,
            )
            for each in self.accounts
        ]
        everyone = Link("Everyone", self.address(page, account=None), self.one is None)
        return [everyone, *links]

    def measures(self, page: str, **kept: str) -> list[Link]:
        """By plays or by time."""
        return [
            Link("By plays", self.address(page, by=None, **kept), not self.by_time),
            Link("By time", self.address(page, by="time", **kept), self.by_time),
        ]

    def to(self, kind: str, key: str) -> str:
        """The address of an artist, a track, an album or a podcast by itself."""
        return self.address(f"{kind}/one", key=key)
