"""Tokens on disk: whose, how safe, and what a broken file is worth."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filelock import Timeout

from spotify_assets.spotify.token_store import Token, TokenStore

NewToken = Callable[..., Token]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / "tokens"


@pytest.fixture
def store(folder: Path) -> TokenStore:
    return TokenStore(folder)


@pytest.fixture
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def test_a_saved_token_comes_back(store: TokenStore, new_token: NewToken) -> None:
    token = new_token(scope="größe 🎧")
    store.save("mira", token)
    assert store.load("mira") == token
    assert store.load("jonas") is None


def test_loading_creates_nothing(store: TokenStore, folder: Path) -> None:
    assert store.load("mira") is None
    assert not folder.exists()


@pytest.mark.usefixtures("no_umask")
def test_only_the_owner_can_read_it_whatever_the_umask(
    store: TokenStore, folder: Path, new_token: NewToken
) -> None:
    with store.lock("mira"):
        store.save("mira", new_token())
    assert folder.stat().st_mode & 0o777 == 0o700
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert modes == {"mira.json": 0o600, "mira.lock": 0o600}


@pytest.mark.usefixtures("no_umask")
def test_a_folder_that_was_open_is_closed(
    store: TokenStore, folder: Path, new_token: NewToken
) -> None:
    folder.mkdir(parents=True, mode=0o777)
    store.save("mira", new_token())
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.usefixtures("no_umask")
def test_a_file_that_was_open_is_closed_by_the_next_save(
    store: TokenStore, folder: Path, new_token: NewToken
) -> None:
    store.save("mira", new_token())
    (folder / "mira.json").chmod(0o666)
    store.save("mira", new_token())
    assert (folder / "mira.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("dies_in", ["os.fsync", "pathlib.Path.replace"])
def test_a_save_that_dies_leaves_the_old_token(
    dies_in: str, store: TokenStore, new_token: NewToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = new_token(), new_token(access_token="BQ-new")
    store.save("mira", old)
    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):

        def die(*_: object) -> None:
            raise OSError(28, "No space left on device")

        patch.setattr(dies_in, die)
        store.save("mira", new)
    assert store.load("mira") == old
    store.save("mira", new)
    assert store.load("mira") == new


def test_the_token_is_on_disk_before_it_replaces_the_old_one(
    store: TokenStore, folder: Path, new_token: NewToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def note_fsync(descriptor: int) -> None:
        size = os.fstat(descriptor).st_size
        events.append(
            "file" if size and not Path(f"/proc/self/fd/{descriptor}").is_dir() else "dir"
        )
        fsync(descriptor)

    def note_replace(self: Path, target: Path) -> Path:
        events.append("replace")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(Path, "replace", note_replace)
    store.save("mira", new_token())
    assert events == ["file", "replace", "dir"]


def test_what_a_kill_left_over_is_overwritten(
    store: TokenStore, folder: Path, new_token: NewToken
) -> None:
    folder.mkdir(parents=True)
    left_over = folder / "mira.tmp"
    left_over.write_text('{"access_token": "half of a much longer tok' * 100, "utf-8")
    left_over.chmod(0o644)
    store.save("mira", new_token())
    assert store.load("mira") == new_token(expires_at=store.load("mira").expires_at)  # type: ignore[union-attr]
    assert (folder / "mira.json").stat().st_mode & 0o777 == 0o600
    assert not left_over.exists()


NAMES = [
    "mira",
    "mira.json",
    "mira.tmp",
    "mira.lock",
    "m.i.r.a",
    ".",
    "..",
    "../mira",
    "/etc/passwd",
    "a/b",
    "a%2Fb",
    "a\\b",
    "größe",
    "gro\u0308ße",
    "美良",
    "🎧",
    "with blank",
    "CON",
    "~",
    "Mira",
    "к" * 64,
    "a\nb",
    "a\0b",
]


def test_every_account_name_has_a_file_of_its_own(
    store: TokenStore, folder: Path, new_token: NewToken
) -> None:
    for name in NAMES:
        with store.lock(name):
            store.save(name, new_token(scope=name))
    for name in NAMES:
        token = store.load(name)
        assert token is not None
        assert token.scope == name
    inside = [path for path in folder.parent.rglob("*") if path.is_file()]
    assert all(path.parent == folder for path in inside)
    names = {path.name.lower() for path in inside if path.suffix == ".json"}
    assert len(names) == len(NAMES)  # also where Mira and mira would be one file
    assert max(map(len, names)) < 200


@pytest.mark.parametrize("token", ["a\nb: c", "中", "\0"])
def test_a_stored_token_that_fits_no_header_is_no_login(
    store: TokenStore, folder: Path, token: str
) -> None:
    """The error about such a header would quote it."""
    folder.mkdir(parents=True)
    (folder / "mira.json").write_text(json.dumps(GOOD | {"access_token": token}))
    assert store.load("mira") is None


GOOD: dict[str, object] = {
    "access_token": "a",
    "refresh_token": "r",
    "expires_at": 1.0,
    "scope": "s",
    "authorized_at": "2026-11-20T21:00:00.000Z",
}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"{}",
        b'"text"',
        b"\xff\xfe",
        json.dumps({**GOOD, "more": 1}).encode(),
        json.dumps({**GOOD, "access_token": None}).encode(),
        json.dumps({**GOOD, "refresh_token": 5}).encode(),
        json.dumps({**GOOD, "expires_at": None}).encode(),
        json.dumps({**GOOD, "expires_at": "soon"}).encode(),
        json.dumps({**GOOD, "expires_at": 10**400}).encode(),
        json.dumps({**GOOD, "expires_at": float("inf")}).encode(),
        json.dumps({**GOOD, "authorized_at": "\ud800"}).encode(),
        json.dumps({key: GOOD[key] for key in list(GOOD)[1:]}).encode(),
        b"[" * 100_000,
    ],
)
def test_a_broken_file_is_no_login(content: bytes, store: TokenStore, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "mira.json").write_bytes(content)
    assert store.load("mira") is None


def test_a_whole_file_is_a_login(store: TokenStore, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "mira.json").write_text(json.dumps({**GOOD, "expires_at": 1}), "utf-8")
    assert store.load("mira") == Token(**{**GOOD, "expires_at": 1})  # type: ignore[arg-type]


def test_no_text_form_of_a_token_shows_it(new_token: NewToken) -> None:
    token = new_token()
    for text in (repr(token), str(token), f"{token}", f"{[token]}", f"{ {'t': token} }"):
        assert "secret" not in text


def test_one_account_at_a_time_is_locked(store: TokenStore) -> None:
    with store.lock("mira"):
        with pytest.raises(Timeout):
            store.lock("mira").acquire(timeout=0)
        with store.lock("jonas").acquire(timeout=0):
            pass
    with store.lock("mira").acquire(timeout=0):
        pass
