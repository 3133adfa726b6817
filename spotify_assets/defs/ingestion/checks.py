"""Asset checks of the raw assets. They report; what is bad was kept out before the write."""

from datetime import timedelta

import dagster as dg
from sqlalchemy import func, select

from spotify_assets import times
from spotify_assets.defs.ingestion.assets import recently_played
from spotify_assets.defs.resources import SpotifyResource, WarehouseResource
from spotify_assets.spotify.login_life import ALARM, login_life
from spotify_assets.warehouse.pending import RECENTLY_PLAYED
from spotify_assets.warehouse.tables import loads, quarantined_rows, raw_recently_played

# Nobody is told of a quiet weekend.
OLDEST_NEWEST_PLAY = timedelta(days=3)


@dg.asset_check(asset=recently_played)
def contract(warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """No row waits in quarantine."""
    rows = warehouse.warehouse.read(
        select(quarantined_rows.c.reasons, func.count().label("rows"))
        .where(
            quarantined_rows.c.source == RECENTLY_PLAYED, quarantined_rows.c.released_by.is_(None)
        )
        .group_by(quarantined_rows.c.reasons)
    )
    return dg.AssetCheckResult(
        passed=not rows,
        severity=dg.AssetCheckSeverity.WARN,
        description="Rows in quarantine, by reason." if rows else "Nothing is in quarantine.",
        metadata={
            "quarantined_rows": sum(row.rows for row in rows),
            "reasons": {row.reasons: row.rows for row in rows},
        },
    )


@dg.asset_check(asset=recently_played)
def sums(warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """The table holds exactly what the loads say that they brought."""
    rows = warehouse.warehouse.read(select(func.count()).select_from(raw_recently_played))
    loaded = warehouse.warehouse.read(
        select(func.coalesce(func.sum(loads.c.rows_loaded), 0)).where(
            loads.c.source == RECENTLY_PLAYED
        )
    )
    in_table, in_loads = (found[0][0] if found else 0 for found in (rows, loaded))
    return dg.AssetCheckResult(
        passed=in_table == in_loads,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={"rows_in_table": in_table, "rows_loaded_in_all_loads": in_loads},
    )


@dg.asset_check(asset=recently_played)
def newest_play_age(warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """Somebody listened during the last days."""
    newest = warehouse.warehouse.newest_play()
    age = times.now() - times.from_text(newest) if newest else None
    return dg.AssetCheckResult(
        passed=age is None or age < OLDEST_NEWEST_PLAY,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"The newest play ended {newest}." if newest else "There is no play yet.",
        metadata={"age_hours": round(age / timedelta(hours=1), 1)} if age else {},
    )


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


@dg.asset_check(asset=recently_played)
def logins_last(spotify: SpotifyResource) -> dg.AssetCheckResult:
    """No login has ended or will within thirty days; Spotify ends each one after six months."""
    lives = {
        account.account_id: life
        for account in spotify.state.accounts()
        if (life := login_life(account, times.now()))
    }
    warnings = [life.warning for life in lives.values() if life.warning]
    is_urgent = any(life.days_left <= ALARM for life in lives.values())
    return dg.AssetCheckResult(
        passed=not warnings,
        severity=dg.AssetCheckSeverity.ERROR if is_urgent else dg.AssetCheckSeverity.WARN,
        description="; ".join(warnings) or "Every login lasts for more than thirty days.",
        metadata={"days_left": {name: life.days_left for name, life in lives.items()}},
    )
