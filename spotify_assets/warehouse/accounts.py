"""Accounts as their owner manages them: find one by its name, give it a display name, remove it.

Belongs here: what concerns an account in both databases at once. Its login is in `spotify.state`,
its time zone in `zones`, how it is doing in `health`.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Table, delete, func, insert, select

from spotify_assets import times
from spotify_assets.settings import Settings
from spotify_assets.spotify import recently_played
from spotify_assets.spotify.state import State, normal_name
from spotify_assets.spotify.token_store import TokenStore
from spotify_assets.warehouse.backups.making import back_up
from spotify_assets.warehouse.backups.migrating import bring_up_to_date
from spotify_assets.warehouse.importing import known_accounts
from spotify_assets.warehouse.lock import writing
from spotify_assets.warehouse.pending import RECENTLY_PLAYED
from spotify_assets.warehouse.tables import (
    account_names,
    account_zones,
    changed_dates,
    coverage_closures,
    coverage_gaps,
    exclusions,
    export_days,
    export_files,
    export_packages,
    loads,
    model_watermarks,
    quarantined_rows,
    raw_recently_played,
    raw_streaming_history,
    removals,
)
from spotify_assets.warehouse.warehouse import Warehouse
from spotify_assets.warehouse.zones import forget_models

LONGEST_NAME = 64
SHOWS_THE_NAME = "dim_accounts"  # the model


class AccountError(ValueError):
    """What was asked of an account cannot be done; the message says why."""


@dataclass(frozen=True)
class Holdings:
    """What is kept of an account.

    Attributes:
        listed_plays: plays that Spotify listed: in raw, in quarantine and on pages not loaded yet.
            Spotify lists only the last 50, so nothing brings them back.
        exported_rows: rows of imported downloads, those in quarantine included.
    """

    listed_plays: int
    exported_rows: int


@dataclass(frozen=True)
class Removed:
    """What a removal took away, and the backup that was made before."""

    exported_rows: int
    backup: Path | None


def display_names(warehouse: Warehouse) -> dict[str, str]:
    """The names that the owner gave to accounts, by account id."""
    if not warehouse.has_table(account_names.name):  # a warehouse that the next run migrates
        return {}
    return {row.account_id: row.display_name for row in warehouse.read(select(account_names))}


def known_as(settings: Settings, name: str) -> str:
    """The id of the account of this name: an id itself, else a display name; else the name.

    An id comes first: an account that logs in later may have one that is another's display name.
    """
    name = normal_name(name)
    if name in known_accounts(settings):
        return name
    names = display_names(Warehouse(settings.warehouse_path))
    return next(
        (each for each, shown in names.items() if shown.casefold() == name.casefold()), name
    )


def find_account(settings: Settings, name: str) -> str:
    """The id of the account that has this id or this display name.

    Raises:
        AccountError: there is none.
    """
    known, account_id = known_accounts(settings), known_as(settings, name)
    if account_id in known:
        return account_id
    here = f"Here are: {', '.join(sorted(known))}." if known else "Run: spotify-assets login"
    raise AccountError(f"There is no account {name[:LONGEST_NAME]!r}. {here}")


def check_display_name(name: str) -> str:
    """The name without spaces around it.

    Raises:
        AccountError: it is empty, too long, or has characters that would steer a terminal.
    """
    name = name.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise AccountError(
            f"{name[:LONGEST_NAME]!r} cannot be a display name: use 1 to {LONGEST_NAME} characters "
            "that can be printed."
        )
    return name


def rename(settings: Settings, account_id: str, name: str) -> bool:
    """Give an account a display name; its own id takes the display name back.

    Returns:
        Whether a model shows the account, so that a refresh is needed.

    Raises:
        AccountError: it cannot be a display name, or another account has it.
    """
    name = check_display_name(name)
    warehouse = Warehouse(settings.warehouse_path)
    with writing(settings.locks, "a change of an account's name"):
        bring_up_to_date(settings)
        others = {each: each for each in known_accounts(settings)} | display_names(warehouse)
        taken = {each: {each.casefold(), shown.casefold()} for each, shown in others.items()}
        owner = next(
            (each for each in taken if each != account_id and name.casefold() in taken[each]), None
        )
        if owner is not None:
            raise AccountError(f"{name!r} is the name of the account {owner} already.")
        with warehouse.writer().begin() as connection:
            mine = account_names.c.account_id == account_id
            before = connection.execute(select(account_names.c.display_name).where(mine)).scalar()
            if name == (before or account_id):
                return False
            connection.execute(delete(account_names).where(mine))
            if name != account_id:
                connection.execute(
                    insert(account_names).values(account_id=account_id, display_name=name)
                )
            # The model is built again by the next refresh; no other model has the name.
            seen = model_watermarks.c.model == SHOWS_THE_NAME
            return connection.execute(delete(model_watermarks).where(seen)).rowcount > 0


def holdings(settings: Settings, account_id: str) -> Holdings:
    """What is kept of an account, which decides whether it can be removed."""
    warehouse, state = Warehouse(settings.warehouse_path), State(settings.state_path)

    def count(table: Table, *where: object) -> int:
        if not warehouse.has_table(table.name):
            return 0
        query = select(func.count()).where(table.c.account_id == account_id, *where)  # type: ignore[arg-type]
        return int(warehouse.read(query)[0][0])

    of_api = quarantined_rows.c.source == RECENTLY_PLAYED
    listed = count(raw_recently_played) + count(quarantined_rows, of_api)
    return Holdings(
        listed_plays=listed or _plays_on_pages(state, account_id),
        exported_rows=count(raw_streaming_history) + count(quarantined_rows, ~of_api),
    )


def remove(settings: Settings, account_id: str) -> Removed:
    """Remove an account and all that is kept of it, after a backup.

    The order is safe against a kill at any point: the account is known until its rows in the
    warehouse are gone, so the same command goes on.

    Raises:
        AccountError: Spotify listed plays of it, which nothing could bring back.
        BackupError, OSError: no backup could be made. Nothing was changed.
    """
    state, warehouse = State(settings.state_path), Warehouse(settings.warehouse_path)
    with writing(settings.locks, "the removal of an account"):
        bring_up_to_date(settings)
        held = holdings(settings, account_id)
        require_removable(account_id, held)
        # Where the state knows it no more, a removal was killed after it had made its backup.
        is_known = any(each.account_id == account_id for each in state.accounts())
        kept = back_up(settings) if is_known else None
        TokenStore(settings.tokens).remove(account_id)
        if not state.remove_account(account_id, is_worthless=lambda body: not _items(body)):
            # A poll brought the first plays since.
            require_removable(account_id, holdings(settings, account_id))
        _remove_rows(warehouse, account_id)
    return Removed(held.exported_rows, kept.made.archive if kept else None)


def require_removable(account_id: str, held: Holdings) -> None:
    """Do nothing where an account may go.

    Raises:
        AccountError: it may not; the message says why, and what can be done instead.
    """
    if held.listed_plays:
        raise AccountError(
            f"{account_id} stays: {held.listed_plays:,} of its plays were listed by Spotify, which "
            "lists only the last 50, so nothing could bring them back. To stop collecting: "
            f"spotify-assets logout {account_id}"
        )


def _remove_rows(warehouse: Warehouse, account_id: str) -> None:
    mine = select(loads.c.load_id).where(loads.c.account_id == account_id)
    gaps = select(coverage_gaps.c.gap_id).where(coverage_gaps.c.account_id == account_id)
    with warehouse.writer().begin() as connection:
        connection.execute(
            delete(coverage_closures).where(
                coverage_closures.c.gap_id.in_(gaps) | coverage_closures.c.load_id.in_(mine)
            )
        )
        for table in (export_files, export_days):
            connection.execute(delete(table).where(table.c.load_id.in_(mine)))
        brought = connection.execute(
            select(func.sum(loads.c.rows_loaded)).where(loads.c.account_id == account_id)
        ).scalar()
        # Of an empty account as well: the last backup knows it.
        connection.execute(insert(removals).values(removed_at=times.now_text(), rows=brought or 0))
        removed = 0
        for table in (
            coverage_gaps,
            quarantined_rows,
            raw_streaming_history,
            export_packages,
            account_zones,
            account_names,
            changed_dates,
            exclusions,
            loads,
        ):
            where = table.c.account_id == account_id
            removed += connection.execute(delete(table).where(where)).rowcount
        if removed:
            forget_models(connection)


def _plays_on_pages(state: State, account_id: str) -> int:
    bodies = (page.body for page in map(state.page, state.page_ids(account_id)) if page)
    return max((len(_items(body)) for body in bodies), default=0)


def _items(body: str) -> list[object]:
    return list(recently_played.items(json.loads(body)))
