"""Every fault of the sandbox once through the command line: a clear end each, and nothing lost.

One user with two accounts goes through all of them. Between two moments mira has plays and jonas
has none: a fault that only mira meets has something to miss, and starts no run of 9 s for jonas.
"""

import json
import logging
import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from subprocess import CompletedProcess
from typing import Any

import pytest
import requests
from dateutil.relativedelta import relativedelta

from spotify_assets import times
from spotify_assets.sandbox.answer_faults import ANSWER_FAULTS, TOKENS
from spotify_assets.sandbox.browser import consent
from spotify_assets.sandbox.server import Sandbox
from spotify_assets.sandbox.world_faults import WORLD_FAULTS
from spotify_assets.spotify import recently_played
from spotify_assets.spotify.errors import LONGEST_WAIT_SECONDS
from spotify_assets.spotify.landing import look_at_all
from spotify_assets.spotify.retrying import Retrying
from spotify_assets.spotify.state import Account, Block, State
from spotify_assets.spotify.token_store import TokenStore
from spotify_assets.warehouse.dbt_command import run_models
from spotify_assets_tests.support import NOW, User, contents, sandbox, user_of

LISTENERS = ("jonas", "mira")
FAULTS = {fault.name: fault for fault in (*ANSWER_FAULTS, *WORLD_FAULTS)}
# Under these the user's first refresh is made, in one run for all three: it succeeds.
ANSWERED = ("slow", "dripping", "short_plays")
# Patience costs three seconds a fault; one wish is too long to be waited for at all.
CHOSEN: dict[str, dict[str, Any]] = {
    "rate_limited": {"retry_after": 1},
    "rate_limited_plain": {"retry_after": 61},
    "late_arrivals": {"share": 1, "hours": 1},
}
# What a line of error must hold: the next step, or that there is none to take.
ADVICE = re.compile(
    r"the next refresh tries again|Try again in a few minutes|Run: spotify-assets login"
    r"|User Management|Spotify takes a few hours to notice|there is a newer spotify-assets"
    r"|asks us to wait|asks us to stay away until|Compare SPOTIFY_CLIENT_ID"
)
# Before the first look of the tests, for what a window of late arrivals reaches back to.
EARLIER = timedelta(hours=2)
DAY = timedelta(days=1)
# What names run, load or page.
RUN_COLUMNS = ("loaded_at", "dagster_run_id", "page_id", "load_id")

Play = tuple[str, str, str]


@dataclass(frozen=True)
class World:
    """The sandbox, who meets its faults, and who only looks at good moments.

    At `start` both have seen everything; at `waiting` there are new plays of mira's.
    """

    spotify: Sandbox
    user: User
    undisturbed: User
    start: datetime
    waiting: datetime
    first: "CompletedProcess[str]"

    @property
    def state(self) -> State:
        return State(self.user.settings.state_path)

    def account(self, name: str) -> Account:
        return next(account for account in self.state.accounts() if account.account_id == name)


def plays(spotify: Sandbox, listener: str, start: datetime, end: datetime) -> list[Play]:
    """What the listener really played: account, end and track, oldest first."""
    with requests.Session() as session:
        session.trust_env = False
        answer = session.get(
            f"{spotify.url}/sandbox/plays",
            params={"listener": listener, "start": start.isoformat(), "end": end.isoformat()},
            timeout=10,
        )
    told = answer.json()["plays"]
    return [(listener, play["played_at"], play["track_uri"]) for play in told]


def moments(spotify: Sandbox) -> tuple[datetime, datetime]:
    """Two moments between which mira has plays and jonas has none."""
    jonas, mira = (
        [times.from_text(play[1]) for play in plays(spotify, name, NOW, NOW + DAY)]
        for name in LISTENERS
    )
    for start, end in pairwise(jonas):
        if any(start < ended_at < end for ended_at in mira):
            return start, end - timedelta(milliseconds=1)
    raise AssertionError("jonas plays a track while mira ends one, every day")


def land(user: User) -> list[str | None]:
    """A look at each account, without a run; the errors."""
    looks = look_at_all(user.settings, State(user.settings.state_path), Retrying.never())
    return [look.error for look in looks]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Both users at `start`; one has refreshed, while answers came slowly and told too much."""
    folder = tmp_path_factory.mktemp("faults")
    with sandbox(always_on=True) as spotify:
        start, waiting = moments(spotify)
        user, undisturbed = (
            user_of(spotify.environment(), folder / name) for name in ("user", "undisturbed")
        )
        spotify.clock.set(start - EARLIER)
        for each in (user, undisturbed):
            each.log_in(*LISTENERS)
            assert land(each) == [None, None]
        spotify.clock.set(start)
        spotify.faults.on("short_plays")  # plays all the same, so both see them
        assert land(undisturbed) == [None, None]
        spotify.faults.on("slow", seconds=0.5, listener="jonas")
        spotify.faults.on("dripping", seconds=0.5, listener="mira")
        first = user.run("refresh", "--json")
        spotify.faults.off()
        yield World(spotify, user, undisturbed, start, waiting, first)


@pytest.fixture(autouse=True)
def plays_are_waiting(world: World) -> Iterator[None]:
    """Each test begins with new plays, and ends with all mended that it broke."""
    world.spotify.clock.set(world.waiting)
    yield
    world.spotify.faults.off()
    world.spotify.clock.set(world.start)
    end_blocks(world.user)
    world.user.log_in(*(name for name in LISTENERS if world.account(name).needs_login))
    assert land(world.user) == [None, None]


@pytest.fixture
def asked(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """The requests that reached the sandbox since `caplog` was cleared."""
    name = "spotify_assets.sandbox.server"
    caplog.set_level(logging.INFO, name)
    return lambda: [record.getMessage() for record in caplog.records if record.name == name]


def end_blocks(user: User) -> None:
    """Let every block be of another day, as if that much time had passed since."""
    long_ago = times.to_text(NOW - DAY)
    with closing(sqlite3.connect(user.settings.state_path)) as connection, connection:
        connection.execute(
            "update blocked_calls set blocked_at = ?, blocked_until = ?", (long_ago, long_ago)
        )


def expire_access_token(user: User, account_id: str) -> None:
    """Let the account need a new access token by our own clock."""
    store = TokenStore(user.settings.tokens)
    token = store.load(account_id)
    assert token is not None
    store.save(account_id, replace(token, expires_at=0.0))


def block_of(world: World) -> Block | None:
    block = world.state.block(world.user.settings.client_id, recently_played.PATH)
    return block if block and block.blocked_until > times.now_text() else None


def assert_that_nothing_is_untrue_or_doubled(world: World) -> None:
    """What was landed, loaded and modelled are plays that were played, each of the last two once.

    Short plays are such too.
    """
    was_on = world.spotify.faults.get("short_plays")
    world.spotify.faults.on("short_plays")
    truth = {
        play
        for name in LISTENERS
        for play in plays(world.spotify, name, world.start - DAY, world.waiting)
    }
    if not was_on:
        world.spotify.faults.off("short_plays")
    for page_id in world.state.page_ids():
        page = world.state.page(page_id)
        assert page is not None
        for item in recently_played.items(json.loads(page.body)):
            assert (page.account_id, item["played_at"], item["track"]["uri"]) in truth
    with closing(sqlite3.connect(world.user.settings.warehouse_path)) as connection:
        for query in (
            "select account_id, played_at, track_uri from raw_recently_played",
            "select account_id, ended_at, track_uri from fct_plays",
        ):
            counted = Counter(connection.execute(query).fetchall())
            assert counted.keys() <= truth
            assert set(counted.values()) == {1}
        assert connection.execute("select * from quarantined_rows").fetchall() == []


def assert_one_line_for_each_error(done: "CompletedProcess[str]") -> dict[str, str]:
    """What `refresh --json` ended in is success, or one line for each account that failed.

    Returns the errors, by account.
    """
    accounts = json.loads(done.stdout)["accounts"]
    assert [account["account_id"] for account in accounts] == list(LISTENERS)
    errors = {account["account_id"]: account["error"] for account in accounts if account["error"]}
    lines = [f"Error: {name}: {error}" for name, error in errors.items()]
    assert done.stderr.splitlines() == lines
    assert done.returncode == (1 if errors else 0)
    assert [line for line in lines if not ADVICE.search(line)] == []
    return errors


def test_answers_that_come_slowly_or_list_too_much_are_taken(world: World) -> None:
    assert assert_one_line_for_each_error(world.first) == {}
    answer = json.loads(world.first.stdout)
    assert answer["succeeded"]
    # Of the window of two hours ago and of this one, which tells short plays.
    assert [account["rows_loaded"] > 50 for account in answer["accounts"]] == [True, True]
    assert_that_nothing_is_untrue_or_doubled(world)


@pytest.mark.parametrize("name", [name for name in FAULTS if name not in ANSWERED])
def test_a_refresh_under_a_fault_succeeds_or_says_in_one_line_what_comes_next(
    name: str,
    world: World,
    asked: Callable[[], list[str]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    takes = FAULTS[name].parameters
    if "path" in takes and takes["path"].default == TOKENS:
        expire_access_token(world.user, "mira")
    world.spotify.clock.set(world.start)  # a list that stands still stands from there on
    for_mira = {"listener": "mira"} if "listener" in takes else {}
    world.spotify.faults.on(name, **for_mira, **CHOSEN.get(name, {}))
    world.spotify.clock.set(world.waiting)
    # Where mira alone is to be asked again there is nothing to load, so no run begins.
    refresh = world.user.call if for_mira else world.user.run
    errors = assert_one_line_for_each_error(refresh("refresh", "--json"))
    world.spotify.faults.off()
    assert_that_nothing_is_untrue_or_doubled(world)
    if for_mira:
        assert list(errors) == ["mira"]  # what is answered all the same belongs to ANSWERED
    block = block_of(world)
    if block is not None:
        caplog.clear()
        done = world.user.call("refresh")
        until = times.local(block.blocked_until, world.user.settings.timezone)
        refused = f"Spotify asks us to stay away until {until} ("
        assert (done.returncode, done.stdout) == (1, "")
        assert [line.partition(refused)[0] for line in done.stderr.splitlines()] == [
            "Error: jonas: ",
            "Error: mira: ",
        ]
        assert refused in done.stderr
        assert asked() == []
    wish = takes["retry_after"].default if "retry_after" in takes else 0
    wish = CHOSEN.get(name, {}).get("retry_after", wish)
    assert (block is not None) == (wish > LONGEST_WAIT_SECONDS)


def is_refused_as_dead(world: World) -> None:
    expire_access_token(world.user, "mira")
    world.spotify.faults.on("invalid_grant", listener="mira")


def is_six_months_old(world: World) -> None:
    """Six months pass in which only logins get older; jonas agrees again after three."""
    world.user.log_in("mira")
    world.spotify.faults.on("frozen")
    world.spotify.clock.advance(timedelta(days=91))
    world.user.log_in("jonas")
    world.spotify.clock.set(world.waiting + relativedelta(months=6))


ENDS: dict[Callable[[World], None], str] = {
    is_refused_as_dead: "invalid_grant: Refresh token revoked",
    is_six_months_old: "invalid_grant: Refresh token expired",
}


def line_of_ended_login(reason: str) -> str:
    return (
        f"Error: mira: Spotify no longer accepts this login ({reason}). Run: spotify-assets login\n"
    )


def needing_login(user: User) -> list[str]:
    """The accounts of which `accounts` says that they need a login."""
    answer = json.loads(user.call("accounts", "--json").stdout)
    return [account["account_id"] for account in answer["accounts"] if account["needs_login"]]


def log_in_by_command(user: User, listener: str) -> None:
    process = user.start("login")
    assert process.stdout is not None
    address = next(line.strip() for line in process.stdout if "/authorize?" in line)
    consent(address, listener)
    _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (0, "")


@pytest.mark.parametrize("end", ENDS)
def test_a_login_that_ended_is_left_alone_until_its_owner_logs_in(
    end: Callable[[World], None],
    world: World,
    asked: Callable[[], list[str]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    before = contents(world.user.settings.warehouse_path, without=())
    end(world)
    line = line_of_ended_login(ENDS[end])
    done = world.user.call("refresh")
    assert (done.returncode, done.stderr) == (1, line)
    world.spotify.faults.off("invalid_grant")
    assert needing_login(world.user) == ["mira"]

    caplog.clear()
    done = world.user.call("refresh")
    assert (done.returncode, done.stderr) == (1, line)
    assert asked() == ["GET /v1/me/player/recently-played 200"]  # jonas's
    assert contents(world.user.settings.warehouse_path, without=()) == before


def test_a_missing_scope_is_believed_the_third_time_in_a_row(world: World) -> None:
    world.spotify.faults.on("forbidden_scope", listener="mira")
    for _ in range(2):
        done = world.user.call("refresh")
        assert done.returncode == 1
        assert re.fullmatch(
            "Error: mira: .*Insufficient client scope.*the next refresh tries again\\.\n",
            done.stderr,
        )
        assert not world.account("mira").needs_login
    done = world.user.call("refresh")
    assert done.returncode == 1
    assert re.fullmatch(
        "Error: mira: .* 3 times in a row .* Run: spotify-assets login\n", done.stderr
    )
    assert needing_login(world.user) == ["mira"]
    world.spotify.faults.off()
    world.spotify.clock.set(world.start)
    assert world.user.run("refresh").returncode == 0
    assert needing_login(world.user) == []


def test_after_all_faults_and_a_login_one_refresh_gives_the_tables_of_a_history_without_faults(
    world: World,
) -> None:
    world.spotify.revoke("mira")
    line = line_of_ended_login("invalid_grant: Refresh token revoked")
    assert world.user.call("refresh").stderr == line
    log_in_by_command(world.user, "mira")
    assert not world.account("mira").needs_login
    world.undisturbed.log_in("mira")  # whose login was revoked as well
    both = [each.start("refresh", "--json") for each in (world.user, world.undisturbed)]
    ended = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], ended
    assert [stderr for _, stderr in ended] == ["", ""]
    assert json.loads(ended[0][0])["rows_loaded"] > 0
    assert_that_nothing_is_untrue_or_doubled(world)
    for each in (world.user, world.undisturbed):  # the marts of the day, too
        assert run_models(each.settings, "run") is None
    disturbed, undisturbed = (
        contents(each.settings.warehouse_path, without=RUN_COLUMNS)
        for each in (world.user, world.undisturbed)
    )
    compared = [name for name in undisturbed if name.startswith(("raw_", "fct_", "dim_", "mart_"))]
    assert len(compared) >= 10
    for name in compared:
        assert disturbed[name] == undisturbed[name], name
