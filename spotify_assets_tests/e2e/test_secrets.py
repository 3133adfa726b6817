"""No token, code, verifier or client secret is anywhere but in `tokens/`, whatever happened.

Every code and token of the sandbox holds a mark, and so does the app's secret, of characters that
URLs escape. All that a user's commands printed and all that is below his folder is searched.
"""

import base64
import bz2
import gzip
import io
import json
import logging
import lzma
import re
import shutil
import sqlite3
import threading
import time
import traceback
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote

import pytest
import requests
from click.testing import CliRunner
from flask import request
from oauthlib.oauth2.rfc6749.clients import base as oauthlib_client

from spotify_assets.cli import main
from spotify_assets.sandbox.answer_faults import ANSWER_FAULTS, API, TOKENS
from spotify_assets.sandbox.browser import consent
from spotify_assets.sandbox.server import Sandbox
from spotify_assets.sandbox.tokens import tokens
from spotify_assets.sandbox.world import World
from spotify_assets.spotify import transport
from spotify_assets.spotify.errors import SpotifyError
from spotify_assets.spotify.login import login
from spotify_assets.spotify.state import State
from spotify_assets.spotify.token_store import TokenStore
from spotify_assets_tests.e2e.secret_search import Found, files_in, search
from spotify_assets_tests.support import User, sandbox, user_of

TOKEN_MARK = "Mark+of/every=token~and+code"
SECRET_MARK = "Mark+of/the=secret~of+the/app"
VERIFIER = "Mark~of.the_verifiers-of~this.process_43~to~128"
BROWSER = "the browser's thread"


@dataclass
class Witness:
    """A user, all that his commands said, and what the sandbox learnt that is secret."""

    spotify: Sandbox
    user: User
    folder: Path
    said: list[tuple[str, bytes]] = field(default_factory=list)
    verifiers: set[str] = field(default_factory=set)
    faults_met: int = 0

    @property
    def secrets(self) -> dict[str, str]:
        marks = {"a token or code": TOKEN_MARK, "the app's secret": SECRET_MARK}
        return marks | {f"a verifier ({text[:5]}…)": text for text in self.verifiers}

    def hear(self, what: str, text: str) -> None:
        self.said.append((what, text.encode()))

    def run(self, *arguments: str) -> str:
        """A command of its own process; what it printed."""
        done = self.user.run(*arguments, TMPDIR=str(self.folder / "tmp"))
        self.hear(f"{arguments}, exit {done.returncode}", done.stdout + done.stderr)
        return done.stdout

    def log_in(self, answer: Callable[[str], object]) -> None:
        """`login` in a process of its own, which somebody answers at the address that it prints."""
        process = self.user.start("login", TMPDIR=str(self.folder / "tmp"))
        assert process.stdout is not None
        printed = []
        for line in process.stdout:
            printed.append(line)
            if "/authorize?" in line:
                break
        answer(printed[-1].strip())
        stdout, stderr = process.communicate(timeout=60)
        self.hear(f"login, exit {process.returncode}", "".join([*printed, stdout, stderr]))

    def log_in_here(self, listener: str) -> None:
        """The login in this process, whether it succeeds or not."""
        settings = self.user.settings

        def browse(address: str) -> None:
            # In a thread of its own, so that its own log can be told from the product's.
            browser = threading.Thread(target=consent, args=(address, listener), name=BROWSER)
            browser.start()
            browser.join()

        try:
            login(
                settings,
                State(settings.state_path),
                TokenStore(settings.tokens),
                open_browser=browse,
                tell=lambda text: self.hear("login here", text),
            )
        except SpotifyError:
            self.hear("login here failed", traceback.format_exc())

    def refresh_here(self) -> int:
        """`refresh` in this process; the exit code."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.user.settings.environment().items():
                patch.setenv(name, value)
            done = CliRunner().invoke(main, ["refresh"])
        self.hear("refresh here", done.output)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
        return done.exit_code

    def mend(self) -> None:
        """End all faults and blocks, and log in again where the login was lost."""
        self.spotify.faults.off()
        with closing(sqlite3.connect(self.user.settings.state_path)) as connection, connection:
            connection.execute("delete from blocked_calls")
        accounts = State(self.user.settings.state_path).accounts()
        if any(account.needs_login for account in accounts):
            self.log_in_here("mira")

    def expire_access_token(self) -> None:
        store = TokenStore(self.user.settings.tokens)
        token = store.load("mira")
        assert token is not None
        store.save("mira", replace(token, expires_at=0.0))

    def pieces(self) -> Iterator[tuple[str, bytes]]:
        """All that was said and written, but for what is in `tokens/`."""
        yield from self.said
        yield from files_in(self.folder, without=self.user.settings.tokens)


@contextmanager
def debug_log() -> Iterator[io.StringIO]:
    """What every logger of this process says at DEBUG, but for the test's own browser."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.addFilter(lambda record: record.threadName != BROWSER)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield text
    finally:
        root.setLevel(level)
        root.removeHandler(handler)


@contextmanager
def in_short() -> Iterator[None]:
    """Nobody waits between attempts, nor long for an answer that does not come."""
    with pytest.MonkeyPatch.context() as patch:
        nobody_waits = SimpleNamespace(sleep=lambda _: None, time=time.time)
        patch.setattr("urllib3.util.retry.time", nobody_waits)
        patch.setattr(transport, "EXCHANGE_SECONDS", 0.3)
        patch.setattr(transport, "READ_SECONDS", 0.1)
        yield


def fail_logins(witness: Witness) -> None:
    """Logins that come to nothing: cancelled, forged, refused at each of the two later steps."""

    def forge(address: str) -> None:
        with requests.Session() as browser:
            browser.trust_env = False
            redirect_uri = witness.user.settings.redirect_uri
            browser.get(f"{redirect_uri}?code={quote(TOKEN_MARK)}&state=another", timeout=10)
        consent(address, "mira", agree=False)  # the forged answer alone ends nothing

    before = len(witness.said)
    witness.log_in(lambda address: consent(address, "mira", agree=False))
    witness.log_in(forge)
    for name, path in (
        ("invalid_grant", TOKENS),
        ("invalid_client", TOKENS),
        ("other_shape", TOKENS),
        ("forbidden_not_listed", f"{API}/me"),
    ):
        witness.spotify.faults.on(name, path=path)
        witness.log_in(lambda address: consent(address, "mira"))
        witness.mend()
    assert {what for what, _ in witness.said[before:]} == {"login, exit 1"}


def meet_faults(witness: Witness, doors: tuple[str, ...], faults: list[str]) -> None:
    """A refresh and a login in this process under each fault at each of these doors."""
    witness.faults_met = len(faults)
    for name in faults:
        for path in doors:
            if path == TOKENS:
                witness.expire_access_token()
            witness.spotify.faults.on(name, path=path, listener="mira")
            witness.refresh_here()
            witness.mend()
            witness.spotify.faults.on(name, path=path, listener="mira")
            witness.log_in_here("mira")
            witness.mend()


# With PKCE alone, under every fault at every door; with the app's secret, where that is sent, under
# those in whose answers or errors it could come back.
MODES = {
    "PKCE": ("", (API, TOKENS), [fault.name for fault in ANSWER_FAULTS]),
    "the app's secret": (
        SECRET_MARK,
        (TOKENS,),
        [
            "invalid_client",
            "invalid_grant",
            "not_json",
            "other_shape",
            "reset",
            "server_error_html",
        ],
    ),
}


@pytest.fixture(scope="module", params=MODES)
def witness(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Witness]:
    """Somebody to whom everything happened that a test can think of."""
    secret, doors, faults = MODES[request.param]
    folder = tmp_path_factory.mktemp("secrets")
    with (
        sandbox(
            always_on=True, rotation=True, token_mark=TOKEN_MARK, client_secret=SECRET_MARK
        ) as spotify,
        pytest.MonkeyPatch.context() as patch,
    ):
        environment = {**spotify.environment(), "SPOTIFY_CLIENT_SECRET": secret}
        witness = Witness(spotify, user_of(environment, folder / "user"), folder / "user")
        (witness.folder / "tmp").mkdir()
        patch.setattr("spotify_assets.sandbox.accounts.tokens", learning(witness))
        witness.log_in(lambda address: consent(address, "mira"))
        witness.log_in(lambda address: consent(address, "jonas"))
        assert witness.said[-1][0] == "login, exit 0"
        witness.run("refresh")  # a run that succeeds
        assert witness.said[-1][0] == "('refresh',), exit 0"
        fail_logins(witness)
        patch.setattr(oauthlib_client.Client, "create_code_verifier", always_the_same)
        with debug_log() as log:
            spotify.clock.advance(timedelta(minutes=10))
            spotify.faults.on("forbidden", listener="mira")
            assert witness.refresh_here() == 1  # a run that fails: jonas has new plays
            witness.mend()
            with in_short():
                meet_faults(witness, doors, faults)
        witness.hear("the log at DEBUG", log.getvalue())
        witness.run("accounts")
        witness.run("accounts", "--json")
        play_id = re.findall(r"[0-9a-f]{20}", witness.run("view", "--limit", "1"))[0]
        witness.run("trace", play_id)
        yield witness


def learning(witness: Witness) -> Callable[[World], dict[str, object]]:
    """The sandbox's token endpoint, which tells the witness with which verifiers it was asked."""

    def learn(world: World) -> dict[str, object]:
        if "code_verifier" in request.form:
            witness.verifiers.add(request.form["code_verifier"])
        return tokens(world)

    return learn


def always_the_same(client: oauthlib_client.Client, length: int) -> str:
    """One verifier for all logins of this process: each to search for takes its time."""
    client.code_verifier = VERIFIER
    return VERIFIER


def test_nothing_secret_is_printed_logged_or_written(witness: Witness) -> None:
    assert search(witness.pieces(), witness.secrets) == []


def test_the_search_finds_what_is_kept_in_tokens(witness: Witness) -> None:
    found = search(files_in(witness.user.settings.tokens), witness.secrets)
    assert set(found) == {
        Found("a token or code", f"{name}.json", "plain") for name in ("jonas", "mira")
    }


def test_the_search_saw_all_that_there_is(witness: Witness) -> None:
    """Each kind of thing that is written, what was said, and every secret's own kind."""
    places = {name for name, _ in witness.pieces()}
    for part in (
        "data/state.db, landed_pages.body, row 0",
        "data/spotify.db, raw_recently_played.payload, row 0",
        "data/refresh.log",
        "data/dagster/history/runs.db, runs.run_body, row 1",
    ):
        assert part in places
    for part in ("compute_logs/", "/compiled/", "/dbt.log"):
        assert any(part in place for place in places), part
    log = dict(witness.said)["the log at DEBUG"].decode()
    assert '"POST /api/token HTTP/1.1" 200' in log
    assert VERIFIER in witness.verifiers
    assert len(witness.verifiers) > 2
    told = [what for what, text in witness.said if b"Error: mira: " in text]
    failed = [what for what, _ in witness.said if what == "login here failed"]
    assert min(len(told), len(failed)) >= witness.faults_met
    with closing(sqlite3.connect(witness.user.settings.dagster_storage / "history/runs.db")) as db:
        statuses = {status for (status,) in db.execute("select status from runs")}
    assert statuses == {"SUCCESS", "FAILURE"}


SENTENCE = f"a line of a log with AQx{TOKEN_MARK}y in it, and more\n".encode()


def as_base64(bytes_before: int) -> bytes:
    return base64.b64encode(b"x" * bytes_before + SENTENCE)


PLANTED: dict[str, bytes] = {
    "plain": SENTENCE,
    "escaped for a URL": quote(SENTENCE, safe="").encode(),
    "escaped for a URL, partly": quote(SENTENCE, safe="/=").replace("%2B", "%2b").encode(),
    "escaped twice": quote(quote(SENTENCE, safe=""), safe="").encode(),
    "base64 at 0": as_base64(0),
    "base64 at 1": as_base64(1),
    "base64 at 2": as_base64(2),
    "base64 of the other alphabet": base64.urlsafe_b64encode(SENTENCE),
    "base64 in a URL": quote(as_base64(0), safe="").encode(),
    "base64 over lines": base64.encodebytes(SENTENCE),
    "JSON": json.dumps(SENTENCE.decode()).replace("/", "\\/").encode(),
    "JSON of code points": SENTENCE.replace(b"+", b"\\u002b").replace(b"=", b"\\u003D"),
    "broken by a terminal": SENTENCE[:35] + b"\n" + SENTENCE[35:],
    "hex": SENTENCE.hex().encode(),
    "UTF-16": SENTENCE.decode().encode("utf-16"),
    "gzip": gzip.compress(SENTENCE),
    "gzip in gzip": gzip.compress(gzip.compress(SENTENCE)),
    "zlib somewhere": b"before" + zlib.compress(SENTENCE) + b"after",
    "bzip2": bz2.compress(SENTENCE),
    "xz": lzma.compress(SENTENCE),
    "zlib as base64": b"x:" + base64.b64encode(zlib.compress(SENTENCE)),
    "zlib as hex": zlib.compress(SENTENCE).hex().encode(),
}


def test_the_search_finds_a_token_however_it_is_written(witness: Witness, tmp_path: Path) -> None:
    """In a copy of all that was written: each form as a file and as a database's cell."""
    copy, tokens = tmp_path / "copy", str(witness.user.settings.tokens)
    shutil.copytree(
        witness.folder,
        copy,
        ignore=lambda folder, names: names if folder == tokens else (),
    )
    for number, content in enumerate(PLANTED.values()):
        (copy / f"planted {number}").write_bytes(content)
    with zipfile.ZipFile(copy / "planted.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inside", SENTENCE)
    with closing(sqlite3.connect(copy / "planted.db")) as connection, connection:
        connection.execute("create table cells (content)")
        connection.executemany("insert into cells values (?)", [(c,) for c in PLANTED.values()])
    found = search(files_in(copy), witness.secrets)
    places = {each.where.partition(" > ")[0] for each in found}
    rows = range(len(PLANTED))
    assert places - {"planted.db"} == {
        "planted.zip",
        *(f"planted {number}" for number in rows),
        *(f"planted.db, cells.content, row {number}" for number in rows),
    }
    assert {each.secret for each in found} == {"a token or code"}
