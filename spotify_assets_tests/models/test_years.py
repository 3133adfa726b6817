"""Each figure of a year in review is that of the fact's plays; the files hold nothing but text."""

import json
import random
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from click.testing import CliRunner
from sqlalchemy import event, insert, text
from sqlalchemy.engine import Engine
from starlette.testclient import TestClient

from spotify_assets import database, times
from spotify_assets.cli import main
from spotify_assets.defs.outputs.report import MARTS, listening_report, preview
from spotify_assets.outputs.covers import Covers
from spotify_assets.outputs.dashboard.app import app
from spotify_assets.outputs.marts.look import Account, Kind, Look, Marts
from spotify_assets.outputs.rendering import environment
from spotify_assets.outputs.report import Report, file_name, page, write_reports
from spotify_assets.outputs.year.review import Review, review
from spotify_assets.outputs.year.story import card, fit
from spotify_assets.same_origin import hosts_of
from spotify_assets.settings import CHECKOUT, Settings
from spotify_assets.warehouse.accounts import rename
from spotify_assets.warehouse.exported import STREAMING_HISTORY, ExportFile
from spotify_assets.warehouse.importing import to_batch
from spotify_assets.warehouse.loading import Load, write_load
from spotify_assets.warehouse.tables import coverage_gaps, raw_streaming_history
from spotify_assets.warehouse.warehouse import Warehouse
from spotify_assets.warehouse.zones import fix_zones
from spotify_assets_tests.models.building import dbt_run
from spotify_assets_tests.models.test_questions import tables_in
from spotify_assets_tests.support import made_once, user_of

TODAY = date(2025, 10, 5)
DAY = timedelta(days=1)
PLAYS = 900  # of each listener
BEGAN = {"mira": datetime(2022, 8, 20, 9, tzinfo=UTC), "jonas": datetime(2024, 6, 1, 9, tzinfo=UTC)}
ENDED = datetime(2025, 10, 3, tzinfo=UTC)
NAMES = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style></svg><a href='https://evil.example'>x</a>",
    "x" * 300,
    "عربي \u202eمقلوب",
    "{{ 7 * 7 }} {% raw %}",
    "🎧👩‍👩‍👧 ünï \u0301\u0301",
    "| a | [b](javascript:alert(1)) `c`",
    "Plain Name",
    "風聲紙船",
]
WHO = [("mira",), ("jonas",), ("mira", "jonas")]
YEARS = (2022, 2023, 2024, 2025)


def rows(account: str) -> list[dict[str, Any]]:
    """Plays at random, some years of which have artists that the years beside them have not."""
    chance = random.Random(account)
    span = (ENDED - BEGAN[account]).total_seconds()
    found = []
    for _ in range(PLAYS):
        end = BEGAN[account] + timedelta(seconds=int(chance.random() * span))
        artists = NAMES[:4] if end.year == 2023 else NAMES
        artist = chance.choice(artists)
        song = chance.randint(1, 3)
        found.append(
            {
                "ts": end.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "ms_played": chance.choice((20_000, 60_000, 200_000)),
                "spotify_track_uri": f"spotify:track:{NAMES.index(artist):021}{song}",
                "master_metadata_track_name": artist,
                "master_metadata_album_artist_name": artist,
                "master_metadata_album_album_name": artist,
                "reason_end": "trackdone",
            }
        )
    one = datetime(2024, 7, 9, 20, tzinfo=UTC)
    return found + [
        found[0] | {"ts": (one + number * 5 * timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ")}
        for number in range(9)
    ]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Years of two listeners, with a gap, built."""

    def build() -> Settings:
        user = user_of({"SPOTIFY_TIMEZONE": "Europe/Berlin"}, tmp_path_factory.mktemp("y") / "user")
        warehouse = Warehouse(user.settings.warehouse_path)
        for account in BEGAN:
            load = Load(
                STREAMING_HISTORY,
                account,
                batches=[to_batch(account, rows(account), Counter())],
                file=ExportFile("package", "Streaming_History_Audio_2025.json"),
            )
            write_load(warehouse.writer(), raw_streaming_history, load)
        gap = {"gap_from": "2024-05-10T10:00:00.000Z", "gap_to": "2024-05-12T10:00:00.000Z"}
        with warehouse.writer().begin() as connection:
            connection.execute(
                insert(coverage_gaps).values(
                    account_id="mira", max_lost_plays=9, spacing_ms=30_000, load_id=1, **gap
                )
            )
        fix_zones(warehouse.writer(), user.settings.timezone)
        dbt_run(user.settings)
        return user.settings

    return made_once(tmp_path_factory, "years", build)


@pytest.fixture
def look(settings: Settings) -> Iterator[Look]:
    with Marts(settings.warehouse_path).look() as opened:
        assert opened is not None
        yield opened


@pytest.fixture
def client(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    monkeypatch.setattr(times, "now", lambda: times.from_text("2025-10-05T10:00:00.000Z"))
    return TestClient(app(settings, hosts_of(3030)), base_url="http://127.0.0.1:3030")


def of(look: Look, who: Sequence[str]) -> list[Account]:
    return [each for each in look.accounts() if each.account_id in who]


@dataclass(frozen=True)
class Play:
    """A counted play of the fact."""

    day: date
    hour: int
    started_at: str
    local: str
    ms: int
    track: str
    artist: str
    album: str

    @property
    def month(self) -> date:
        return self.day.replace(day=1)


def plays_of(settings: Settings, who: Sequence[str]) -> list[Play]:
    """All counted plays, the oldest first: these are music, and each is exported."""
    names = ", ".join(f"'{name}'" for name in who)
    query = f"""
        select
            local_date, local_hour, started_at, local_started_at, ms_played, track_key,
            artist_key, album_key
        from fct_plays inner join dim_tracks using (track_key)
        where is_counted = 1 and account_id in ({names}) order by started_at, play_id
    """
    found = Warehouse(settings.warehouse_path).read(text(query))
    return [Play(date.fromisoformat(row[0]), *tuple(row)[1:]) for row in found]


def ranked(plays: Sequence[Play], by: str) -> list[tuple[str, int, int]]:
    counts = Counter(getattr(play, by) for play in plays)
    ms = Counter[str]()
    for play in plays:
        ms[getattr(play, by)] += play.ms
    order = sorted(counts, key=lambda key: (-counts[key], -ms[key], key))
    return [(key, counts[key], ms[key]) for key in order]


def sums(plays: Sequence[Play]) -> tuple[int, int, int, int]:
    artists, tracks = ({getattr(play, by) for play in plays} for by in ("artist", "track"))
    return len(plays), sum(play.ms for play in plays), len(artists), len(tracks)


def told(review: Review, *, then: bool) -> tuple[int, int, int, int]:
    assert review.before is not None
    totals = review.before.then if then else review.before.now
    return totals.plays, totals.ms_played, totals.artists, totals.tracks


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("year", YEARS)
def test_each_figure_of_a_year_is_that_of_its_plays(
    who: tuple[str, ...], year: int, settings: Settings, look: Look
) -> None:
    ever = plays_of(settings, who)
    plays = [play for play in ever if play.day.year == year]
    found = review(look, of(look, who), year, TODAY)
    if not plays:
        assert found is None
        return
    assert found is not None
    totals = found.totals
    assert (totals.plays, totals.ms_played, totals.artists, totals.tracks) == sums(plays)
    assert totals.ms_played_estimated == 0
    assert totals.days_at_least == (3 if "mira" in who and year == 2024 else 0)
    assert (found.is_over, found.is_first) == (year < 2025, ever[0].day.year == year)

    for kind, by in ((Kind.ARTISTS, "artist"), (Kind.TRACKS, "track"), (Kind.ALBUMS, "album")):
        top = [(each.key, each.plays, each.ms_played) for each in found.tops[kind]]
        assert top == ranked(plays, by)[:5]
    of_star = Counter(
        play.month for play in plays if play.artist == found.tops[Kind.ARTISTS][0].key
    )
    assert found.star == [(date(year, m, 1), of_star[date(year, m, 1)]) for m in range(1, 13)]
    for month, artist in found.months:
        best = ranked([play for play in plays if play.month == month], "artist")[:1]
        assert (
            [(artist.key, artist.plays, artist.ms_played)] * bool(artist) == best
            if artist
            else (best == [])
        )

    days = Counter(play.day for play in plays)
    ms = Counter[date]()
    for play in plays:
        ms[play.day] += play.ms
    assert {each.date: each.plays for each in found.days if each.plays} == days
    assert {each.date: each.ms_played for each in found.days if each.plays} == ms
    busiest = min(days, key=lambda day: (-days[day], -ms[day], day))
    assert (found.busiest.date, found.busiest.plays) == (busiest, days[busiest])
    assert found.clock == Counter((play.day.isoweekday(), play.hour) for play in plays)

    streaks = [
        next(n for n in range(1, 400) if day + n * DAY not in days or (day + n * DAY).year != year)
        for day in sorted(days)
    ]
    if len(who) == 1:
        assert found.streak is not None
        assert found.streak.days == max(streaks)
        assert found.streak.first == sorted(days)[streaks.index(max(streaks))]
    else:
        assert found.streak is None

    repeats = Counter((play.day, play.track) for play in plays)
    most = max(repeats.values())
    if most < 5:
        assert found.repeat is None
    else:
        assert found.repeat is not None
        assert (
            repeats[found.repeat.local_date, found.repeat.track_key] == most == found.repeat.plays
        )

    assert found.ends is not None
    for moment, play in zip(found.ends, (plays[0], plays[-1]), strict=True):
        assert (moment.track_key, moment.local_date) == (play.track, play.day)
        assert moment.local_time == play.local[11:16]

    first = {play.artist: play.day for play in reversed(ever)}
    new = [artist for artist, day in first.items() if day.year == year]
    assert found.new_artists == len(new)
    since = Counter(play.artist for play in ever if play.artist in new)
    stayed = sorted(new, key=lambda key: (-since[key], key))[:5]
    assert [(each.key, each.plays) for each in found.stayed] == (
        [] if found.is_first else [(key, since[key]) for key in stayed]
    )


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("year", YEARS)
def test_who_came_back_was_away_for_a_year(
    who: tuple[str, ...], year: int, settings: Settings, look: Look
) -> None:
    away = []
    for account in who:
        seen: dict[str, date] = {}
        for play in plays_of(settings, [account]):
            days = (play.day - seen.get(play.artist, play.day)).days - 1
            if days >= 365 and play.day.year == year:
                away.append((days, play.artist, play.day))
            seen[play.artist] = play.day
    found = review(look, of(look, who), year, TODAY)
    returns = (
        [(each.days_away, each.key, each.returned_on) for each in found.returns] if found else []
    )
    assert returns == sorted(away, key=lambda each: (-each[0], each[1]))[:5]
    assert bool(away) == (year == 2024 and "mira" in who)


@pytest.mark.parametrize(
    ("who", "year", "is_compared"),
    [
        (("mira",), 2022, False),  # the first one
        (("mira",), 2023, True),  # from the day on which the history begins
        (("mira",), 2024, True),
        (("mira",), 2025, True),  # is not over
        (("jonas",), 2025, True),
        (("mira", "jonas"), 2024, False),  # jonas begins in it
        (("mira", "jonas"), 2025, True),
    ],
)
def test_a_year_is_compared_over_the_days_that_the_history_has_of_both(
    who: tuple[str, ...], year: int, is_compared: bool, settings: Settings, look: Look
) -> None:
    found = review(look, of(look, who), year, TODAY)
    assert found is not None
    assert (found.before is not None) == is_compared
    if found.before is None:
        return
    query = "select min(local_date) from fct_plays group by account_id having account_id = '{}'"
    warehouse = Warehouse(settings.warehouse_path)
    begun = max(str(warehouse.read(text(query.format(name)))[0][0]) for name in who)
    since = max(date(year - 1, 1, 1), date.fromisoformat(begun)).replace(year=year)
    plays = plays_of(settings, who)
    until = max(play.day for play in plays) if year == TODAY.year else date(year, 12, 31)
    assert found.before.first == since
    assert told(found, then=False) == sums([play for play in plays if since <= play.day <= until])
    then = (since.replace(year=year - 1), until.replace(year=year - 1))
    assert told(found, then=True) == sums(
        [play for play in plays if then[0] <= play.day <= then[1]]
    )


class Read(HTMLParser):
    """What a page holds: its text, its tags, and what its attributes lead to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: set[str] = set()
        self.leads_to: list[str] = []
        self.names: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.names |= {name for name, _ in attrs}
        leading = ("src", "href", "xlink:href", "action", "srcset", "data", "poster")
        self.leads_to += [str(value) for name, value in attrs if name in leading]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def texts_of(settings: Settings, look: Look) -> Iterator[tuple[Review, str, str]]:
    covers = Covers(settings, look, in_file=True)
    for account in look.accounts():
        for year in YEARS:
            found = review(look, [account], year, TODAY)
            if found:
                yield found, page(found, environment(), covers), card(found, environment())


def test_a_file_leads_nowhere_runs_nothing_and_shows_each_name_as_it_is(
    settings: Settings, look: Look
) -> None:
    seen = set()
    for found, html, svg in texts_of(settings, look):
        assert len(html.encode()) < 1_000_000
        read = Read(html)
        assert read.leads_to == []
        assert not read.tags & {
            "script",
            "link",
            "iframe",
            "object",
            "embed",
            "base",
            "form",
            "img",
        }
        assert not {name for name in read.names if name.startswith("on")} | {"style"} & read.names
        assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in html
        assert "url(" not in html.replace("url(#hatch)", "")
        assert "@import" not in html
        for top in found.tops.values():
            for each in top:
                assert str(each.name) in read.words
                seen.add(each.name)
        picture = ET.fromstring(svg)
        tags = {element.tag.rpartition("}")[2] for element in picture.iter()}
        assert tags == {"svg", "title", "rect", "text", "g", "circle", "path"}
        assert not [name for element in picture.iter() for name in element.attrib if "href" in name]
        shown = {element.text for element in picture.iter()}
        for kind in (Kind.ARTISTS, Kind.TRACKS):
            assert {fit(row.name, 22 - 2 * (row.rank == 1)) for row in found.tops[kind]} <= shown
    assert seen == set(NAMES)


def test_the_page_of_the_dashboard_shows_the_same_under_its_own_policy(
    settings: Settings, look: Look, client: TestClient
) -> None:
    for who in (("mira",), ("jonas",), ("jonas", "mira")):
        for year in (2024, 2025):
            found = review(look, of(look, who), year, TODAY)
            assert found is not None
            account = f"&account={who[0]}" if len(who) == 1 else ""
            answer = client.get(f"/year?year={year}{account}")
            assert answer.status_code == 200
            assert "unsafe" not in answer.headers["Content-Security-Policy"]
            read = Read(answer.text)
            assert "style" not in read.names
            assert f"{found.totals.plays:,}" in read.words
            doubted = [found.totals, *([found.before.then] if found.before else [])]
            is_doubted = any(each.days_at_least for each in doubted)
            assert ("at least" in answer.text.lower()) == is_doubted
            assert (f"so far, up to {found.last.day} October" in answer.text) == (year == 2025)
            for address in (f"/year.svg?year={year}{account}", f"/year.html?year={year}{account}"):
                assert client.get(address).headers["Content-Disposition"].startswith("attachment")
            assert client.get(f"/year.svg?year={year}{account}").text == card(found, environment())
            saved = page(found, environment(), Covers(settings, look, in_file=True))
            assert client.get(f"/year.html?year={year}{account}").text == saved


def test_without_a_year_the_last_one_that_is_over_is_shown(client: TestClient) -> None:
    assert "<title>2024 ·" in client.get("/year").text
    others = Read(client.get("/year?account=mira").text).leads_to
    assert [f"/year?account=mira&year={year}" in others for year in YEARS] == [True] * 4


@pytest.mark.parametrize("year", ["1999", "2023", "x", "0", "-1", "²", "2024 "])
@pytest.mark.parametrize("name", ["year", "year.svg", "year.html"])
def test_a_year_without_plays_is_not_found(name: str, year: str, client: TestClient) -> None:
    answer = client.get(f"/{name}", params={"account": "jonas", "year": year})
    assert answer.status_code == 404
    assert f"Nothing was played in {year.strip()}" in answer.text


def test_the_first_year_of_a_history_says_that_all_of_it_looks_new(client: TestClient) -> None:
    first, later = (client.get(f"/year?account=mira&year={year}").text for year in (2022, 2023))
    assert "so each artist looks new in this year" in first
    assert "heard for the first time" not in first
    assert "so each artist looks new in this year" not in later
    assert "heard for the first time" in later


@pytest.fixture
def own(settings: Settings, tmp_path: Path) -> Settings:
    """The same plays in a data folder where reports can be written."""
    own = replace(settings, data=tmp_path / "data")
    own.make_data_folder()
    database.copy(settings.warehouse_path, own.warehouse_path)
    return own


def state_of(folder: Path) -> dict[str, tuple[int, int, int, bytes]]:
    return {
        path.name: (
            path.stat().st_ino,
            path.stat().st_mtime_ns,
            path.stat().st_mode & 0o777,
            path.read_bytes(),
        )
        for path in folder.iterdir()
    }


def written(own: Settings, **choice: Any) -> list[Report]:
    reports = write_reports(own, **choice)
    assert reports is not None
    return reports


def test_a_second_run_rewrites_nothing_and_a_change_only_what_it_is_about(own: Settings) -> None:
    reports = written(own, all_years=True)
    names = {f"{who}-{year}" for who in BEGAN for year in YEARS if year >= BEGAN[who].year}
    assert {path.stem for path in own.reports.iterdir()} == names
    assert {mode for _, _, mode, _ in state_of(own.reports).values()} == {0o600}
    assert all(report.changed == [report.page, report.picture] for report in reports)
    before = state_of(own.reports)
    assert [path for report in written(own, all_years=True) for path in report.changed] == []
    assert state_of(own.reports) == before
    one = own.reports / "mira-2023.svg"
    one.write_text("somebody changed it")
    assert [path for report in written(own, all_years=True) for path in report.changed] == [one]
    assert one.read_bytes() == before[one.name][3]


def test_a_run_that_is_killed_before_the_new_file_has_its_name_leaves_the_old_one(
    own: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    (report,) = written(own, account="mira", year=2024)
    new = report.page.read_bytes()
    report.page.write_text("the old one")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            written(own, account="mira", year=2024)
    assert report.page.read_text() == "the old one"
    (again,) = written(own, account="mira", year=2024)
    assert again.changed == [report.page]
    assert report.page.read_bytes() == new
    assert {path.suffix for path in own.reports.iterdir()} == {".html", ".svg"}


def test_the_command_writes_and_names_them(own: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(times, "now", lambda: times.from_text("2025-10-05T10:00:00.000Z"))

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(main, ["report", *arguments], env=own.environment())

    shown = run()
    assert shown.exit_code == 0, shown.output
    paths = [own.reports / f"{who}-2024{kind}" for who in BEGAN for kind in (".html", ".svg")]
    assert all(path.is_file() and str(path) in shown.stdout for path in paths)
    answer = json.loads(run("--json", "--year", "2025", "--account", "mira").stdout)
    plays = [play for play in plays_of(own, ["mira"]) if play.day.year == 2025]
    (told,) = answer["reports"]
    assert (told["account"], told["year"], told["is_over"]) == ("mira", 2025, False)
    assert (told["plays"], told["ms_played"]) == sums(plays)[:2]
    assert told["written"] == [told["page"], told["picture"]]
    refused = run("--year", "2022", "--account", "jonas")
    assert (refused.exit_code, refused.stderr.strip()) == (
        1,
        "Error: Nothing was played by jonas in 2022.",
    )
    assert run("--account", "nobody").exit_code == 2


def test_a_listeners_own_name_is_text_in_all_of_them(own: Settings) -> None:
    for name in NAMES:
        if len(name) < 100 and name.isprintable():
            rename(own, "mira", name)
            dbt_run(own, "--select", "stg_account_names", "dim_accounts")
            (report,) = written(own, account="mira", year=2024)
            assert report.page.name == "mira-2024.html"
            assert name in Read(report.page.read_text()).words
            titles = [each.text for each in ET.parse(report.picture).iter()]
            assert fit(name, 24) in titles


def test_what_its_owner_hides_is_in_none_of_the_files(own: Settings) -> None:
    def holding(name: str) -> set[int]:
        reports = written(own, all_years=True)
        return {report.review.year for report in reports if name in report.page.read_text("utf-8")}

    assert holding("Plain Name") == {2022, 2024, 2025}
    done = CliRunner().invoke(main, ["hide", "artist", "Plain Name"], env=own.environment())
    assert done.exit_code == 0, done.output
    dbt_run(own)
    assert holding("Plain Name") == set()


def test_the_asset_says_what_it_wrote_and_shows_names_as_text(
    own: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in own.environment().items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.ephemeral() as instance:
        first, second = (
            dg.materialize([listening_report], instance=instance).asset_materializations_for_node(
                "listening_report"
            )[0]
            for _ in range(2)
        )
    found: dict[str, Any] = {name: value.value for name, value in first.metadata.items()}
    files = state_of(own.reports)
    assert found["bytes"] == {name: len(each[3]) for name, each in files.items()}
    assert sorted(found["written"]) == sorted(files)
    assert second.metadata["written"].value == []
    assert found["years"] == list(YEARS)
    assert found["folder"] == str(own.reports)
    table = str(found["preview"])
    assert table == preview(written(own, all_years=True))
    assert {line.replace("\\|", "").count("|") for line in table.splitlines()} == {5}
    assert "<" not in table.replace("\\<", "")
    assert "[" not in table.replace("\\[", "")


def test_the_asset_depends_on_what_a_review_asks(settings: Settings) -> None:
    asked: set[str] = set()

    def heard(*given: Any) -> None:
        asked.update(tables_in(given[2]))

    event.listen(Engine, "before_cursor_execute", heard)
    try:
        with Marts(settings.warehouse_path).look() as fresh:
            assert fresh is not None
            assert review(fresh, fresh.accounts()[:1], 2024, TODAY)
    finally:
        event.remove(Engine, "before_cursor_execute", heard)
    models = {path.stem for path in (CHECKOUT / "dbt_project/models").rglob("*.sql")}
    assert asked & models == set(MARTS)


def test_no_two_accounts_share_a_file_and_none_leaves_the_folder() -> None:
    accounts = [
        *NAMES,
        "mira",
        "Mira",
        "MIRA",
        "../mira",
        "..",
        "/etc/passwd",
        "a\\b",
        "CON",
        "y" * 99,
    ]
    files = [file_name(name) for name in accounts]
    assert len({name.lower() for name in files}) == len(accounts)
    for name in files:
        path = Path("reports", f"{name}-2025.html")
        assert path.parent == Path("reports")
        assert len(path.name) < 200
        assert path.name.isascii()
        assert not set(path.name) & set('/\\:*?"<>| ')
