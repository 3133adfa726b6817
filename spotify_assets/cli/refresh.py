"""`refresh`: brings everything up to date, and says what that came to."""

import gc
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from spotify_assets import times
from spotify_assets.cli.accounts import warn_of_logins
from spotify_assets.cli.output import json_option, printable, working
from spotify_assets.settings import Settings

if TYPE_CHECKING:
    import dagster as dg

    from spotify_assets.defs.refreshing import Refresh
    from spotify_assets.warehouse.loading import Receipt
    from spotify_assets.warehouse.warehouse import Warehouse


@click.command()
@click.option("-v", "--verbose", is_flag=True, help="Show the accounting of each account, too.")
@json_option
def refresh(verbose: bool, as_json: bool) -> None:
    """Collect, check, keep and model the newest plays, as one Dagster run.

    Nothing to do costs one call per account and starts no run.

    \b
    To have it called every 15 minutes: spotify-assets schedule install
    """
    from spotify_assets.defs.refreshing import refresh as bring_up_to_date
    from spotify_assets.spotify.state import State
    from spotify_assets.warehouse.backups.loss import losses

    settings = Settings.load()
    settings.make_data_folder()
    log_file = settings.data / "refresh.log"
    accounts = State(settings.state_path).accounts()
    tried_before = {
        account.account_id: max(account.last_look_at or "", account.last_failed_at or "") or None
        for account in accounts
    }
    with working("Asking Spotify, checking, loading, modelling"):
        done = bring_up_to_date(settings, log_file, load_definitions)
        if any(look.error for look in done.looks):
            _alert_of_outages(settings, tried_before)
    if as_json:
        click.echo(json.dumps(_as_json(done)))
    else:
        show_refresh(done, settings, verbose=verbose)
    warn_of_logins(State(settings.state_path).accounts())
    for look in done.looks:
        if look.error:
            click.echo(f"Error: {look.account_id}: {look.error}", err=True)
    if done.failures and done.run_id is None:
        click.echo(f"Error: {'; '.join(done.failures)}", err=True)
    elif done.failures or (not done.succeeded and not any(look.error for look in done.looks)):
        reasons = "; ".join(done.failures) or "Dagster could not keep why; the disk may be full."
        click.echo(f"Error: the run failed: {reasons} Details: {log_file}", err=True)
    lost = losses(settings)
    for each in lost:
        click.echo(f"Error: {printable(each)}", err=True)
    if lost or not done.succeeded or any(look.error for look in done.looks):
        sys.exit(1)


def _alert_of_outages(settings: Settings, tried_before: Mapping[str, str | None]) -> None:
    """Run the alert command where Spotify has not answered for a day and no daemon can tell."""
    from spotify_assets.alerting import alert
    from spotify_assets.timetable import daemon_is_running
    from spotify_assets.warehouse.health import outages

    found = [] if daemon_is_running(settings) else outages(settings, tried_before)
    if found:
        alert(settings, "; ".join(found))


def load_definitions() -> "dg.Definitions":
    """All of Dagster's definitions, imported when a refresh has use for them."""
    gc.disable()  # these objects stay: to look through them again and again is a tenth of the time
    from spotify_assets.definitions import defs

    gc.freeze()
    gc.enable()
    return defs


def _as_json(done: "Refresh") -> dict[str, Any]:
    from spotify_assets.warehouse.loading import Receipt

    errors = {look.account_id: look.error for look in done.looks}
    return {
        **asdict(done.receipt),
        "run_id": done.run_id,
        "succeeded": done.succeeded and not any(errors.values()),
        "models": done.models,
        "checks_passed": done.checks_passed,
        "checks_failed": done.checks_failed,
        "accounts": [
            {
                "account_id": name,
                **asdict(done.receipts.get(name, Receipt())),
                "error": errors.get(name),
            }
            for name in sorted(errors.keys() | done.receipts.keys())
        ],
    }


def show_refresh(done: "Refresh", settings: Settings, *, verbose: bool = False) -> None:
    """Say what a refresh came to, for a person.

    Args:
        verbose: show the accounting of each account and the rows of each model, too.
    """
    from spotify_assets.warehouse.pending import no_news
    from spotify_assets.warehouse.warehouse import Warehouse

    if done.run_id is None and done.failures:
        return  # no run began, so only why is known
    warehouse = Warehouse(settings.warehouse_path)
    if not done.looks and done.run_id:
        click.echo(
            "Nobody is logged in, so Spotify was not asked. To collect new plays: "
            "spotify-assets login"
        )
    elif not done.looks:
        click.echo("Nobody is logged in. Run: spotify-assets login")
    if done.run_id is None and any(look.error for look in done.looks):
        return  # what could not be asked is not known to be old
    if done.run_id is None:
        click.echo(no_news(warehouse, settings.timezone))
        return
    if not any(receipt.rows_read for receipt in done.receipts.values()):
        plays = done.models.get("fct_plays")
        has = (
            "" if plays is None else f", with {plays:,} {'play' if plays == 1 else 'plays'} in all"
        )
        click.echo(f"No new plays from Spotify. The models are up to date{has}.")
    show_new_plays(done.receipts, warehouse, settings.timezone)
    if verbose:
        for account, receipt in done.receipts.items():
            click.echo(f"{printable(account)}: {receipt}")
        rows = ", ".join(f"{model} {count:,}" for model, count in sorted(done.models.items()))
        click.echo(f"Models, in rows: {rows or 'none was built'}")
    click.echo(f"Checks: {done.checks_passed} passed, {len(done.checks_failed)} did not")
    for check in done.checks_failed:
        click.echo(f"  did not pass: {check}")
    click.echo(str(done.receipt))


def show_new_plays(receipts: "dict[str, Receipt]", warehouse: "Warehouse", zone: str) -> None:
    """How many plays came for each account, and the newest of them, times on the zone's clock."""
    from spotify_assets.warehouse.accounts import display_names

    names = display_names(warehouse)
    for account, receipt in receipts.items():
        says = "no new plays"
        if receipt.rows_loaded:
            newest = warehouse.newest_listed(1, account)
            says = f"{receipt.rows_loaded:,} new {'play' if receipt.rows_loaded == 1 else 'plays'}"
            for play in newest:
                title = f"{play.track_name or '(no name)'} by {play.artist_name or 'unknown'}"
                says += f", the newest {title}, ended {times.local(play.played_at, zone)}"
        click.echo(printable(f"{names.get(account, account)}: {says}"))
        if receipt.rows_quarantined:
            rows = f"{receipt.rows_quarantined:,} of {receipt.rows_read:,} rows"
            click.echo(f"  {rows} went to quarantine. Why: spotify-assets quarantine")
