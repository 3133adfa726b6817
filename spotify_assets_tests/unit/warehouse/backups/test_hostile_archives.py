"""Archives of somebody who means harm: all that a manifest says fits, and still nothing happens."""

import random
import shutil
import tarfile
import tracemalloc
from collections.abc import Callable, Iterable
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest

from spotify_assets.warehouse.backups import restoring
from spotify_assets.warehouse.backups.errors import BackupError
from spotify_assets.warehouse.backups.folder import Backup
from spotify_assets.warehouse.backups.manifest import PackedFile
from spotify_assets.warehouse.schema import HEAD
from spotify_assets_tests.fixtures.old_warehouses import put_old_warehouse
from spotify_assets_tests.support import User
from spotify_assets_tests.unit.warehouse.backups.forging import (
    Member,
    changed,
    compressed,
    files_of,
    member,
    put,
    tar_of,
    with_database,
)
from spotify_assets_tests.unit.warehouse.backups.trying import (
    assert_accepted,
    everything,
    refusal,
    rows_of,
)

MB = 10**6
HUGE = 2**60
# Of 1.1 MB in the databases; a good archive takes some four times as much.
MEMORY = 16 * MB


def test_a_forged_archive_with_nothing_wrong_is_accepted(owner: User, backup: Backup) -> None:
    """Or the following would be refused for how they are forged."""
    tar = tar_of(*(member(name, content) for name, content in files_of(backup).items()))
    name = put(backup, compressed([tar]))
    assert_accepted(owner.settings, name, rows_of(owner.settings.data))
    copy = changed(owner.settings.warehouse_path, owner.settings.data.parent / "copy.db")
    name = with_database(backup, "spotify.db", copy)
    assert_accepted(owner.settings, name, rows_of(owner.settings.data))


IN_THE_PLACE = "holds {!r} in the place of spotify.db."
MORE = "holds more than its manifest says."
NO_MEMBER = "is damaged: it holds no {}."
NOT_AS_MADE = "is damaged: a database in it is not as it was made."


def instead(name: str, **header: Any) -> Callable[[bytes, bytes], list[Member]]:
    """Another member in the place of the warehouse, with its content and size."""
    return lambda spotify, state: [member(name, spotify, **header), member("state.db", state)]


def before(kind: bytes, name: str) -> Callable[[bytes, bytes], list[Member]]:
    """A header of this kind that says that gigantic things follow, then what should be there."""
    return lambda spotify, state: [
        member(name, b"", type=kind, size=HUGE),
        member("spotify.db", spotify),
        member("state.db", state),
    ]


TARS: dict[str, tuple[Callable[[bytes, bytes], list[Member]], str]] = {
    "above": (instead("../evil"), IN_THE_PLACE.format("../evil")),
    "far above": (instead("../../../../evil"), IN_THE_PLACE.format("../../../../evil")),
    "at the root": (instead("/tmp/evil"), IN_THE_PLACE.format("/tmp/evil")),
    "of two lines": (instead("a\n\x1b[2J"), IN_THE_PLACE.format("a\n\x1b[2J")),
    "tokens": (instead("tokens/mira.json"), IN_THE_PLACE.format("tokens/mira.json")),
    "not UTF-8": (instead("\udcff"), NO_MEMBER.format("spotify.db")),
    "symbolic link": (
        instead("spotify.db", type=tarfile.SYMTYPE, linkname="../spotify.db"),
        IN_THE_PLACE.format("spotify.db"),
    ),
    "hard link": (
        instead("spotify.db", type=tarfile.LNKTYPE, linkname="/etc/passwd"),
        IN_THE_PLACE.format("spotify.db"),
    ),
    "device": (
        instead("spotify.db", type=tarfile.CHRTYPE, devmajor=1, devminor=5),
        IN_THE_PLACE.format("spotify.db"),
    ),
    "pipe": (instead("spotify.db", type=tarfile.FIFOTYPE), IN_THE_PLACE.format("spotify.db")),
    "folder": (instead("spotify.db", type=tarfile.DIRTYPE), IN_THE_PLACE.format("spotify.db")),
    "sparse": (
        instead("spotify.db", type=tarfile.GNUTYPE_SPARSE),
        IN_THE_PLACE.format("spotify.db"),
    ),
    "long name of gigantic length": (
        before(tarfile.GNUTYPE_LONGNAME, "././@LongLink"),
        IN_THE_PLACE.format("././@LongLink"),
    ),
    "extended header of gigantic length": (
        before(tarfile.XHDTYPE, "pax"),
        IN_THE_PLACE.format("pax"),
    ),
    "header for all of gigantic length": (
        before(tarfile.XGLTYPE, "pax"),
        IN_THE_PLACE.format("pax"),
    ),
    "gigantic": (instead("spotify.db", size=HUGE), IN_THE_PLACE.format("spotify.db")),
    "of size -1": (instead("spotify.db", size=-1), IN_THE_PLACE.format("spotify.db")),
    "larger than declared": (
        lambda spotify, state: [member("spotify.db", spotify + b"x"), member("state.db", state)],
        IN_THE_PLACE.format("spotify.db"),
    ),
    "smaller than declared": (
        lambda spotify, state: [member("spotify.db", spotify[1:]), member("state.db", state)],
        IN_THE_PLACE.format("spotify.db"),
    ),
    "of other content": (
        lambda spotify, state: [
            member("spotify.db", spotify[:-1] + b"x"),
            member("state.db", state),
        ],
        NOT_AS_MADE,
    ),
    "one more": (
        lambda spotify, state: [
            member("spotify.db", spotify),
            member("state.db", state),
            member("spotify.db-journal", b"x"),
        ],
        MORE,
    ),
    "one less": (
        lambda spotify, _: [member("spotify.db", spotify)],
        NO_MEMBER.format("state.db"),
    ),
    "none": (lambda _, __: [], NO_MEMBER.format("spotify.db")),
    "one twice": (
        lambda spotify, _: [member("spotify.db", spotify), member("spotify.db", spotify)],
        "holds 'spotify.db' in the place of state.db.",
    ),
}


@pytest.mark.parametrize("what", TARS)
def test_a_member_that_is_not_ours_is_refused(owner: User, backup: Backup, what: str) -> None:
    members, reason = TARS[what]
    name = put(backup, compressed([tar_of(*members(*files_of(backup).values()))]))
    assert refusal(owner.settings, name) == f"{name} {reason}"
    assert_accepted(owner.settings, backup.archive.name, rows_of(owner.settings.data))


def frame_with_window(exponent: int) -> bytes:
    """A zstd frame that needs 2 ** exponent bytes of memory, of one byte (RFC 8878, 3.1.1)."""
    magic, descriptor, window = b"\x28\xb5\x2f\xfd", b"\0", bytes([(exponent - 10) << 3])
    return magic + descriptor + window + (1 << 3 | 1).to_bytes(3, "little") + b"x"


def zeros_after(tar: bytes) -> Iterable[bytes]:
    yield tar
    yield from repeat(bytes(MB), 200)


BYTES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "no zstd": (lambda tar: tar, "is damaged: zstd"),
    "no tar": (lambda tar: compressed([b"x" * len(tar)]), NO_MEMBER.format("spotify.db")),
    "cut tar": (lambda tar: compressed([tar[: len(tar) // 4]]), NOT_AS_MADE),
    "half a header": (lambda tar: compressed([tar[:100]]), NO_MEMBER.format("spotify.db")),
    "no end": (lambda tar: compressed([tar])[:-4], "is damaged: a database in it"),
    "a window of 256 MB": (lambda _: frame_with_window(28), "Frame requires too much memory"),
    "a window of 2 TB": (lambda _: frame_with_window(41), "Frame requires too much memory"),
    "a bomb": (lambda tar: compressed([tar[:-1024], *repeat(b"x" * MB, 200)]), MORE),
    "a bomb of zeros": (lambda tar: compressed(zeros_after(tar)), MORE),
}


@pytest.mark.parametrize("what", BYTES)
def test_bytes_that_are_no_archive_of_ours_are_refused_in_little_memory(
    owner: User, backup: Backup, what: str
) -> None:
    tar = tar_of(*(member(name, content) for name, content in files_of(backup).items()))
    archive, reason = BYTES[what]
    name = put(backup, archive(tar))
    tracemalloc.start()
    try:
        with pytest.raises(BackupError, match=reason):
            restoring.restore_beside(
                owner.settings, restoring.find(owner.settings, name), Path("nowhere")
            )
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MEMORY
    assert reason in refusal(owner.settings, name)
    assert_accepted(owner.settings, backup.archive.name, rows_of(owner.settings.data))


def test_what_the_disk_has_no_room_for_is_not_begun(
    owner: User, backup: Backup, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(owner.settings.data)  # which others change meanwhile
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: usage)
    spotify, state = files_of(backup).values()
    huge = {**backup.contents.files, "spotify.db": PackedFile(HUGE, "0" * 64, {})}
    tar = tar_of(member("spotify.db", spotify, size=HUGE), member("state.db", state))
    name = put(backup, compressed([tar]), huge)
    needed = f"{(HUGE + len(state)) / 1e6:,.1f}"
    assert f"{name} needs {needed} MB in " in refusal(owner.settings, name)


@pytest.mark.parametrize(
    "seed", [*range(20), *(pytest.param(s, marks=pytest.mark.soak) for s in range(20, 500))]
)
def test_damage_that_the_manifest_was_made_for_never_changes_a_row(
    owner: User, backup: Backup, seed: int
) -> None:
    """Some bits say nothing: the archive may be accepted, and is whole then."""
    dice = random.Random(seed)
    archive = bytearray(backup.archive.read_bytes())
    archive[dice.randrange(len(archive) if seed % 2 else 64)] ^= 1 << dice.randrange(8)
    name = put(backup, bytes(archive))
    before = everything(owner.settings)
    beside = owner.settings.data.parent / "beside"
    try:
        restoring.restore_beside(owner.settings, restoring.find(owner.settings, name), beside)
    except BackupError as refused:
        assert name in str(refused)
        assert everything(owner.settings) == before
    else:
        assert rows_of(beside) == rows_of(owner.settings.data)


def lie(name: str, statement: str) -> str:
    """Make a database say something else of what it holds."""
    return f"update sqlite_master set sql = '{statement}' where name = '{name}'"


RENAME = "alter table raw_recently_played rename to hidden"
OTHERWISE = "declares {!r} otherwise than spotify-assets does"
DATABASES: dict[str, tuple[str, list[str], str]] = {
    "a trigger": (
        "spotify.db",
        ["create trigger evil after insert on restores begin delete from loads; end"],
        "holds the trigger 'evil', which spotify-assets never makes",
    ),
    "a trigger on a view": (
        "spotify.db",
        ["create trigger evil instead of delete on open_gaps begin delete from loads; end"],
        "holds the trigger 'evil', which spotify-assets never makes",
    ),
    "a trigger of the state": (
        "state.db",
        ["create trigger evil after insert on accounts begin delete from landed_pages; end"],
        "holds the trigger 'evil', which spotify-assets never makes",
    ),
    "a trigger under another kind": (
        "spotify.db",
        [
            "create trigger evil after insert on restores begin delete from loads; end",
            "update sqlite_master set type = 'index' where name = 'evil'",
        ],
        "is damaged. SQLite says: malformed database schema (evil)",
    ),
    "a virtual table": (
        "spotify.db",
        ["create virtual table evil using fts5(a)"],
        "holds the table 'evil', which spotify-assets never makes",
    ),
    "a virtual table in the place of ours": (
        "spotify.db",
        ["drop table restores", "create virtual table restores using fts5(restored_at, archive)"],
        "holds the table 'restores', which spotify-assets never makes",
    ),
    "a virtual table of no kind": (
        "spotify.db",
        [
            "create table evil (a)",
            lie("evil", "create virtual table evil using"),
        ],
        "is damaged. SQLite says: malformed database schema (evil)",
    ),
    "a view in the place of a table": (
        "spotify.db",
        [RENAME, "create view raw_recently_played as select * from hidden"],
        OTHERWISE.format("raw_recently_played"),
    ),
    "a view of another meaning": (
        "spotify.db",
        ["drop view open_gaps", "create view open_gaps as select * from coverage_gaps where 0"],
        OTHERWISE.format("open_gaps"),
    ),
    "a view that never ends": (
        "spotify.db",
        [
            "drop view open_gaps",
            "create view open_gaps (i) as with n as (select 1 union all select * from n) select 1",
        ],
        OTHERWISE.format("open_gaps"),
    ),
    "a column less": (
        "spotify.db",
        ["alter table raw_recently_played drop column disc_number"],
        OTHERWISE.format("raw_recently_played"),
    ),
    "a column more": (
        "spotify.db",
        ["alter table loads add column evil generated always as (load_id)"],
        OTHERWISE.format("loads"),
    ),
    "a column less in the state": (
        "state.db",
        ["alter table accounts drop column display_name"],
        OTHERWISE.format("accounts"),
    ),
    "a view in the state": (
        "state.db",
        ["alter table blind_spells rename to hidden", "create view blind_spells as select 1 as a"],
        OTHERWISE.format("blind_spells"),
    ),
    "no table": ("spotify.db", ["drop table restores"], OTHERWISE.format("restores")),
    "a name in other letters": (
        "spotify.db",
        ["alter table restores rename to a", "alter table a rename to RESTORES"],
        OTHERWISE.format("restores"),
    ),
    "no primary key": (
        "spotify.db",
        [RENAME, "create table raw_recently_played as select * from hidden"],
        OTHERWISE.format("raw_recently_played"),
    ),
    "an injection by the name of a column": (
        "spotify.db",
        [
            "drop table account_zones",
            'create table account_zones ("a"" desc, (select 1) --" text primary key)',
        ],
        OTHERWISE.format("account_zones"),
    ),
    "a table twice": (
        "spotify.db",
        ["insert into sqlite_master select * from sqlite_master where name = 'loads'"],
        "is damaged. SQLite says: ",
    ),
    "a lie of a table": (
        "spotify.db",
        [lie("restores", "create table restores (evil)")],
        OTHERWISE.format("restores"),
    ),
    "a lie of an index": (
        "spotify.db",
        [lie("loads_by_account", "create index loads_by_account on loads (source, loaded_at)")],
        "is damaged. SQLite says: ",
    ),
    "a schema that is no SQL": (
        "spotify.db",
        [lie("restores", "evil")],
        "is damaged. SQLite says: malformed database schema",
    ),
    "a name that is not UTF-8": (
        "spotify.db",
        [
            "create table evil (a)",
            lie("evil", "create table x (a)"),
            "update sqlite_master set name = cast(x'ff' as text) where name = 'evil'",
        ],
        "is damaged. SQLite says: ",
    ),
    "bytes for text": (
        "spotify.db",
        ["update loads set source = x'00ff'"],
        "cannot be used: spotify.db cannot be read: Type is not JSON serializable: bytes",
    ),
    "text that is not UTF-8": (
        "spotify.db",
        ["update raw_recently_played set track_name = cast(x'ff' as text)"],
        "cannot be used: spotify.db cannot be read: Could not decode to UTF-8",
    ),
    "text that is not UTF-8 in the state": (
        "state.db",
        ["update landed_pages set body = cast(x'ff' as text)"],
        "cannot be used: state.db cannot be read: Could not decode to UTF-8",
    ),
    "a load that counts wrongly": (
        "spotify.db",
        ["update loads set rows_read = 99"],
        "is damaged. SQLite says: CHECK constraint failed in loads",
    ),
    "plays of no load": (
        "spotify.db",
        ["delete from loads"],
        "refers to no row of loads",
    ),
    "a name of two lines with nothing in its place": (
        "spotify.db",
        [
            'create table "a\n\x1b[2Jb" (a references loads (load_id))',
            'insert into "a\n\x1b[2Jb" values (99)',
        ],
        "is damaged: row 1 of a  [2Jb refers to no row of loads",
    ),
    "another revision": (
        "spotify.db",
        ["update alembic_version set version_num = '0002'"],
        f"is of schema revision '0002', and its manifest says '{HEAD}'",
    ),
    "a newer revision": (
        "spotify.db",
        ["update alembic_version set version_num = '0815'"],
        f"is of schema revision '0815', and its manifest says '{HEAD}'",
    ),
    "no revision": ("spotify.db", ["delete from alembic_version"], "cannot be used: No row was"),
    "two revisions": (
        "spotify.db",
        ["insert into alembic_version values ('0002')"],
        "cannot be used: Multiple rows were found",
    ),
    "a revision of another form": (
        "spotify.db",
        ["drop table alembic_version", "create table alembic_version (evil)"],
        "cannot be used: no such column: alembic_version.version_num",
    ),
}


@pytest.mark.parametrize("what", DATABASES)
def test_a_database_that_is_not_ours_is_refused(owner: User, backup: Backup, what: str) -> None:
    file, statements, reason = DATABASES[what]
    source = owner.settings.data / file
    evil = changed(source, owner.settings.data.parent / "evil.db", *statements)
    name = with_database(backup, file, evil)
    refused = refusal(owner.settings, name)
    assert refused.startswith(f"{name}: {file} in it ")
    assert reason in refused
    assert_accepted(owner.settings, backup.archive.name, rows_of(owner.settings.data))


@pytest.mark.parametrize("content", [b"", b"x" * 8192, b"SQLite format 3\0" + bytes(8176)])
def test_a_file_that_is_no_database_is_refused(owner: User, backup: Backup, content: bytes) -> None:
    evil = owner.settings.data.parent / "evil.db"
    evil.write_bytes(content)
    refused = refusal(owner.settings, with_database(backup, "spotify.db", evil))
    assert "spotify.db in it is " in refused


@pytest.mark.parametrize("damage", [b"\0", b"\xff"])
def test_a_broken_page_is_found_though_all_hashes_fit(
    owner: User, backup: Backup, damage: bytes
) -> None:
    evil = owner.settings.data.parent / "evil.db"
    changed(owner.settings.warehouse_path, evil)
    content = evil.read_bytes()
    evil.write_bytes(content[:-8192] + damage * 4096 + content[-4096:])
    refused = refusal(owner.settings, with_database(backup, "spotify.db", evil))
    assert "spotify.db in it is damaged. SQLite says: " in refused


def test_an_older_warehouse_is_held_to_the_same(owner: User, backup: Backup) -> None:
    evil = owner.settings.data.parent / "evil.db"
    put_old_warehouse("0001", evil)
    changed(evil, evil.with_name("more.db"), "alter table loads add column evil")
    name = with_database(backup, "spotify.db", evil.with_name("more.db"), schema_revision="0001")
    assert OTHERWISE.format("loads") in refusal(owner.settings, name)
    whole = with_database(backup, "spotify.db", evil, schema_revision="0001", number=10)
    restoring.restore_beside(
        owner.settings, restoring.find(owner.settings, whole), owner.settings.data.parent / "beside"
    )


def test_what_an_owner_made_beside_our_tables_comes_back(owner: User, backup: Backup) -> None:
    own = changed(
        owner.settings.warehouse_path,
        owner.settings.data.parent / "own.db",
        "create table notes (note)",
        "insert into notes values ('mine')",
        "create view my_plays as select * from raw_recently_played",
        "create index my_index on raw_recently_played (track_name)",
        'create table "loads"" --" (a)',
    )
    name = with_database(backup, "spotify.db", own)
    beside = owner.settings.data.parent / "beside"
    restoring.restore_beside(owner.settings, restoring.find(owner.settings, name), beside)
    restored = rows_of(beside)
    assert restored.pop("spotify.db notes") == [("mine",)]
    assert restored.pop('spotify.db loads" --') == []
    assert restored == rows_of(owner.settings.data)


@pytest.mark.parametrize("what", ["a trigger", "a name that is not UTF-8", "no revision"])
def test_the_command_names_what_is_hostile_in_one_line(
    owner: User, backup: Backup, what: str
) -> None:
    file, statements, reason = DATABASES[what]
    evil = changed(owner.settings.data / file, owner.settings.data.parent / "evil.db", *statements)
    name = with_database(backup, file, evil)
    before = everything(owner.settings)
    done = owner.run("restore", name, "--yes")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith(f"Error: {name}: {file} in it ")
    assert reason in done.stderr
    assert everything(owner.settings) == before
