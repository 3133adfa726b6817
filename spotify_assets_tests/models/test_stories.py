"""What the dashboard tells of years of listening is what plain Python makes of the plays."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest
import yaml
from sqlalchemy import Engine, event, text
from starlette.testclient import TestClient

from spotify_assets import times
from spotify_assets.outputs.dashboard.app import app
from spotify_assets.outputs.dashboard.pages import PAGES
from spotify_assets.outputs.marts import habits, plays, rankings, stories, things
from spotify_assets.outputs.marts.habits import Habit
from spotify_assets.outputs.marts.look import Kind, Look, Marts
from spotify_assets.outputs.marts.search import Names, plain
from spotify_assets.outputs.marts.together import taste
from spotify_assets.same_origin import hosts_of
from spotify_assets.sandbox.catalogue import Catalogue
from spotify_assets.sandbox.export import write_extended
from spotify_assets.sandbox.listener import Listener
from spotify_assets.settings import CHECKOUT, Settings
from spotify_assets_tests.models.building import dbt_run, ingest
from spotify_assets_tests.support import made_once, sandbox, user_of

ADDRESS = "http://127.0.0.1:3030"
DAY = timedelta(days=1)
SILENCE = timedelta(minutes=30)
ALL = (date(2006, 1, 1), date(2100, 1, 1))
PLAYS = """
    select plays.*, tracks.artist_key, tracks.album_key, tracks.artist_name as artist
    from fct_plays as plays inner join dim_tracks as tracks on tracks.track_key = plays.track_key
    order by ended_at, play_id
"""


@dataclass(frozen=True)
class Lived:
    """Years of two listeners, and every play of them."""

    settings: Settings
    plays: list[Any]

    def counted(
        self, who: tuple[str, ...], first: date, last: date, content: str = ""
    ) -> list[Any]:
        return [
            play
            for play in self.plays
            if play.account_id in who
            and play.is_counted
            and str(first) <= play.local_date <= str(last)
            and content in ("", play.content_type)
        ]


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    """Three years of mira by an export and two of jonas, and what the API lists of both."""

    def build() -> Lived:
        folder = tmp_path_factory.mktemp("lived")
        with sandbox(always_on=True, listeners=("mira", "jonas")) as server:
            user = user_of(server.environment(), folder / "user")
            user.log_in("mira", "jonas")
            warehouse = ingest(user.settings)
            seed = server.config.seed
            for name, years in (("mira", 3), ("jonas", 2)):
                end = server.clock.now() - timedelta(days=2)
                archive = folder / f"{name}.zip"
                listener = Listener(name, Catalogue(seed), seed)
                write_extended(archive, listener, end - years * timedelta(days=365), end)
                user.run("import", str(archive), "--account", name)
        dbt_run(user.settings)
        return Lived(user.settings, list(warehouse.read(text(PLAYS))))

    return made_once(tmp_path_factory, "lived", build)


@pytest.fixture
def look(lived: Lived) -> Iterator[Look]:
    with Marts(lived.settings.warehouse_path).look() as opened:
        assert opened is not None
        yield opened


@pytest.fixture
def client(lived: Lived) -> TestClient:
    return TestClient(app(lived.settings, hosts_of(3030)), base_url=ADDRESS)


def spans(lived: Lived) -> Iterator[tuple[date, date]]:
    """All days, a year, a month, and a day."""
    last = date.fromisoformat(max(play.local_date for play in lived.plays))
    yield ALL
    yield last - timedelta(days=400), last - timedelta(days=36)
    yield last - timedelta(days=60), last - timedelta(days=30)
    yield last - timedelta(days=30), last - timedelta(days=30)


def days_of(found: list[Any]) -> list[date]:
    return sorted({date.fromisoformat(play.local_date) for play in found})


def test_streaks_are_runs_of_days_with_a_play(lived: Lived, look: Look) -> None:
    days = days_of(lived.counted(("mira",), *ALL))
    runs: list[list[date]] = []
    for day in days:
        if runs and day - runs[-1][-1] == DAY:
            runs[-1].append(day)
        else:
            runs.append([day])
    found = stories.streaks(look, "mira")
    assert {(each.first, each.last, each.days) for each in found} == {
        (run[0], run[-1], len(run)) for run in runs
    }
    assert len(found) > 10
    assert [each.days for each in found] == sorted((len(run) for run in runs), reverse=True)


def test_who_came_back_had_not_been_heard_for_a_year(lived: Lived, look: Look) -> None:
    heard: defaultdict[str, Counter[date]] = defaultdict(Counter)
    for play in lived.counted(("mira",), *ALL, "track"):
        heard[play.artist_key][date.fromisoformat(play.local_date)] += 1
    expected = {
        (key, later, (later - earlier - DAY).days)
        for key, days in heard.items()
        for earlier, later in pairwise(sorted(days))
        if later - earlier - DAY >= timedelta(days=365)
    }
    found = stories.returns(look, ("mira",), *ALL, 1000)
    assert {(each.key, each.returned_on, each.days_away) for each in found} == expected
    assert len(expected) > 3
    for each in found:
        days = heard[each.key]
        assert each.plays_before == sum(days[day] for day in days if day < each.returned_on)


def test_the_longest_sessions_have_no_silence_of_half_an_hour(lived: Lived, look: Look) -> None:
    heard = sorted(
        (play.started_at, play.ended_at, play.play_id, play)
        for play in lived.plays
        if play.account_id == "mira" and not play.time_is_unreliable and play.ms_played
    )
    lengths, until, begun, count = [], "", "", 0
    for started_at, ended_at, _, play in heard:
        if not until or times.from_text(started_at) - times.from_text(until) > SILENCE:
            lengths.append((begun, until, count))
            begun, until, count = started_at, "", 0
        until, count = max(until, ended_at), count + play.is_counted
    lengths.append((begun, until, count))
    expected = sorted(
        (
            (times.from_text(end) - times.from_text(start), plays_in_it)
            for start, end, plays_in_it in lengths[1:]
        ),
        reverse=True,
    )
    found = stories.sessions(look, ("mira",), *ALL, 20)
    assert [(timedelta(milliseconds=each.length_ms), each.plays) for each in found] == [
        (length, count) for length, count in expected[:20]
    ]


def test_a_milestone_is_the_play_of_its_number(lived: Lived, look: Look) -> None:
    counted = lived.counted(("mira",), *ALL)
    found = stories.milestone(look, "mira")
    assert found is not None
    assert found.number == len(counted) // 1000 * 1000 > 10_000
    assert found.ended_at == counted[found.number - 1].ended_at
    assert stories.milestone(look, "nobody") is None


def test_this_day_of_other_years_is_remembered(lived: Lived, look: Look) -> None:
    last = date.fromisoformat(max(play.local_date for play in lived.plays))
    remembered = 0
    for today in (last, last - timedelta(days=100), date(2024, 2, 29)):
        of_day = defaultdict(list)
        for play in lived.counted(("mira", "jonas"), *ALL):
            if play.local_date[5:] == f"{today:%m-%d}" and play.local_date < str(today):
                of_day[play.local_date].append(play)
        found = stories.on_this_day(look, ("mira", "jonas"), today)
        assert [(str(each.date), each.plays, each.ms_played) for each in found] == [
            (day, len(of_day[day]), sum(play.ms_played for play in of_day[day]))
            for day in sorted(of_day, reverse=True)
        ]
        for each in found:
            most = Counter(play.track_key for play in of_day[str(each.date)])
            assert most[each.track_key] == max(most.values())
        remembered += len(found)
    assert remembered > 1


def device_of(platform: str | None) -> str:
    words = {"android": "Android", "ios": "iPhone, iPad", "windows": "Windows", "linux": "Linux"}
    words |= {"os x": "Mac", "osx": "Mac", "web": "web player"}
    known = [kind for word, kind in words.items() if word in (platform or "").lower()]
    assert known or platform in (None, "not_applicable"), platform
    return known[0] if known else "unknown"


SHUFFLED = {1: "shuffled", 0: "in order", None: "unknown"}
HABITS: dict[Habit, Callable[[Any], str]] = {
    Habit.CONTENT: lambda play: play.content_type,
    Habit.HOUR: lambda play: "unknown" if play.time_is_unreliable else f"{play.local_hour:02}",
    Habit.DEVICE: lambda play: device_of(play.platform),
    Habit.COUNTRY: lambda play: play.country or "unknown",
    Habit.SHUFFLE: lambda play: SHUFFLED[play.shuffle],
    Habit.CONTEXT: lambda play: play.context_type or "unknown",
}


@pytest.mark.parametrize("who", [("mira",), ("mira", "jonas")])
def test_a_habit_is_told_of_each_counted_play_once(
    who: tuple[str, ...], lived: Lived, look: Look
) -> None:
    for first, last in spans(lived):
        counted = lived.counted(who, first, last)
        for habit, value in HABITS.items():
            found = habits.parts(look, habit, who, first, last)
            assert {each.value: each.plays for each in found} == Counter(map(value, counted)), habit
            assert sum(each.ms_played for each in found) == sum(p.ms_played for p in counted)
        skips = Counter(
            "skipped" if play.skipped else "heard"
            for play in lived.plays
            if play.account_id in who
            and play.skipped is not None
            and play.content_type == "track"
            and str(first) <= play.local_date <= str(last)
        )
        found = habits.parts(look, Habit.SKIP, who, first, last)
        assert {each.value: each.plays for each in found} == skips
        hours = Counter(
            (date.fromisoformat(f"{play.local_date[:7]}-01"), play.local_hour)
            for play in counted
            if not play.time_is_unreliable
        )
        assert habits.hours_by_month(look, who, first, last) == hours


@pytest.mark.parametrize("kind", [Kind.ARTISTS, Kind.TRACKS, Kind.ALBUMS, Kind.PODCASTS])
def test_a_trend_adds_up_to_the_plays_of_its_line(kind: Kind, lived: Lived, look: Look) -> None:
    who = ("mira", "jonas")
    for first, last in spans(lived):
        top = rankings.top(look, kind, who, first, last, limit=20)
        found = rankings.trends(look, kind, [row.key for row in top], who, first, last, 16)
        assert {key: sum(parts) for key, parts in found.items()} == {
            row.key: row.plays for row in top
        }
        assert all(len(parts) == min(16, (last - first).days + 1) for parts in found.values())


def test_two_listeners_have_in_common_what_both_played(lived: Lived, look: Look) -> None:
    for first, last in spans(lived):
        mira, jonas = (
            Counter(
                play.artist_key
                for play in lived.counted((name,), first, last, "track")
                if play.artist_key != "unknown"
            )
            for name in ("mira", "jonas")
        )
        found = taste(look, "mira", "jonas", first, last, 10_000)
        assert {(each.key, each.plays, each.plays_of_other) for each in found.in_common} == {
            (key, mira[key], jonas[key]) for key in mira.keys() & jonas.keys()
        }
        for only, ours, theirs in (
            (found.only_one, mira, jonas),
            (found.only_other, jonas, mira),
        ):
            expected = {key: ours[key] for key in ours.keys() - theirs.keys()}
            assert {each.key: each.plays for each in only} == expected
            counts = [each.plays for each in only]
            assert counts == sorted(counts, reverse=True)
        share = sum(
            min(mira[key] / mira.total(), jonas[key] / jonas.total())
            for key in mira
            if key in jonas
        )
        assert found.alike_per_1000 == pytest.approx(1000 * share, abs=1)
    itself = taste(look, "mira", "mira", *ALL, 10)
    assert itself.alike_per_1000 in (999, 1000)


@pytest.mark.parametrize("kind", [Kind.ARTISTS, Kind.TRACKS, Kind.ALBUMS, Kind.PODCASTS])
def test_one_thing_has_its_plays_hours_contexts_and_skips(
    kind: Kind, lived: Lived, look: Look
) -> None:
    who = ("mira", "jonas")
    column = {Kind.TRACKS: "track_key", Kind.ALBUMS: "album_key"}.get(kind, "artist_key")
    content = "episode" if kind is Kind.PODCASTS else "track"
    for row in rankings.top(look, kind, who, *ALL, limit=3):
        of_it = [p for p in lived.plays if getattr(p, column) == row.key]
        counted = [p for p in of_it if p.is_counted and p.content_type == content]
        assert row.plays == len(counted)
        found = [
            play.play_id
            for skip in range(0, len(counted) + 1000, 1000)
            for play in plays.of_thing(look, kind, row.key, who, *ALL, 1000, skip)
        ]
        assert sorted(found) == sorted(play.play_id for play in counted)
        hours, contexts = plays.habits_of(look, kind, row.key, who)
        assert hours == Counter(p.local_hour for p in counted if not p.time_is_unreliable)
        assert contexts == Counter(p.context_type for p in counted if p.context_type)
        known = [p.skipped for p in of_it if p.skipped is not None and p.content_type == "track"]
        assert things.skips_of(look, kind, row.key, who) == (sum(known), len(known))


def test_the_plays_of_a_day_are_listed_in_their_order(lived: Lived, look: Look) -> None:
    for first, last in list(spans(lived))[1:]:
        counted = lived.counted(("mira", "jonas"), first, last)
        counted.sort(key=lambda play: play.play_id)
        counted.sort(key=lambda play: (play.local_date, play.local_started_at), reverse=True)
        found = [
            play.play_id
            for skip in range(0, len(counted) + 1000, 1000)
            for play in plays.of_days(look, ("mira", "jonas"), first, last, 1000, skip)
        ]
        assert found == [play.play_id for play in counted]


def test_a_search_finds_what_was_typed_in_any_case_with_or_without_marks(
    lived: Lived, look: Look
) -> None:
    names = Names()
    who = ("mira", "jonas")
    for kind in (Kind.ARTISTS, Kind.TRACKS, Kind.ALBUMS):
        for row in rankings.top(look, kind, who, *ALL, limit=60):
            assert row.name is not None
            for typed in (row.name, row.name.upper(), plain(row.name), f"  {row.name.lower()} "):
                found = [each for each in names.find(look, typed, who, 200) if each.kind is kind]
                assert row.key in {each.key for each in found}, (typed, row.name)
                this = next(each for each in found if each.key == row.key)
                assert this.plays == row.plays
                assert plain(found[0].name) == plain(row.name)


def test_a_search_finds_what_is_misspelled_a_little(lived: Lived, look: Look) -> None:
    names = Names()
    who = ("mira",)
    tried = 0
    for row in rankings.top(look, Kind.ARTISTS, who, *ALL, limit=100):
        name = plain(row.name or "")
        if len(name) < 8:  # one letter of few is much
            continue
        middle = len(name) // 2
        for typed in (
            name[:middle] + name[middle + 1 :],
            name[: middle - 1] + name[middle] + name[middle - 1] + name[middle + 1 :],
            name[:middle] + "x" + name[middle:],
        ):
            found = names.find(look, typed, who, 8)
            assert row.key in {each.key for each in found}, (typed, name)
            tried += 1
    assert tried > 30
    assert names.find(look, "zzqqxxjjkkvv", who, 8) == []


@pytest.mark.parametrize(
    "typed",
    ["", " ", "%", "_", '"', "'", '" OR "', "*", "NEAR(", "\0", "ab\0c", "\0abc", "a" * 999],
)
def test_a_search_takes_what_is_typed_as_words_and_nothing_else(
    typed: str, client: TestClient
) -> None:
    answer = client.get("/search", params={"q": typed})
    assert answer.status_code == 200
    assert "Traceback" not in answer.text


def test_the_lineage_names_all_that_the_pages_ask(lived: Lived, client: TestClient) -> None:
    asked: set[str] = set()

    def heard(*given: Any) -> None:
        asked.update(re.findall(r"\b(?:from|join) ([a-z_]+)", given[2]))

    event.listen(Engine, "before_cursor_execute", heard)
    try:
        for page in PAGES:
            client.get(f"/{page}", params={"account": "mira", "period": "365", "q": "a"})
        key = next(play.artist_key for play in lived.plays if play.is_counted)
        client.get("/artists/one", params={"key": key})
        client.get("/plays", params={"kind": "artists", "key": key, "period": "all"})
    finally:
        event.remove(Engine, "before_cursor_execute", heard)
    models = {path.stem for path in (CHECKOUT / "dbt_project" / "models").rglob("*.sql")}
    exposures = yaml.safe_load((CHECKOUT / "dbt_project/models/exposures.yml").read_text("utf-8"))
    (named,) = (each for each in exposures["exposures"] if each["name"] == "dashboard")
    # Health and traces are of the other rooms' making.
    of_pages = {name for name in asked & models if name not in ("fct_plays", "stg_exclusions")}
    of_pages -= {"int_hidden_tracks"}
    assert {f"ref('{name}')" for name in of_pages} == set(named["depends_on"])


def test_every_page_of_years_answers_and_its_links_lead_somewhere(
    lived: Lived, client: TestClient
) -> None:
    """Each address that a page offers is one that answers."""
    seen: set[str] = set()
    waiting = ["/?account=mira&period=all"]
    while waiting and len(seen) < 200:  # of some thousand
        address = waiting.pop(0)
        seen.add(address)
        answer = client.get(address)
        assert answer.status_code == 200, address
        links = dict.fromkeys(
            link.replace("&amp;", "&").partition("#")[0]
            for link in re.findall(r'href="(/[^"]*)"', answer.text)
        )
        pages: Counter[str] = Counter(each.partition("?")[0] for each in seen | set(waiting))
        for link in links:
            page = link.partition("?")[0]
            if link not in seen and link not in waiting and pages[page] < 9:
                pages[page] += 1
                waiting.append(link)
    kinds = {each.partition("?")[0] for each in seen}
    assert {"/", "/top", "/when", "/discover", "/how", "/together", "/trust", "/plays"} <= kinds
    assert {"/artists/one", "/tracks/one", "/albums/one", "/trace", "/definitions"} <= kinds
