"""Asset checks of the raw assets. They report; what is bad was kept out before the write."""

from collections.abc import Iterator

import dagster as dg
from sqlalchemy import Table, func, select

from spotify_assets import times
from spotify_assets.defs.ingestion.assets import recently_played
from spotify_assets.defs.ingestion.streaming_history import streaming_history
from spotify_assets.defs.resources import SpotifyResource, WarehouseResource
from spotify_assets.settings import Settings
from spotify_assets.warehouse.drift import unread_fields
from spotify_assets.warehouse.exported import STREAMING_HISTORY
from spotify_assets.warehouse.health import Verdict, all_verdicts
from spotify_assets.warehouse.pending import RECENTLY_PLAYED
from spotify_assets.warehouse.tables import (
    loads,
    quarantined_rows,
    raw_recently_played,
    raw_streaming_history,
)

NOTHING_WAITS = "Nothing is in quarantine."


def _contract(asset: dg.AssetKey, source: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=asset, name="contract")
    def contract(warehouse: WarehouseResource) -> dg.AssetCheckResult:
        """No row waits in quarantine but those that were dismissed."""
        columns = quarantined_rows.c
        rows = warehouse.warehouse.read(
            select(
                columns.reasons,
                func.count().label("rows"),
                func.count(columns.dismissed_at).label("dismissed"),
            )
            .where(columns.source == source, columns.released_by.is_(None))
            .group_by(columns.reasons)
        )
        waiting = sum(row.rows - row.dismissed for row in rows)
        if waiting:
            description = "Rows in quarantine, by reason. Why: spotify-assets quarantine"
        else:
            description = "All rows in quarantine were dismissed." if rows else NOTHING_WAITS
        return dg.AssetCheckResult(
            passed=not waiting,
            severity=dg.AssetCheckSeverity.WARN,
            description=description,
            metadata={
                "quarantined_rows": sum(row.rows for row in rows),
                "dismissed_rows": sum(row.dismissed for row in rows),
                "reasons": {row.reasons: row.rows for row in rows},
            },
        )

    return contract


def _sums(asset: dg.AssetKey, source: str, table: Table) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=asset, name="sums")
    def sums(warehouse: WarehouseResource) -> dg.AssetCheckResult:
        """The table holds exactly what the loads say that they brought."""
        rows = warehouse.warehouse.read(select(func.count()).select_from(table))
        loaded = warehouse.warehouse.read(
            select(func.coalesce(func.sum(loads.c.rows_loaded), 0)).where(loads.c.source == source)
        )
        in_table, in_loads = (found[0][0] if found else 0 for found in (rows, loaded))
        return dg.AssetCheckResult(
            passed=in_table == in_loads,
            severity=dg.AssetCheckSeverity.ERROR,
            metadata={"rows_in_table": in_table, "rows_loaded_in_all_loads": in_loads},
        )

    return sums


def _fields(asset: dg.AssetKey, source: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=asset, name="fields")
    def fields(warehouse: WarehouseResource) -> dg.AssetCheckResult:
        """No field has another type than Spotify's format says, in rows of the last 30 days."""
        unread = unread_fields(warehouse.warehouse, source, times.now())
        changed = [each for each in unread if each.has_changed]
        found = ", ".join(f"{each.field} ({each.rows:,} of {each.of_rows:,})" for each in changed)
        return dg.AssetCheckResult(
            passed=not changed,
            severity=dg.AssetCheckSeverity.WARN,
            description=(
                f"Rows with a value that cannot be read: {found}. Spotify may have changed its "
                "format. The plays are loaded without these values; look for a newer "
                "spotify-assets."
                if changed
                else "All fields can be read."
            ),
            metadata={"rows_by_field": {each.field: each.rows for each in unread}},
        )

    return fields


played_contract = _contract(recently_played.key, RECENTLY_PLAYED)
played_sums = _sums(recently_played.key, RECENTLY_PLAYED, raw_recently_played)
played_fields = _fields(recently_played.key, RECENTLY_PLAYED)
exported_contract = _contract(streaming_history.key, STREAMING_HISTORY)
exported_sums = _sums(streaming_history.key, STREAMING_HISTORY, raw_streaming_history)
exported_fields = _fields(streaming_history.key, STREAMING_HISTORY)


@dg.asset_check(asset=recently_played)
def every_account_was_read(spotify: SpotifyResource) -> dg.AssetCheckResult:
    """The last look at each account was answered; otherwise the run ends red, models built."""
    errors = {
        account.account_id: account.last_look_error
        for account in spotify.state.accounts()
        if account.last_look_error
    }
    if errors:
        raise dg.Failure(
            "; ".join(f"{account}: {error}" for account, error in errors.items()),
            allow_retries=False,
        )
    return dg.AssetCheckResult(passed=True)


OF_HEALTH = {
    "coverage": "No gap is open in which plays may have been lost.",
    "last_look_age": "Every account was seen so recently that no play can have left Spotify's list"
    " since.",
    "newest_play_age": "Nobody is silent for longer than usual, and Spotify's list does not stand"
    " still.",
    "logins_last": "No login has ended or will within thirty days; Spotify ends each one after six"
    " months.",
    "nothing_is_missing": "All is here that the last backup holds, and every account is known:"
    " neither database was removed or replaced.",
    "marts_are_current": "The models that are built once a day hold all plays but the newest"
    " day's.",
}


@dg.multi_asset_check(
    specs=[
        dg.AssetCheckSpec(name, asset=recently_played, description=description)
        for name, description in OF_HEALTH.items()
    ],
    can_subset=True,
)
def recently_played_health(
    context: dg.AssetCheckExecutionContext,
) -> Iterator[dg.AssetCheckResult]:
    """How the accounts stand, asked once for all checks that tell of it."""
    settings = Settings.load()
    wanted = {key.name for key in context.selected_asset_check_keys}
    for name, verdict in all_verdicts(settings).items():
        if name not in wanted:
            continue
        yield dg.AssetCheckResult(
            check_name=name,
            asset_key=recently_played.key,
            passed=verdict.passed,
            severity=severity(verdict),
            description=verdict.description,
            metadata=verdict.metadata,
        )


def severity(verdict: Verdict) -> dg.AssetCheckSeverity:
    """How loud Dagster is to be."""
    return dg.AssetCheckSeverity.ERROR if verdict.urgent else dg.AssetCheckSeverity.WARN
