"""What its owner hides is in the fact and in no figure, until it is shown again."""

import json
from collections.abc import Iterator

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from spotify_assets.cli import main
from spotify_assets.settings import Settings
from spotify_assets.warehouse.pending import needs_all_models
from spotify_assets.warehouse.warehouse import Warehouse
from spotify_assets_tests.models.building import dbt_run, import_what_was_listed, ingest
from spotify_assets_tests.support import sandbox, user_of

FIGURES = (
    "fct_track_days",
    "fct_habit_days",
    "mart_listening_by_day",
    "mart_sessions",
    "mart_skips",
    "mart_top_artists",
    "mart_year_in_review",
)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with sandbox(always_on=True, listeners=("mira", "jonas")) as server:
        user = user_of(server.environment(), tmp_path_factory.mktemp("hiding") / "user")
        user.log_in("mira")
        user.log_in("jonas")
        import_what_was_listed(ingest(user.settings), "jonas")
        dbt_run(user.settings)
        yield user.settings


@pytest.fixture(autouse=True)
def _own_data(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPOTIFY_ASSETS_DATA", str(settings.data))


def command(*words: str) -> str:
    result = CliRunner().invoke(main, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def figures(settings: Settings) -> dict[str, list[tuple[object, ...]]]:
    """All rows of what shows figures; what each says of when it was built is in no mart."""
    warehouse = Warehouse(settings.warehouse_path)
    return {
        name: sorted(map(tuple, warehouse.read(text(f"select * from {name}"))), key=repr)
        for name in FIGURES
    }


def plays(settings: Settings, source: str, where: str = "1 = 1") -> dict[str, int]:
    query = f"select account_id, {source} where {where} group by account_id"
    return dict(map(tuple, Warehouse(settings.warehouse_path).read(text(query))))


def artist_of_both(settings: Settings) -> tuple[str, str]:
    """The key and the name of an artist whom both accounts played."""
    query = text("""
        select artist_key, max(artist_name) as artist_name
        from fct_plays inner join (select track_key, artist_key from dim_tracks) using (track_key)
        where is_counted = 1
        group by artist_key having count(distinct account_id) = 2
        order by count(*) desc, artist_key limit 1
    """)
    (row,) = Warehouse(settings.warehouse_path).read(query)
    return row.artist_key, row.artist_name


@pytest.mark.parametrize("account", [None, "mira"])
def test_a_hidden_artist_is_in_no_figure_and_comes_back(
    settings: Settings, account: str | None
) -> None:
    before, fact = figures(settings), plays(settings, "count(*) from fct_plays")
    key, _ = artist_of_both(settings)
    of_artist = f"track_key in (select track_key from dim_tracks where artist_key = '{key}')"
    counted = plays(settings, "count(*) from fct_plays", "is_counted = 1")
    theirs = plays(settings, "count(*) from fct_plays", f"is_counted = 1 and {of_artist}")

    options = ["--account", account] if account else []
    hidden = json.loads(command("hide", "artist", key, *options, "--json"))
    assert hidden["key"] == key
    assert hidden["is_new"]
    assert not json.loads(command("hide", "artist", key, *options, "--json"))["is_new"]
    # A refresh builds the marts of the day as well.
    assert needs_all_models(Warehouse(settings.warehouse_path))
    dbt_run(settings)
    assert not needs_all_models(Warehouse(settings.warehouse_path))

    left = {
        name: counted[name] - (theirs[name] if account in (None, name) else 0) for name in counted
    }
    assert plays(settings, "sum(plays) from fct_track_days") == left
    assert plays(settings, "sum(plays) from mart_listening_by_day") == left
    assert plays(settings, "sum(plays) from fct_habit_days", "habit = 'hour'") == left
    shown = plays(settings, "count(*) from fct_plays", of_artist)
    still = plays(settings, "sum(known_plays) from mart_skips", f"artist_key = '{key}'")
    assert still.keys() == ({"jonas"} if account else set())
    assert plays(settings, "count(*) from fct_plays") == fact
    assert plays(settings, "count(*) from fct_plays", of_artist) == shown

    (row,) = json.loads(command("hide", "--json"))["hidden"]
    command("unhide", str(row["exclusion_id"]))
    dbt_run(settings)
    assert figures(settings) == before


def test_a_hidden_playlist_is_in_no_figure(settings: Settings) -> None:
    query = text(
        "select context_uri from fct_plays where context_type = 'playlist'"
        " group by context_uri order by count(*) desc limit 1"
    )
    ((uri,),) = Warehouse(settings.warehouse_path).read(query)
    counted = plays(settings, "count(*) from fct_plays", "is_counted = 1")
    theirs = plays(settings, "count(*) from fct_plays", f"is_counted = 1 and context_uri = '{uri}'")
    link = f"https://open.spotify.com/intl-de/playlist/{uri.rpartition(':')[2]}?si=1"
    command("hide", "playlist", link)
    dbt_run(settings)
    found = plays(settings, "sum(plays) from fct_track_days")
    assert found == {name: count - theirs.get(name, 0) for name, count in counted.items()}
    (row,) = json.loads(command("hide", "--json"))["hidden"]
    command("unhide", str(row["exclusion_id"]))
    dbt_run(settings)
    assert plays(settings, "sum(plays) from fct_track_days") == counted


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("artist", "nobody of this name"), "No artist that was played is called"),
        (("playlist", "Sleep"), "by its link"),
        (("playlist", "https://elsewhere.example/playlist/abc"), "by its link"),
        (("track",), "Say which track"),
        (("playlist", "spotify:playlist:abc", "--account", ""), "no account"),
    ],
)
def test_what_cannot_be_hidden_is_said_and_nothing_changes(
    settings: Settings, words: tuple[str, ...], said: str
) -> None:
    result = CliRunner().invoke(main, ["hide", *words])
    assert result.exit_code in (1, 2)
    assert said in result.output
    assert json.loads(command("hide", "--json")) == {"hidden": []}
    assert not needs_all_models(Warehouse(settings.warehouse_path))


def test_a_build_that_ends_half_way_after_something_was_hidden_leaves_work_to_do(
    settings: Settings,
) -> None:
    key, name = artist_of_both(settings)
    command("hide", "artist", name.upper() if name.isascii() else key)
    dbt_run(settings, "--select", "int_hidden_tracks")
    assert needs_all_models(Warehouse(settings.warehouse_path))
    dbt_run(settings)
    assert not needs_all_models(Warehouse(settings.warehouse_path))
    # What else decides which tracks are hidden, as a name that Spotify changes, is noticed, too.
    with Warehouse(settings.warehouse_path).writer().begin() as connection:
        connection.execute(text("update exclusions set hidden_key = 'nobody', name = 'nobody'"))
    dbt_run(settings)
    counted = plays(settings, "count(*) from fct_plays", "is_counted = 1")
    assert plays(settings, "sum(plays) from fct_track_days") == counted
    assert plays(settings, "sum(plays) from fct_habit_days", "habit = 'hour'") == counted
    (row,) = json.loads(command("hide", "--json"))["hidden"]
    command("unhide", str(row["exclusion_id"]))
    dbt_run(settings)
