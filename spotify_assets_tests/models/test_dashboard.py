"""Each figure of the dashboard is what a query of its own on the fact says."""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import date, timedelta
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from click.testing import CliRunner
from sqlalchemy import text
from starlette.testclient import TestClient

from spotify_assets import times
from spotify_assets.cli import main
from spotify_assets.cli.output import printable
from spotify_assets.outputs import figures
from spotify_assets.outputs.dashboard.app import app
from spotify_assets.outputs.marts import habits, plays, rankings, stories, sums, things
from spotify_assets.outputs.marts.look import Kind, Look, Marts
from spotify_assets.same_origin import hosts_of
from spotify_assets_tests.models.building import Built

ADDRESS = "http://127.0.0.1:3030"
WHO = [("mira",), ("jonas",), ("mira", "jonas")]
EVER = (date(2006, 1, 1), date(2100, 1, 1))
COUNTED = "is_counted = 1 and local_date between :first and :last"
OF = {
    Kind.ARTISTS: ("artist_key", "track"),
    Kind.TRACKS: ("track_key", "track"),
    Kind.ALBUMS: ("album_key", "track"),
    Kind.PODCASTS: ("artist_key", "episode"),
}


@pytest.fixture
def look(built: Built) -> Iterator[Look]:
    with Marts(built.settings.warehouse_path).look() as opened:
        assert opened is not None
        yield opened


@pytest.fixture
def client(built: Built) -> TestClient:
    return TestClient(app(built.settings, hosts_of(3030)), base_url=ADDRESS)


def asked(built: Built, query: str, who: tuple[str, ...], **values: Any) -> list[tuple[Any, ...]]:
    names = ", ".join(f"'{name}'" for name in who)
    found = built.warehouse.read(text(query.format(who=names)).bindparams(**values))
    return [tuple(row) for row in found]


def spans(built: Built) -> Iterator[tuple[date, date]]:
    """All days, the first half, one day, and days on which nobody listened."""
    found = built.warehouse.read(text("select min(local_date), max(local_date) from fct_plays"))
    first, last = (date.fromisoformat(day) for day in found[0])
    yield first, last
    yield first, first + (last - first) // 2
    yield last, last
    yield first - timedelta(days=9), first - timedelta(days=1)


@pytest.mark.parametrize("who", WHO)
def test_the_sums_of_a_period_are_those_of_its_plays(
    who: tuple[str, ...], built: Built, look: Look
) -> None:
    query = f"""
        select
            count(*), coalesce(sum(ms_played), 0),
            coalesce(sum(case when ms_played_is_estimated = 1 then ms_played end), 0),
            count(distinct case
                when plays.content_type = 'track' and artist_key <> 'unknown' then artist_key
            end),
            count(distinct case
                when plays.content_type = 'track' and plays.track_key <> 'unknown'
                    then plays.track_key
            end)
        from fct_plays as plays inner join dim_tracks using (track_key)
        where account_id in ({{who}}) and {COUNTED}
    """
    gaps = """
        select count(distinct local_date) from int_days_with_gaps
        where account_id in ({who}) and open_gaps > 0 and local_date between :first and :last
    """
    for first, last in spans(built):
        values = {"first": first.isoformat(), "last": last.isoformat()}
        totals = sums.totals(look, who, first, last)
        (expected,) = asked(built, query, who, **values)
        assert tuple(vars(totals).values())[:5] == expected
        ((at_least,),) = asked(built, gaps, who, **values)
        assert totals.days_at_least == at_least
        days = sums.days(look, who, first, last)
        assert sum(day.plays for day in days) == totals.plays
        assert sum(day.ms_played for day in days) == totals.ms_played
        assert sum(day.ms_played_estimated for day in days) == totals.ms_played_estimated
        assert sum(day.is_at_least for day in days) == at_least


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("by_time", [False, True])
def test_a_ranking_is_that_of_the_plays_and_says_where_each_stood_before(
    kind: Kind, who: tuple[str, ...], by_time: bool, built: Built, look: Look
) -> None:
    key, content = OF[kind]
    order = "3 desc, 2 desc, 1" if by_time else "2 desc, 3 desc, 1"
    query = f"""
        select {key}, count(*), sum(ms_played)
        from fct_plays as plays inner join dim_tracks using (track_key)
        where
            account_id in ({{who}}) and {COUNTED}
            and plays.content_type = '{content}' and {key} <> 'unknown'
        group by 1 order by {order}
    """
    for first, last in spans(built):
        before = (first - timedelta(days=2), first - timedelta(days=1))
        rows = asked(built, query, who, first=first.isoformat(), last=last.isoformat())
        ranks = {
            row[0]: place
            for place, row in enumerate(
                asked(built, query, who, first=str(before[0]), last=str(before[1])), start=1
            )
        }
        ever = {row[0] for row in asked(built, query, who, first="2006-01-01", last=str(before[1]))}
        found = rankings.top(
            look, kind, who, first, last, before=before, by_time=by_time, limit=1000
        )
        assert [(each.key, each.plays, each.ms_played) for each in found] == rows
        assert [each.rank for each in found] == list(range(1, len(rows) + 1))
        for each in found:
            assert each.rank_before == ranks.get(each.key)
            assert each.is_new == (each.key not in ever)


def test_the_rankings_of_some_tests_are_not_empty(look: Look) -> None:
    for kind in (Kind.ARTISTS, Kind.TRACKS, Kind.ALBUMS):
        assert rankings.top(look, kind, ("mira",), date(2006, 1, 1), date(2100, 1, 1))


@pytest.mark.parametrize("who", WHO)
def test_hours_newest_plays_and_discoveries_are_those_of_the_plays(
    who: tuple[str, ...], built: Built, look: Look
) -> None:
    first, last = next(spans(built))
    values = {"first": first.isoformat(), "last": last.isoformat()}
    hours = f"""
        select local_weekday, local_hour, count(*) from fct_plays
        where account_id in ({{who}}) and {COUNTED} and time_is_unreliable = 0 group by 1, 2
    """
    found = {(row[0], row[1]): row[2] for row in asked(built, hours, who, **values)}
    assert habits.clock(look, who, first, last) == found
    newest = f"""
        select play_id from fct_plays where account_id in ({{who}}) and {COUNTED}
        order by ended_at desc, play_id desc limit 10
    """
    assert [(play.play_id,) for play in plays.newest(look, who, 10)] == asked(
        built, newest, who, **values
    )
    artists = f"""
        select count(distinct artist_key) from fct_plays inner join dim_tracks using (track_key)
        where
            account_id in ({{who}}) and {COUNTED} and fct_plays.content_type = 'track'
            and artist_key <> 'unknown'
    """
    ((count,),) = asked(built, artists, who, **values)
    assert stories.new_artists(look, who, first, last) == count > 0


@pytest.mark.parametrize("kind", [Kind.ARTISTS, Kind.TRACKS, Kind.ALBUMS])
def test_one_of_each_kind_has_the_sums_of_its_plays(kind: Kind, built: Built, look: Look) -> None:
    who = ("mira", "jonas")
    key, content = OF[kind]
    query = f"""
        select count(*), sum(ms_played), min(ended_at), max(ended_at)
        from fct_plays as plays inner join dim_tracks using (track_key)
        where {key} = :key and is_counted = 1 and plays.content_type = '{content}'
    """
    for each in rankings.top(look, kind, who, date(2006, 1, 1), date(2100, 1, 1), limit=5):
        found = things.thing(look, kind, each.key, who)
        assert found is not None
        assert found.name == each.name
        (sums,) = asked(built, query, who, key=each.key)
        ends = (found.first_played_at, found.last_played_at)
        assert (found.plays, found.ms_played, *ends) == sums
        assert sum(things.months_of(look, kind, each.key, who).values()) == found.plays
        tracks = things.parts_of(look, kind, each.key, Kind.TRACKS, who, 1000)
        assert sum(track.plays for track in tracks) == found.plays
    assert things.thing(look, kind, "no such key", who) is None


@pytest.mark.parametrize("who", WHO)
def test_new_artists_and_those_not_heard_since_are_those_of_the_plays(
    who: tuple[str, ...], built: Built, look: Look
) -> None:
    query = f"""
        select artist_key, min(local_date), max(local_date), count(*)
        from fct_plays as plays inner join dim_tracks using (track_key)
        where
            account_id in ({{who}}) and {COUNTED} and plays.content_type = 'track'
            and artist_key <> 'unknown'
        group by artist_key
    """
    artists = asked(built, query, who, first="2006-01-01", last="2100-01-01")
    for first, last in spans(built):
        new = {key: plays for key, begun, _, plays in artists if str(first) <= begun <= str(last)}
        assert sum(stories.discoveries(look, who, first, last).values()) == len(new)
        stayed = stories.stayed(look, who, first, last, 1000)
        assert {each.key: each.plays for each in stayed} == new
        assert [each.plays for each in stayed] == sorted(new.values(), reverse=True)
        day = last + timedelta(days=1)
        missed = {key: plays for key, _, end, plays in artists if end < str(day) and plays >= 10}
        found = stories.not_heard_since(look, who, day, 1000)
        assert {each.key: each.plays for each in found} == missed


@pytest.mark.parametrize(
    "page", ["", "top", "when", "discover", "how", "together", "plays", "search", "trust"]
)
def test_a_page_of_a_day_without_plays_says_so_instead_of_failing(
    page: str, client: TestClient
) -> None:
    answer = client.get(f"/{page}?period=2007-01-01..2007-01-02")
    assert answer.status_code == 200


def main_text(page: str) -> str:
    """The words of a page, charts aside."""
    body = re.sub(r"<svg.*?</svg>", " ", page.partition('<main id="main">')[2], flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


@pytest.mark.parametrize("page", ["top", "when", "discover", "how", "together", "plays"])
def test_at_least_is_said_exactly_where_plays_may_be_missing(
    page: str, built: Built, look: Look, client: TestClient
) -> None:
    query = "select local_date, open_gaps from mart_coverage where account_id in ({who})"
    said = set()
    for who in ("mira", "jonas"):
        for day, gaps in asked(built, query, (who,))[:20]:
            address = f"/{page}?account={who}&period={day}..{day}"
            words = main_text(client.get(address).text)
            assert ("Plays may be missing on 1 day of this time, so it is at least" in words) == (
                gaps > 0
            ), address
            said.add(gaps > 0)
    assert False in said


def test_the_pages_show_these_figures(built: Built, look: Look, client: TestClient) -> None:
    first, last = next(spans(built))
    for who in ("mira", "jonas", None):
        choice = {"period": f"{first}..{last}"} | ({"account": who} if who else {})
        accounts = (who,) if who else ("mira", "jonas")
        totals = sums.totals(look, accounts, first, last)
        words = main_text(client.get(f"/?{urlencode(choice)}").text)
        at_least = "at least " if totals.days_at_least else ""
        assert f"{figures.number(totals.plays)} {at_least}plays" in words
        assert f"{figures.duration(totals.ms_played)} {at_least}listened" in words
        assert f"{totals.artists} artists" in words
        for kind in (Kind.ARTISTS, Kind.TRACKS, Kind.ALBUMS):
            page = client.get(f"/top?{urlencode(choice | {'kind': kind})}").text
            for each in rankings.top(look, kind, accounts, first, last, limit=50):
                assert str(each.name) in unescape(page)
                address = f"/{kind}/one?{urlencode(choice | {'key': each.key})}"
                assert address in unescape(page)
                one = client.get(address)
                assert one.status_code == 200
                found = things.thing(look, kind, each.key, accounts)
                assert found is not None
                ever = "at least " if sums.days_at_least(look, accounts, *EVER) else ""
                assert f"{figures.number(found.plays)} {ever}play" in main_text(one.text)


@pytest.mark.parametrize("kind", ["artists", "tracks", "albums"])
@pytest.mark.parametrize("by", ["plays", "time"])
def test_the_command_tells_the_same_ranking(kind: str, by: str, built: Built, look: Look) -> None:
    first, last = next(spans(built))
    asked_for = ["top", kind, "--period", f"{first}..{last}", "--by", by, "--limit", "1000"]
    environment = built.settings.environment()
    done = CliRunner().invoke(main, [*asked_for, "--json"], env=environment)
    assert done.exit_code == 0, done.output
    answer = json.loads(done.stdout)
    before = (first - (last - first) - timedelta(days=1), first - timedelta(days=1))
    who = ("jonas", "mira")
    found = rankings.top(
        look, Kind(kind), who, first, last, before=before, by_time=by == "time", limit=1000
    )
    assert answer["rows"] == [asdict(each) for each in found]
    assert answer["accounts"] == list(who)
    assert answer["days_at_least"] == sums.totals(look, who, first, last).days_at_least
    shown = CliRunner().invoke(main, asked_for, env=environment | {"COLUMNS": "200"}).stdout
    assert len(shown.splitlines()) == len(found) + 2 + bool(answer["days_at_least"])
    for each in found:
        assert printable(each.name) in shown


def test_a_bar_is_as_long_as_its_share_and_never_nothing() -> None:
    assert figures.bar(100, 100) == "█" * 20
    assert figures.bar(50, 100) == "█" * 10
    assert figures.bar(1, 1_000_000) == "▏"
    lengths = [len(figures.bar(amount, 1000)) for amount in range(1, 1001)]
    assert lengths == sorted(lengths)


@pytest.mark.parametrize("kind", [Kind.ARTISTS, Kind.TRACKS, Kind.ALBUMS])
@pytest.mark.parametrize("account", ["mira", "jonas"])
def test_the_ranking_of_all_time_in_the_mart_is_that_of_all_days(
    account: str, kind: Kind, look: Look
) -> None:
    found = rankings.top_of_all_time(look, kind, account, 10)
    assert found == rankings.top(
        look, kind, [account], date(2006, 1, 1), date(9999, 12, 31), limit=10
    )
    assert found


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/", 200),
        ("/when?account=mira&period=all", 200),
        ("/trust", 200),
        ("/nothing", 404),
        ("/top?kind=nothing", 404),
        ("/artists/one?key=nobody", 404),
        ("/nothing/one?key=nobody", 404),
        ("/?period=nothing", 400),
        ("/?period=2026-99", 400),
        ("/?account=nobody", 400),
        ("/?by=chance", 400),
        ("/?from=2026-03-01&to=x", 400),
        ("/static/../app.py", 404),
        ("/static/%2e%2e/app.py", 404),
    ],
)
def test_every_answer_says_what_a_browser_may_do_with_it(
    address: str, status: int, client: TestClient
) -> None:
    answer = client.get(address)
    assert answer.status_code == status
    if not address.startswith("/static"):
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "style=" not in answer.text
        assert "<script" not in answer.text


def test_other_names_and_other_methods_are_refused(client: TestClient) -> None:
    assert client.get("/", headers={"Host": "evil.example:3030"}).status_code == 403
    assert client.get("/", headers={"Origin": "http://evil.example"}).status_code == 403
    assert client.get("/", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert client.request(method, "/").status_code == 405


def test_two_dates_of_the_form_are_one_period_with_the_rest_of_the_choice_kept(
    client: TestClient,
) -> None:
    answer = client.get(
        "/top?account=mira&kind=tracks&from=2026-03-01&to=2026-03-09", follow_redirects=False
    )
    assert answer.status_code == 303
    address = "?account=mira&kind=tracks&period=2026-03-01..2026-03-09"
    assert answer.headers["Location"] == address


def test_before_the_first_models_a_page_says_how_to_begin(built: Built, tmp_path: Path) -> None:
    settings = replace(built.settings, data=tmp_path / "nothing")
    client = TestClient(app(settings, hosts_of(3030)), base_url=ADDRESS)
    assert "spotify-assets login" in client.get("/").text
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize(
    ("zone", "today"), [("America/New_York", "2026-03-01"), ("Asia/Tokyo", "2026-03-02")]
)
def test_today_is_that_of_the_settings(
    zone: str, today: str, built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = times.from_text("2026-03-01T23:30:00.000Z")
    monkeypatch.setattr(times, "now", lambda: moment)
    settings = replace(built.settings, timezone=zone)
    client = TestClient(app(settings, hosts_of(3030)), base_url=ADDRESS)
    assert f'name="to" required value="{today}"' in client.get("/").text


@pytest.mark.parametrize("damage", ["garbage", "a folder"])
def test_a_database_that_cannot_be_read_is_said_on_the_page(
    damage: str, built: Built, tmp_path: Path
) -> None:
    settings = replace(built.settings, data=tmp_path)
    if damage == "garbage":
        settings.warehouse_path.write_bytes(b"no database " * 1000)
    else:
        settings.warehouse_path.mkdir()
    broken = TestClient(app(settings, hosts_of(3030)), base_url=ADDRESS)
    for path in ("/", "/top", "/trust", "/artists/one?key=x", "/year.html"):
        answer = broken.get(path)
        assert answer.status_code == 503, path
        assert "cannot be read at present" in answer.text
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["/top", "/%09/one", "//evil.example/one"])
def test_dates_of_the_form_lead_to_the_same_page_and_nowhere_else(
    path: str, client: TestClient
) -> None:
    answer = client.get(f"{path}?from=2024-01-01&to=2024-01-09&by=time", follow_redirects=False)
    if answer.status_code == 303:
        assert answer.headers["location"] == "?by=time&period=2024-01-01..2024-01-09"
    else:
        assert answer.status_code == 404
