"""Nothing that was done to an account by mistake lasts: import, rename, remove, log out, undo."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import insert, select

from spotify_assets.cli import main
from spotify_assets.settings import Settings
from spotify_assets.spotify.landing import look_at_all
from spotify_assets.spotify.retrying import Retrying
from spotify_assets.spotify.state import Account, State
from spotify_assets.spotify.token_store import TokenStore
from spotify_assets.warehouse import accounts
from spotify_assets.warehouse.backups.folder import backups_in
from spotify_assets.warehouse.backups.making import back_up
from spotify_assets.warehouse.backups.restoring import find, restore_beside
from spotify_assets.warehouse.importing import known_accounts
from spotify_assets.warehouse.loading import Load, write_load
from spotify_assets.warehouse.pending import has_unmodelled_loads, models
from spotify_assets.warehouse.tables import (
    loads,
    metadata,
    model_watermarks,
    raw_recently_played,
    raw_streaming_history,
)
from spotify_assets.warehouse.warehouse import Warehouse
from spotify_assets_tests.unit.spotify.export.downloads import a_row, pack, rows_of

FILE = "Streaming_History_Audio_2024_0.json"
ROWS = [*rows_of(*range(20)), a_row(30, ms_played=-1)]
KEPT_BY_A_REMOVAL = {"_write_gate", "restores", "removals", "model_watermarks", "zone_offsets"}


@pytest.fixture(autouse=True)
def environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    # Dagster is told of an import, which takes seconds and is tested elsewhere.
    monkeypatch.setattr("spotify_assets.cli.imports._let_dagster_know", lambda *_: None)


@pytest.fixture
def download(tmp_path: Path) -> str:
    return str(pack(tmp_path / "my_spotify_data.zip", {FILE: ROWS}))


@pytest.fixture
def broken(tmp_path: Path) -> str:
    return str(pack(tmp_path / "broken.zip", {FILE: b'[{"ts": '}))


def run(*arguments: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(main, arguments, input=typed)


def told(*arguments: str, typed: str | None = None) -> str:
    done = run(*arguments, typed=typed)
    assert done.exit_code == 0, done.output
    return done.stdout


def answer(*arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(told(*arguments, "--json"))
    return found


def refused(*arguments: str, typed: str | None = None) -> str:
    done = run(*arguments, typed=typed)
    assert done.exit_code in (1, 2), done.output
    assert not done.stdout or typed is not None
    assert "Traceback" not in done.output
    return done.stderr.splitlines()[-1]


def rows_by_table(warehouse: Warehouse) -> dict[str, int]:
    return {
        name: len(warehouse.read(select(table)))
        for name, table in metadata.tables.items()
        if name not in KEPT_BY_A_REMOVAL
    }


def mark_as_modelled(warehouse: Warehouse) -> None:
    """As `dbt build` leaves it, but for the models."""
    newest = max((row.load_id for row in warehouse.read(select(loads))), default=0)
    with warehouse.writer().begin() as connection:
        connection.execute(model_watermarks.delete())
        seen = [{"model": model, "load_id": newest} for model in models()]
        connection.execute(insert(model_watermarks), seen)
        connection.exec_driver_sql("create table if not exists fct_plays (play_id)")


# A failing import, and a name that was mistyped


def test_a_failing_import_creates_no_account(settings: Settings, broken: str) -> None:
    done = run("import", "--account", "mria", broken)
    assert done.exit_code == 1
    assert "new account" not in done.output
    assert known_accounts(settings) == set()
    done = run("import", "--account", "mria", "/nowhere/my.zip")
    assert done.exit_code == 1
    assert known_accounts(settings) == set()


def test_after_a_failing_import_the_same_command_and_a_plain_one_go_on(
    settings: Settings, broken: str, download: str
) -> None:
    run("import", "--account", "mria", broken)
    assert "mira is a new account here." in told("import", "--account", "mira", download)
    assert answer("import", download)["rows_duplicate"] == 20
    assert known_accounts(settings) == {"mira"}


def test_where_one_file_of_several_is_good_the_account_is_made(
    settings: Settings, tmp_path: Path
) -> None:
    path = pack(tmp_path / "half.zip", {"endsong_0.json": b"[", "endsong_1.json": rows_of(1)})
    assert run("import", "--account", "mira", str(path)).exit_code == 1
    assert [account.account_id for account in State(settings.state_path).accounts()] == ["mira"]


def test_a_kill_between_the_load_and_the_account_is_mended_by_the_next_import(
    settings: Settings, download: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(_self: State, _account_id: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(State, "add_account", killed)
        run("import", "--account", "mira", download)
    assert State(settings.state_path).accounts() == []
    assert known_accounts(settings) == {"mira"}
    assert "mira" in told("accounts")
    assert answer("import", download)["rows_loaded"] == 0
    assert [account.account_id for account in State(settings.state_path).accounts()] == ["mira"]


@pytest.mark.parametrize("typo", ["mria", "Mira", "mirra"])
def test_a_new_name_beside_others_is_not_made_unasked(
    settings: Settings, download: str, typo: str
) -> None:
    told("import", "--account", "mira", download)
    for more in ([], ["--json"]):
        line = refused("import", "--account", typo, download, *more)
        assert line == (
            f"Error: There is no account {typo!r}. Did you mean mira? Here are: mira. For a new "
            "account add: --new"
        )
    assert known_accounts(settings) == {"mira"}
    assert answer("import", "--account", typo, "--new", download)["rows_loaded"] == 20
    assert known_accounts(settings) == {"mira", typo}


@pytest.mark.parametrize(("reply", "makes_it"), [("y\n", True), ("n\n", False), ("\n", False)])
def test_a_person_is_asked_whether_a_new_name_is_meant(
    settings: Settings,
    download: str,
    reply: str,
    makes_it: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told("import", "--account", "mira", download)
    monkeypatch.setattr("spotify_assets.cli.imports.is_a_person", lambda: True)
    done = run("import", "--account", "jonas", download, typed=reply)
    assert "There is no account 'jonas'. Here are: mira." in done.stdout
    assert "Make a new account jonas? [y/N]" in done.stdout
    assert done.exit_code == (0 if makes_it else 1)
    assert ("jonas" in known_accounts(settings)) is makes_it


def test_an_account_is_found_by_its_display_name_too(settings: Settings, download: str) -> None:
    told("import", "--account", "mira", download)
    told("accounts", "rename", "mira", "Mira & Jonas!")
    done = answer("import", "--account", "Mira & Jonas!", download)
    assert (done["account_id"], done["rows_duplicate"]) == ("mira", 20)
    assert answer("accounts", "timezone", "Mira & Jonas!")["account_id"] == "mira"


def test_an_id_is_found_before_another_account_s_display_name(
    settings: Settings, download: str
) -> None:
    told("import", "--account", "mira", download)
    told("accounts", "rename", "mira", "jonas")
    State(settings.state_path).add_account("jonas")  # as his first login does
    assert answer("import", "--account", "jonas", download)["account_id"] == "jonas"
    assert answer("accounts", "remove", "jonas", "--yes")["account_id"] == "jonas"
    assert known_accounts(settings) == {"mira"}


def test_a_display_name_in_other_letters_makes_no_account(
    settings: Settings, download: str
) -> None:
    told("import", "--account", "mira", download)
    told("accounts", "rename", "mira", "Mum")
    assert answer("import", "--account", "mum", "--new", download)["account_id"] == "mira"
    assert known_accounts(settings) == {"mira"}


def test_an_account_that_was_only_imported_has_a_last_play(download: str) -> None:
    told("import", "--account", "mira", download)
    (account,) = answer("status")["accounts"]
    newest = max(str(row["ts"]) for row in rows_of(*range(20)))
    assert account["last_play_at"] == newest.replace("Z", ".000Z")
    assert account["last_look_at"] is None


# The same file after each command


def test_the_same_file_brings_nothing_new_after_a_rename(download: str) -> None:
    told("import", "--account", "mira", download)
    assert "mira is shown as: Mira in the kitchen" in told(
        "accounts", "rename", "mira", " Mira in the kitchen "
    )
    done = answer("import", download)
    assert (done["account_id"], done["rows_loaded"], done["rows_duplicate"]) == ("mira", 0, 20)


def test_the_same_file_brings_all_of_it_back_after_a_removal(
    settings: Settings, warehouse: Warehouse, download: str
) -> None:
    told("import", "--account", "mria", download)
    before = rows_by_table(warehouse)
    told("accounts", "remove", "mria", typed="mria\n")
    assert known_accounts(settings) == set()
    assert "No account yet" in told("accounts")
    assert set(rows_by_table(warehouse).values()) == {0}
    done = answer("import", "--account", "mira", download)
    assert (done["rows_loaded"], done["rows_quarantined"]) == (20, 1)
    assert rows_by_table(warehouse) == before
    accounts_of_rows = {row.account_id for row in warehouse.read(select(raw_streaming_history))}
    assert accounts_of_rows == {"mira"}


def test_the_same_file_brings_nothing_new_after_a_logout(
    settings: Settings, state: State, log_in: Callable[..., Account], download: str
) -> None:
    log_in("mira")
    told("import", download)
    told("logout", "mira")
    assert answer("import", download)["rows_duplicate"] == 20
    assert log_in("mira").account_id == "mira"
    assert [account.account_id for account in state.accounts()] == ["mira"]


# Rename


def test_a_display_name_is_shown_and_the_id_stays(download: str) -> None:
    told("import", "--account", "mira", download)
    told("accounts", "rename", "mira", "Küche ♫")
    assert "Küche ♫" in told("accounts")
    assert "Küche ♫" in told("status")
    for command in ("accounts", "status"):
        (account,) = answer(command)["accounts"]
        assert (account["account_id"], account["name"]) == ("mira", "Küche ♫")
    told("accounts", "rename", "Küche ♫", "mira")  # takes it back
    (account,) = answer("status")["accounts"]
    assert account["name"] == "mira"


def test_only_the_model_that_shows_names_is_built_again(
    warehouse: Warehouse, download: str
) -> None:
    told("import", "--account", "mira", download)
    mark_as_modelled(warehouse)
    assert told("accounts", "rename", "mira", "Mira K.").endswith("Next: spotify-assets refresh\n")
    left = {row.model for row in warehouse.read(select(model_watermarks))}
    assert models() - left == {accounts.SHOWS_THE_NAME}
    assert "Next" not in told("accounts", "rename", "mira", "Mira K.")  # nothing changes


@pytest.mark.parametrize(
    "name",
    [
        "",
        "  ",
        "x" * 65,
        "\x1b[2Jgone",
        "a\nb",
        "a\tb",
        "\u202eevil",
        "\u200b",
        "\x9b31m",
        "\ud800",
    ],
)
def test_a_display_name_that_would_steer_the_screen_is_refused(
    warehouse: Warehouse, download: str, name: str
) -> None:
    told("import", "--account", "mira", download)
    line = refused("accounts", "rename", "mira", name)
    assert "cannot be a display name" in line
    assert line.isprintable()
    assert accounts.display_names(warehouse) == {}


@pytest.mark.parametrize("name", ["[bold red]x[/]", "[link=https://a.example]a[/link]", ":fire:"])
def test_markup_in_a_display_name_is_shown_as_it_is(
    download: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    told("import", "--account", "mira", download)
    told("accounts", "rename", "mira", name)
    for command in ("accounts", "status"):
        assert name in told(command)


@pytest.mark.parametrize("taken", ["jonas", "Jonas", "The Other", "the other"])
def test_no_two_accounts_can_be_called_alike(state: State, download: str, taken: str) -> None:
    told("import", "--account", "mira", download)
    state.add_account("jonas")
    told("accounts", "rename", "jonas", "The Other")
    line = refused("accounts", "rename", "mira", taken)
    assert line == f"Error: {taken!r} is the name of the account jonas already."


# Remove


def test_a_removal_makes_a_backup_that_undoes_it(
    settings: Settings, download: str, tmp_path: Path
) -> None:
    told("import", "--account", "mria", download)
    done = answer("accounts", "remove", "mria", "--yes")
    assert (done["account_id"], done["rows_removed"]) == ("mria", 21)
    chosen = find(settings, done["backup"])
    assert restore_beside(settings, chosen, tmp_path / "beside").plays == 20


def test_after_the_last_account_went_backups_are_still_made_and_models_are_built_anew(
    settings: Settings, warehouse: Warehouse, download: str
) -> None:
    told("import", "--account", "mria", download)
    mark_as_modelled(warehouse)
    assert not has_unmodelled_loads(warehouse, from_spotify=False)
    assert told("accounts", "remove", "mria", "--yes").endswith("Next: spotify-assets refresh\n")
    assert warehouse.read(select(model_watermarks)) == []
    assert has_unmodelled_loads(warehouse, from_spotify=False)  # so a running daemon does it
    mark_as_modelled(warehouse)
    assert not has_unmodelled_loads(warehouse)
    assert back_up(settings) is not None
    assert [backup.fault for backup in backups_in(settings.backups)] == [None, None]


def test_of_two_accounts_only_the_one_goes(
    settings: Settings, warehouse: Warehouse, download: str
) -> None:
    told("import", "--account", "mira", download)
    before = rows_by_table(warehouse)
    told("import", "--account", "mria", "--new", download)
    told("accounts", "rename", "mria", "Typo")
    told("accounts", "remove", "Typo", "--yes")
    assert rows_by_table(warehouse) == before
    assert known_accounts(settings) == {"mira"}


def test_an_empty_account_goes_with_its_login(
    settings: Settings, state: State, store: TokenStore, log_in: Callable[..., Account]
) -> None:
    log_in("mira", account_id="mria")
    assert "mria is empty." in told("accounts", "remove", "mria", typed="mria\n")
    assert state.accounts() == []
    assert store.load("mria") is None
    assert log_in("mira", account_id="mira").account_id == "mira"


@pytest.mark.parametrize("typed", ["", "\n", "mira\n", "y\n", "yes\n"])
def test_without_the_name_typed_nothing_is_removed(
    settings: Settings, warehouse: Warehouse, download: str, typed: str
) -> None:
    told("import", "--account", "mria", download)
    before = rows_by_table(warehouse)
    line = refused("accounts", "remove", "mria", typed=typed)
    assert line == "Error: nothing was removed. Type the account's name, or add --yes."
    assert rows_by_table(warehouse) == before
    assert backups_in(settings.backups) == []


def test_an_account_with_plays_that_spotify_listed_stays(
    settings: Settings, warehouse: Warehouse, items: list[Any], new_load: Callable[..., Load]
) -> None:
    write_load(warehouse.writer(), raw_recently_played, new_load(items))
    before = rows_by_table(warehouse)
    line = refused("accounts", "remove", "mira", "--yes")
    assert line.startswith("Error: mira stays: 50 of its plays were listed by Spotify")
    assert rows_by_table(warehouse) == before
    assert backups_in(settings.backups) == []


@pytest.mark.parametrize("polled", ["before", "meanwhile"])
def test_an_account_with_a_page_that_is_not_loaded_yet_stays(
    settings: Settings,
    state: State,
    log_in: Callable[..., Account],
    download: str,
    polled: str,
    warehouse: Warehouse,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log_in("mira")
    told("import", download)
    before = rows_by_table(warehouse)

    def poll(settings: Settings) -> Any:
        look_at_all(settings, state, Retrying.never())
        return back_up(settings)

    if polled == "before":
        poll(settings)
    monkeypatch.setattr(accounts, "back_up", poll)
    line = refused("accounts", "remove", "mira", "--yes")
    assert line.startswith("Error: mira stays: 50 of its plays were listed by Spotify")
    assert rows_by_table(warehouse) == before
    assert [account.account_id for account in state.accounts()] == ["mira"]


@pytest.mark.parametrize("step", ["tokens", "state", "rows"])
def test_a_removal_that_was_killed_is_finished_by_the_same_command(
    settings: Settings,
    state: State,
    warehouse: Warehouse,
    log_in: Callable[..., Account],
    download: str,
    step: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log_in("mira")
    told("import", download)

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    where = {
        "tokens": (TokenStore, "remove"),
        "state": (State, "remove_account"),
        "rows": (accounts, "_remove_rows"),
    }[step]
    with monkeypatch.context() as patch:
        patch.setattr(*where, killed)
        run("accounts", "remove", "mira", "--yes")
    assert known_accounts(settings) == {"mira"}
    told("accounts", "remove", "mira", "--yes")
    assert known_accounts(settings) == set()
    assert state.accounts() == []
    assert set(rows_by_table(warehouse).values()) == {0}
    assert not list(settings.tokens.glob("*.json"))


# Log out


def test_logging_out_removes_the_token_and_keeps_what_was_collected(
    settings: Settings, state: State, store: TokenStore, log_in: Callable[..., Account]
) -> None:
    log_in("mira")
    look_at_all(settings, state, Retrying.never())
    pages = state.page_ids()
    said = told("logout", "mira")
    assert "Logged out mira." in said
    assert "spotify.com/account/apps" in said
    assert store.load("mira") is None
    assert not [path for path in settings.tokens.rglob("*") if b"BQ" in path.read_bytes()]
    assert state.page_ids() == pages
    assert look_at_all(settings, state, Retrying.never()) == []  # nobody is asked for
    (account,) = answer("status")["accounts"]
    assert (account["login_days_left"], account["blind_since"]) == (None, None)
    assert told("logout", "mira") == "mira is not logged in.\n"
    assert answer("logout", "mira") == {"account_id": "mira", "was_logged_in": False}


def test_only_the_account_that_was_named_is_logged_out(
    store: TokenStore, log_in: Callable[..., Account]
) -> None:
    log_in("mira")
    log_in("jonas")
    told("logout", "jonas")
    assert store.load("jonas") is None
    assert store.load("mira") is not None


@pytest.mark.parametrize(
    "command", [("logout",), ("accounts", "remove"), ("accounts", "rename"), ("view", "--account")]
)
@pytest.mark.parametrize("name", ["nobody", "\x1b[2J", "../../etc", "x" * 3000, "[bold]"])
def test_an_account_that_is_not_here_is_one_clear_line(
    settings: Settings, state: State, command: tuple[str, ...], name: str
) -> None:
    state.add_account("mira")
    more = ["new"] if command[-1] == "rename" else []
    line = refused(*command, name, *more)
    assert line.startswith("Error: There is no account '")
    assert line.endswith("Here are: mira.")
    assert line.isprintable()
    assert len(line) < 200
    assert not settings.warehouse_path.exists()
    assert [account.account_id for account in state.accounts()] == ["mira"]
