"""How things stand, account by account, and what an owner must be told of it.

The one function that `status`, the asset checks and the health sensor ask. It reads what is
stored and calls nobody.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Literal

from sqlalchemy import func, select

from spotify_assets import times, timetable
from spotify_assets.settings import Settings
from spotify_assets.spotify import recently_played
from spotify_assets.spotify.blocks import Blocks
from spotify_assets.spotify.login_life import ALARM, login_life
from spotify_assets.spotify.state import BLIND_AFTER, NOBODY_LOOKED, Account, State
from spotify_assets.spotify.token_store import ENDPOINT
from spotify_assets.warehouse.accounts import display_names
from spotify_assets.warehouse.backups.loss import doubt, has_backups, losses
from spotify_assets.warehouse.pending import is_a_day_behind
from spotify_assets.warehouse.tables import (
    coverage_closures,
    coverage_gaps,
    loads,
    open_gaps,
    quarantined_rows,
    raw_recently_played,
)
from spotify_assets.warehouse.warehouse import Warehouse

# A silence is unusual that is longer than all of these weeks held, and than a quiet weekend.
WEEKS_COMPARED = timedelta(weeks=8)
QUIET_WEEKEND = timedelta(days=3)

OUTAGE = timedelta(hours=24)

OVERFULL = "more plays came up in a gap than it can hold"

Silence = Literal["quiet", "unusual", "old list"]


@dataclass(frozen=True)
class Health:
    """How one account stands. Times are UTC text, None where there is none.

    Attributes:
        name: what the owner calls the account; by default `account_id`.
        is_logged_in: whether anything can poll for the account.
        last_look_at: of the last answered look; `last_try_at` of the last one, answered or not.
        last_look_error: of the looks since the last answered one; `failing_since` the first.
        blind_since: the last answered look, where it is too long ago.
        blind_because: what kept us from looking since.
        provisional_gap_from: end of the last known play while blind; the next look tells whether
            anything after it was lost.
        lag_seconds: from a play's end until it was seen, the longest of the newest load: how late
            Spotify listed it, or how long nobody looked.
        open_gaps: gaps in which plays may be missing, `max_lost_plays` in all of them.
        overfull_gaps: gaps in which more plays were found than were thought possible.
        silence: what to think of the time since the last play. Spotify's list may stand still
            where somebody listens; "old list" says that it does, "unusual" that it may.
    """

    account_id: str
    name: str
    is_logged_in: bool
    last_look_at: str | None
    last_try_at: str | None
    last_look_error: str | None
    failing_since: str | None
    blind_since: str | None
    blind_because: str | None
    provisional_gap_from: str | None
    last_play_at: str | None
    lag_seconds: int | None
    silence: Silence
    open_gaps: int
    max_lost_plays: int
    overfull_gaps: int
    quarantined_rows: int
    blocked_until: str | None
    blocked_because: str | None
    login_ends_at: str | None
    login_days_left: int | None
    login_warning: str | None


@dataclass(frozen=True)
class Verdict:
    """What an asset check says: what is wrong, or else what is well.

    `urgent`: it is more than a warning.
    """

    findings: list[str]
    all_is_well: str
    metadata: dict[str, Any]
    urgent: bool = False

    @property
    def passed(self) -> bool:
        return not self.findings

    @property
    def description(self) -> str:
        return "; ".join(self.findings) or self.all_is_well


def health(settings: Settings) -> list[Health]:
    """How every account stands now, by name."""
    state, warehouse = State(settings.state_path), Warehouse(settings.warehouse_path)
    blocks, names = Blocks(settings), display_names(warehouse)
    block = blocks.present(recently_played.PATH) or blocks.present(ENDPOINT)
    return [
        Health(
            account_id=account.account_id,
            name=names.get(account.account_id, account.account_id),
            is_logged_in=account.authorized_at is not None and not account.needs_login,
            last_look_at=account.last_look_at,
            last_try_at=max(
                filter(None, (account.last_look_at, account.last_failed_at)), default=None
            ),
            last_look_error=account.last_look_error,
            failing_since=account.first_failed_at,
            **_blindness(account, warehouse),
            last_play_at=warehouse.newest_play_of_any_source(account.account_id),
            lag_seconds=_lag_seconds(account.account_id, state, warehouse),
            silence=_silence(account.account_id, warehouse),
            **_gaps(account.account_id, warehouse),
            quarantined_rows=_quarantined(account.account_id, warehouse),
            blocked_until=block.blocked_until if block else None,
            blocked_because=block.reason if block else None,
            **_login(account),
        )
        for account in all_accounts(state, warehouse)
    ]


def all_accounts(state: State, warehouse: Warehouse) -> list[Account]:
    """The accounts, also those that a lost `state.db` took with it; their plays are still here."""
    nobody = dict.fromkeys(Account.__dataclass_fields__) | {"needs_login": False}
    known = {account.account_id: account for account in state.accounts()}
    for (name,) in warehouse.read(select(loads.c.account_id).distinct()):
        known.setdefault(name, Account(**{**nobody, "account_id": name}))
    return [known[name] for name in sorted(known)]


def outages(settings: Settings, tried_before: Mapping[str, str | None]) -> list[str]:
    """What to say of accounts that have had no answer for a day or more, once for each such day.

    For a poll that has just been made. Nothing is remembered: the day before was told of by the
    poll that was the first one in it.

    Args:
        tried_before: when each account was polled before that, as UTC text.
    """
    found = []
    for account in State(settings.state_path).accounts():
        since = account.last_look_at or account.authorized_at
        if account.last_look_error is None or since is None or account.authorized_at is None:
            continue
        days, before = (
            (times.from_text(at) - times.from_text(since)) // OUTAGE if at else 0
            for at in (times.now_text(), tried_before.get(account.account_id))
        )
        if days >= 1 and days > before:
            found.append(
                f"{account.account_id}: no answer from Spotify since "
                f"{times.local(since, settings.timezone)}: {account.last_look_error}"
            )
    return found


def verdicts(accounts: Sequence[Health], zone: str) -> dict[str, Verdict]:
    """What each check of this name says of the accounts, with times on the zone's clock."""
    return {
        "coverage": _coverage(accounts),
        "last_look_age": _last_look_age(accounts, zone),
        "newest_play_age": _newest_play_age(accounts, zone),
        "logins_last": _logins_last(accounts),
    }


def all_verdicts(settings: Settings) -> dict[str, Verdict]:
    """What every check says now."""
    return {**verdicts(health(settings), settings.timezone), **verdicts_on_data(settings)}


def verdicts_on_data(settings: Settings) -> dict[str, Verdict]:
    """What each check of this name says of all that is kept."""
    return {
        "nothing_is_missing": _nothing_is_missing(settings),
        "marts_are_current": _marts_are_current(settings),
    }


def _nothing_is_missing(settings: Settings) -> Verdict:
    """Whether the databases still hold what they held: one that was removed looks well."""
    lost, unknown = losses(settings), doubt(settings)
    compared = "All is here that the last backup holds"
    if not has_backups(settings):
        compared = "There is no backup yet to compare with"
    return Verdict(
        findings=[*lost, *([unknown] if unknown else [])],
        all_is_well=f"{compared}, and every account is known.",
        urgent=bool(lost),
        metadata={"losses": len(lost)},
    )


def _marts_are_current(settings: Settings) -> Verdict:
    due = timetable.daily_refresh_was_due_before(settings)
    is_behind = is_a_day_behind(Warehouse(settings.warehouse_path), due)
    finding = (
        "The marts of the day lack plays that were loaded before "
        f"{times.local(due, settings.timezone)}, or while the clock ran ahead. The next refresh "
        "builds them: spotify-assets refresh"
    )
    return Verdict(
        findings=[finding] * is_behind,
        all_is_well="The marts of the day follow the plays.",
        metadata={},
    )


def _coverage(accounts: Sequence[Health]) -> Verdict:
    with_gaps = [account for account in accounts if account.open_gaps]
    overfull = [account.name for account in accounts if account.overfull_gaps]
    told = [
        f"{account.name}: at most {account.max_lost_plays:,} plays may be lost in "
        f"{account.open_gaps:,} {'gap' if account.open_gaps == 1 else 'gaps'}"
        for account in with_gaps
    ]
    told += [f"{name}: {OVERFULL}" for name in overfull]
    return Verdict(
        findings=told,
        all_is_well="No known loss.",
        urgent=bool(overfull),
        metadata={account.account_id: account.max_lost_plays for account in with_gaps},
    )


def _last_look_age(accounts: Sequence[Health], zone: str) -> Verdict:
    told = [
        f"{account.name}: plays after "
        f"{times.local(account.provisional_gap_from or account.blind_since, zone)} may get lost; "
        f"not seen since {times.local(account.blind_since, zone)}: {account.blind_because}"
        for account in accounts
        if account.blind_since
    ]
    return Verdict(
        findings=told,
        all_is_well="Every account was seen within 25 minutes.",
        metadata={account.account_id: account.last_look_at or "never" for account in accounts},
    )


def _newest_play_age(accounts: Sequence[Health], zone: str) -> Verdict:
    words = {
        "old list": "Spotify shows an older list than before, so its list stands still",
        "unusual": "silent for longer than ever in eight weeks, or Spotify's list stands still",
    }
    told = [
        f"{account.name}: {words[account.silence]}; "
        f"the newest play ended {times.local(account.last_play_at, zone)}"
        for account in accounts
        if account.silence in words and account.last_play_at
    ]
    return Verdict(
        findings=told,
        all_is_well="No silence is longer than usual.",
        metadata={account.account_id: account.last_play_at or "none" for account in accounts},
    )


def _logins_last(accounts: Sequence[Health]) -> Verdict:
    days = {
        account.account_id: account.login_days_left
        for account in accounts
        if account.login_days_left is not None
    }
    return Verdict(
        findings=[account.login_warning for account in accounts if account.login_warning],
        all_is_well="Every login lasts for more than thirty days.",
        urgent=any(left <= ALARM for left in days.values()),
        metadata={"days_left": days},
    )


def _blindness(account: Account, warehouse: Warehouse) -> dict[str, Any]:
    # Nobody polls for an account that never logged in, or that logged out.
    seen = account.authorized_at and (account.last_look_at or account.authorized_at)
    if seen is None or times.now() - times.from_text(seen) <= BLIND_AFTER:
        return dict.fromkeys(("blind_since", "blind_because", "provisional_gap_from"))
    return {
        "blind_since": seen,
        "blind_because": account.last_look_error or NOBODY_LOOKED,
        "provisional_gap_from": warehouse.newest_play(account.account_id),
    }


def _lag_seconds(account_id: str, state: State, warehouse: Warehouse) -> int | None:
    pages = (loads.c.account_id == account_id, loads.c.page_id.is_not(None))
    query = select(loads).where(*pages, loads.c.rows_loaded > 0).order_by(loads.c.load_id.desc())
    load, *before = warehouse.read(query.limit(2)) or (None,)
    if load is None or not before:  # the first page is history
        return None
    plays = raw_recently_played.c
    ((oldest,),) = warehouse.read(
        select(func.min(plays.played_at)).where(
            plays.account_id == account_id,
            plays.played_at.between(load.window_from, load.window_to),
            plays.load_id == load.load_id,
        )
    )
    page = state.page(load.page_id)
    listed_at = page.landed_at if page else load.loaded_at
    if listed_at > times.now_text():  # the clock ran ahead, so nobody knows
        return None
    lag = times.from_text(listed_at) - times.from_text(oldest) if oldest else None
    return max(0, int(lag.total_seconds())) if lag is not None else None


def _silence(account_id: str, warehouse: Warehouse) -> Silence:
    pages = select(loads.c.window_to).where(
        loads.c.account_id == account_id, loads.c.page_id.is_not(None)
    )
    last = warehouse.read(pages.order_by(loads.c.load_id.desc()).limit(1))
    latest = warehouse.read(pages.order_by(loads.c.window_to.desc()).limit(1))
    if last and last[0].window_to and last[0].window_to < latest[0].window_to:
        return "old list"
    newest = warehouse.newest_play(account_id)
    if newest is None:
        return "quiet"
    silent = times.now() - times.from_text(newest)
    if silent <= QUIET_WEEKEND:
        return "quiet"
    return "unusual" if silent > _longest_silence(account_id, newest, warehouse) else "quiet"


def _longest_silence(account_id: str, newest: str, warehouse: Warehouse) -> timedelta:
    plays = raw_recently_played.c
    since = times.to_text(max(times.from_text(newest) - WEEKS_COMPARED, _EARLIEST))
    ends = warehouse.read(
        select(plays.played_at)
        .where(plays.account_id == account_id, plays.played_at >= since)
        .order_by(plays.played_at)
    )
    moments = [times.from_text(end) for (end,) in ends]
    return max((after - before for before, after in pairwise(moments)), default=timedelta())


_EARLIEST = datetime.min.replace(tzinfo=UTC) + WEEKS_COMPARED


def _gaps(account_id: str, warehouse: Warehouse) -> dict[str, Any]:
    if not warehouse.has_table("open_gaps"):  # a warehouse of before, which the next run brings up
        return dict.fromkeys(("open_gaps", "max_lost_plays", "overfull_gaps"), 0)
    parts = warehouse.read(select(open_gaps).where(open_gaps.c.account_id == account_id))
    bounds = {part.gap_id: part.max_lost_plays for part in parts}
    found = func.sum(coverage_closures.c.rows_inside)
    overfull = warehouse.read(
        select(coverage_gaps.c.gap_id)
        .join(coverage_closures)
        .where(coverage_gaps.c.account_id == account_id)
        .group_by(coverage_gaps.c.gap_id)
        .having(found > func.max(coverage_gaps.c.max_lost_plays))
    )
    return {
        "open_gaps": len(bounds),
        "max_lost_plays": sum(bounds.values()),
        "overfull_gaps": len(overfull),
    }


def _quarantined(account_id: str, warehouse: Warehouse) -> int:
    rows = quarantined_rows.c
    counted = warehouse.read(
        select(func.count()).where(rows.account_id == account_id, rows.released_by.is_(None))
    )
    return int(counted[0][0]) if counted else 0


def _login(account: Account) -> dict[str, Any]:
    life = login_life(account, times.now())
    return {
        "login_ends_at": account.login_ends_at,
        "login_days_left": life.days_left if life else None,
        "login_warning": life.warning if life else None,
    }
