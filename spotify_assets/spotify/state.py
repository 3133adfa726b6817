"""`state.db`: accounts, landed pages and blocks, what must never wait behind a build.

A database of its own, so that a look is committed in milliseconds while a model is being built
in the warehouse. Nothing here knows what a play is.
"""

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from dateutil.relativedelta import relativedelta
from sqlalchemy import (
    Connection,
    Engine,
    ScalarResult,
    case,
    delete,
    func,
    insert,
    inspect,
    select,
    update,
)
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from spotify_assets import database, times
from spotify_assets.spotify.tables import (
    accounts,
    blind_spells,
    blocked_calls,
    failed_looks,
    inbox_failures,
    landed_pages,
    login_troubles,
    metadata,
)

# Spotify ends every login six months after its owner agreed; refreshing does not extend that
# (Spotify's announcement of 2026-06-18). No answer tells the date, so we keep our own.
LOGIN_LASTS = relativedelta(months=6)
# Spotify said "Insufficient client scope" in error, and answered the next call with the same token
# (SpotifyStatsTracker, 2026-08): only so many in a row, with no answer between them, are believed.
SCOPE_REFUSALS_BELIEVED = 3
# Fifty plays of half a minute, all that Spotify lists, are over in this time.
BLIND_AFTER = timedelta(minutes=25)
DONE = "done"  # the folder of the inbox for what was imported
LONGEST_NAME = 64
ACCOUNT_NAME = re.compile(rf"\w[\w .@-]{{0,{LONGEST_NAME - 1}}}")
NOBODY_LOOKED = "nobody looked: this machine or what looks for us was off"


def normal_name(name: str) -> str:
    """The name as it is kept, since two that look alike are one to their reader.

    Without blanks around it, and in the form of Unicode that has one character for an accented
    letter (NFC); file systems and keyboards write the other form, too.
    """
    return unicodedata.normalize("NFC", name).strip()


def check_name(account_id: str) -> None:
    """Do nothing where an account can have this name.

    Raises:
        ValueError: it cannot; the message says why.
    """
    shown = account_id[: LONGEST_NAME + 1]
    if account_id.casefold() == DONE:
        raise ValueError(f"{shown!r} cannot be an account's name: it is the inbox's own.")
    if not ACCOUNT_NAME.fullmatch(account_id) or account_id != normal_name(account_id):
        raise ValueError(
            f"{shown!r} cannot be an account's name: use up to {LONGEST_NAME} letters, digits, "
            "spaces and any of . _ @ -, the first one a letter or digit, the last one no space."
        )


@dataclass(frozen=True)
class Account:
    """One listener. Times are UTC text; `account_id` is ours and never changes.

    `needs_login`: Spotify ended the login, or kept refusing it; no retry mends that.
    `first_failed_at`, `last_failed_at`: of the looks without an answer since `last_look_at`.
    """

    account_id: str
    spotify_id: str | None
    spotify_account_id: str | None
    display_name: str | None
    authorized_at: str | None
    login_ends_at: str | None
    last_look_at: str | None
    last_look_error: str | None
    needs_login: bool
    first_failed_at: str | None = None
    last_failed_at: str | None = None


@dataclass(frozen=True)
class EndedLogin:
    """The login that Spotify has ended, by its time and app, and Spotify's words for it."""

    login: str
    reason: str


@dataclass(frozen=True)
class Block:
    """Calls that Spotify asked to be spared. Times are UTC text, on our clock."""

    blocked_at: str
    blocked_until: str
    reason: str


@dataclass(frozen=True)
class LandedPage:
    """An answer as received. `answered_at` is Spotify's clock, `landed_at` ours (UTC text).

    `blind_because`: why there was no look for so long before this one that plays may be missing.
    """

    page_id: str
    account_id: str
    landed_at: str
    answered_at: str
    body: str
    blind_because: str | None = None


@dataclass(frozen=True)
class BlindSpell:
    """A time without an answered look, long enough to miss plays, and why. Times are UTC text."""

    account_id: str
    blind_from: str
    blind_to: str
    cause: str


@dataclass(frozen=True)
class InboxFailure:
    """Why a file of the inbox could not be imported, and when; `signature` is the file's then."""

    signature: str
    failed_at: str
    error: str


@dataclass(frozen=True)
class Identity:
    """Who Spotify says that a login belongs to (`GET /me`)."""

    spotify_id: str
    spotify_account_id: str | None
    display_name: str | None


class State:
    """The state database; created with its tables when something is first written."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def accounts(self) -> list[Account]:
        """All accounts, by name."""
        with self._reading() as connection:
            return _accounts(connection) if connection else []

    def name_for(self, identity: Identity, account_id: str | None) -> str:
        """The name of the account that this Spotify user has here, or would get.

        A new account is named `account_id`, by default Spotify's user id.

        Raises:
            ValueError: `account_id` names an account of another Spotify user, or this user
                already has an account of another name.
        """
        return _account_of(identity, account_id, self.accounts())

    def attach(self, identity: Identity, account_id: str | None, authorized_at: str) -> Account:
        """Record a login: of the account that it belongs to, or of a new one.

        Raises:
            ValueError: as `name_for` does.
        """
        login_ends = times.from_text(authorized_at) + LOGIN_LASTS
        values = {
            "spotify_id": identity.spotify_id,
            "spotify_account_id": identity.spotify_account_id,
            "display_name": identity.display_name,
            "authorized_at": authorized_at,
            "login_ends_at": times.to_text(login_ends),
            "last_look_error": None,
        }
        with self._writer().begin() as connection:
            known = _accounts(connection)
            name = _account_of(identity, account_id, known)
            if any(account.account_id == name for account in known):
                connection.execute(
                    update(accounts).where(accounts.c.account_id == name).values(values)
                )
            else:
                connection.execute(insert(accounts).values(account_id=name, **values))
            _forget_troubles(connection, name)
            return next(each for each in _accounts(connection) if each.account_id == name)

    def add_account(self, account_id: str) -> None:
        """Make an account that nobody has logged in to, where there is none of this name.

        Raises:
            ValueError: that cannot be a name.
        """
        check_name(account_id)
        if any(account.account_id == account_id for account in self.accounts()):
            return
        with self._writer().begin() as connection:
            statement = sqlite_insert(accounts).values(account_id=account_id)
            connection.execute(statement.on_conflict_do_nothing())

    def log_out(self, account_id: str) -> None:
        """Forget that the account is logged in, so that it is polled no more; keep all else."""
        if not self._path.exists():
            return
        nobody = dict.fromkeys(("authorized_at", "login_ends_at", "last_look_error"))
        with self._writer().begin() as connection:
            connection.execute(
                update(accounts).where(accounts.c.account_id == account_id).values(nobody)
            )
            _forget_troubles(connection, account_id)
            connection.execute(delete(failed_looks).where(failed_looks.c.account_id == account_id))

    def remove_account(self, account_id: str, is_worthless: Callable[[str], bool]) -> bool:
        """Remove the account and its stored pages, unless one of these is worth something.

        Args:
            is_worthless: whether the body of a page may go.

        Returns:
            Whether the account is not here any more. False: nothing was changed.
        """
        if not self._path.exists():
            return True
        with self._writer().begin() as connection:
            pages = landed_pages.c
            bodies: ScalarResult[str] = connection.execute(
                select(pages.body).where(pages.account_id == account_id)
            ).scalars()
            if not all(map(is_worthless, bodies)):
                return False
            for table in (landed_pages, login_troubles, failed_looks, blind_spells, accounts):
                connection.execute(delete(table).where(table.c.account_id == account_id))
        return True

    def land(self, account_id: str, body: str, answered_at: datetime | None) -> LandedPage | None:
        """Commit an answered look, with its page where it differs from the one before.

        Returns the page, or None where it is the same as the account's newest landed page, or
        where the account was removed meanwhile.
        """
        now = times.now_text()
        answered = times.to_text(answered_at) if answered_at else now
        with self._writer().begin() as connection:
            _record_blind_spell(connection, account_id, now)
            account = connection.execute(
                update(accounts)
                .where(accounts.c.account_id == account_id)
                .values(last_look_at=now, last_look_error=None)
            )
            if not account.rowcount:
                return None
            _forget_troubles(connection, account_id)
            newest = connection.execute(
                select(landed_pages.c.page_id, landed_pages.c.body)
                .where(landed_pages.c.account_id == account_id)
                .order_by(landed_pages.c.page_number.desc())
                .limit(1)
            ).one_or_none()
            if newest and newest.body == body:
                return None
            page_id = _page_id(newest.page_id if newest else "", account_id, now, body)
            page = LandedPage(page_id, account_id, now, answered, body)
            values = {name: text for name, text in vars(page).items() if name in landed_pages.c}
            connection.execute(insert(landed_pages).values(values))
        return page

    def record_failed_look(self, account_id: str, error: str) -> None:
        """Remember why the account could not be read; the next answered look forgets it."""
        with self._writer().begin() as connection:
            account = connection.execute(
                update(accounts)
                .where(accounts.c.account_id == account_id)
                .values(last_look_error=error)
            )
            if not account.rowcount:  # it was removed meanwhile
                return
            last = {"last_failed_at": times.now_text(), "error": error}
            connection.execute(
                sqlite_insert(failed_looks)
                .values(account_id=account_id, first_failed_at=last["last_failed_at"], **last)
                .on_conflict_do_update(index_elements=["account_id"], set_=last)
            )

    def blind_spells(self, account_id: str) -> list[BlindSpell]:
        """When nobody could see the account's plays, oldest first; the present one is not in it."""
        query = (
            select(blind_spells)
            .where(blind_spells.c.account_id == account_id)
            .order_by(blind_spells.c.blind_from)
        )
        with self._reading() as connection:
            rows = connection.execute(query).mappings() if connection else ()
            return [BlindSpell(**row) for row in rows]

    def end_login(self, account_id: str, ended: EndedLogin) -> None:
        """Mark the account's login as ended; only another login mends that."""
        with self._writer().begin() as connection:
            row = {"ended_login": ended.login, "ended_because": ended.reason}
            connection.execute(
                sqlite_insert(login_troubles)
                .values(account_id=account_id, **row)
                .on_conflict_do_update(index_elements=["account_id"], set_=row)
            )

    def ended_login(self, account_id: str) -> EndedLogin | None:
        """The account's login that Spotify has ended, or None."""
        troubles = login_troubles.c
        query = select(troubles.ended_login, troubles.ended_because).where(
            troubles.account_id == account_id, troubles.ended_login.is_not(None)
        )
        with self._reading() as connection:
            row = connection.execute(query).one_or_none() if connection else None
        return EndedLogin(row.ended_login, row.ended_because) if row else None

    def count_scope_refusal(self, account_id: str) -> int:
        """One more look was refused for want of scope; how many there were in a row."""
        refusals = login_troubles.c.scope_refusals
        with self._writer().begin() as connection:
            return connection.execute(
                sqlite_insert(login_troubles)
                .values(account_id=account_id, scope_refusals=1)
                .on_conflict_do_update(
                    index_elements=["account_id"], set_={"scope_refusals": refusals + 1}
                )
                .returning(refusals)
            ).scalar_one()

    def keep_block(self, client_id: str, endpoint: str, length: timedelta, reason: str) -> Block:
        """Block an app's calls of an endpoint for a time, from now on."""
        now = times.now()
        block = Block(times.to_text(now), times.to_text(now + length), reason)
        with self._writer().begin() as connection:
            present = _block(connection, client_id, endpoint)
            if present and present.blocked_at <= block.blocked_at < block.blocked_until < (
                present.blocked_until
            ):
                return present  # the longer wish holds
            connection.execute(
                sqlite_insert(blocked_calls)
                .values(client_id=client_id, endpoint=endpoint, **vars(block))
                .on_conflict_do_update(
                    index_elements=["client_id", "endpoint"], set_=dict(vars(block))
                )
            )
        return block

    def block(self, client_id: str, endpoint: str) -> Block | None:
        """The newest block of an app's calls of an endpoint, over or not."""
        with self._reading() as connection:
            return _block(connection, client_id, endpoint) if connection else None

    def inbox_failures(self) -> dict[str, InboxFailure]:
        """The files of the inbox that could not be imported, by name."""
        with self._reading() as connection:
            rows = connection.execute(select(inbox_failures)).all() if connection else []
        return {row.name: InboxFailure(row.signature, row.failed_at, row.error) for row in rows}

    def keep_inbox_failure(self, name: str, signature: str, error: str) -> None:
        """Note that a file of the inbox could not be imported as it is."""
        values = {"signature": signature, "failed_at": times.now_text(), "error": error}
        statement = sqlite_insert(inbox_failures).values(name=name, **values)
        with self._writer().begin() as connection:
            connection.execute(
                statement.on_conflict_do_update(index_elements=["name"], set_=values)
            )

    def page_ids(self, account_id: str | None = None) -> list[str]:
        """The ids of the landed pages, of one account or of all, in the order of landing."""
        query = select(landed_pages.c.page_id).order_by(landed_pages.c.page_number)
        if account_id is not None:
            query = query.where(landed_pages.c.account_id == account_id)
        with self._reading() as connection:
            return list(connection.execute(query).scalars()) if connection else []

    def count_pages(self, after: str) -> int:
        """How many pages were landed after a moment (UTC text)."""
        query = select(func.count()).where(landed_pages.c.landed_at > after)
        with self._reading() as connection:
            return int(connection.execute(query).scalar_one()) if connection else 0

    def page(self, page_id: str) -> LandedPage | None:
        """One landed page, or None where there is none (any more)."""
        pages, spells = landed_pages.c, blind_spells.c
        of_the_same_look = (spells.account_id == pages.account_id) & (
            spells.blind_to == pages.landed_at
        )
        query = (
            select(*pages, spells.cause.label("blind_because"))
            .outerjoin(blind_spells, of_the_same_look)
            .where(pages.page_id == page_id)
        )
        with self._reading() as connection:
            row = connection.execute(query).one_or_none() if connection else None
        names = LandedPage.__dataclass_fields__
        return LandedPage(**{name: row._mapping[name] for name in names}) if row else None

    def add_from(self, copy: Path) -> None:
        """Add what a copy of a state database knows and this one does not, or not any more.

        Accounts, landed pages, which come before all that are here, and blind spells. The copy gets
        the tables that it lacks, where an older version wrote it.
        """
        with _engine(copy).begin() as before, self._writer().begin() as connection:
            for table in (accounts, blind_spells):
                rows = [dict(row) for row in before.execute(select(table)).mappings()]
                if rows:
                    connection.execute(sqlite_insert(table).on_conflict_do_nothing(), rows)
            _add_pages(connection, before)

    def prune_pages(self, before: str) -> int:
        """Remove the pages that were landed before a moment; how many there were.

        Never an account's newest: the next answer is compared with it. That a page is in no load
        yet is not known here: name a moment before it.
        """
        if not self._path.exists():
            return 0
        pages = landed_pages.c
        newest = select(func.max(pages.page_number)).group_by(pages.account_id)
        with self._writer().begin() as connection:
            return connection.execute(
                delete(landed_pages).where(
                    pages.landed_at < before, pages.page_number.not_in(newest)
                )
            ).rowcount

    @contextmanager
    def _reading(self) -> Iterator[Connection | None]:
        """One read transaction, or None where nothing is stored yet."""
        with database.reading(self._path) as connection:
            if connection is None or _has_all_tables(connection):
                yield connection
                return
        self._writer()  # gives a database of an earlier version the tables that it lacks
        with database.reading(self._path) as connection:
            yield connection

    def _writer(self) -> Engine:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return _engine(self._path)


def _engine(path: Path) -> Engine:
    engine = database.writer(path)
    metadata.create_all(engine)
    return engine


def _add_pages(connection: Connection, before: Connection) -> None:
    here: set[str] = set(connection.execute(select(landed_pages.c.page_id)).scalars())
    query = select(landed_pages.c.page_id).order_by(landed_pages.c.page_number)
    there: ScalarResult[str] = before.execute(query).scalars()
    missing = [page_id for page_id in there if page_id not in here]
    first = connection.execute(select(func.min(landed_pages.c.page_number))).scalar()
    number = (1 if first is None else first) - len(missing)
    for page_id in missing:  # one at a time: months of them are hundreds of megabytes
        query = select(landed_pages).where(landed_pages.c.page_id == page_id)
        page = before.execute(query).mappings().one()
        connection.execute(insert(landed_pages).values({**page, "page_number": number}))
        number += 1


def _has_all_tables(connection: Connection) -> bool:
    return metadata.tables.keys() <= set(inspect(connection).get_table_names())


def _accounts(connection: Connection) -> list[Account]:
    troubles = login_troubles.c
    needs_login = troubles.ended_login.is_not(None) | (
        troubles.scope_refusals >= SCOPE_REFUSALS_BELIEVED
    )
    failed = failed_looks.c
    query = (
        select(
            accounts,
            case((needs_login, 1), else_=0).label("needs_login"),
            failed.first_failed_at,
            failed.last_failed_at,
        )
        .outerjoin(login_troubles)
        .outerjoin(failed_looks)
        .order_by(accounts.c.account_id)
    )
    rows = connection.execute(query).mappings()
    return [Account(**{**row, "needs_login": bool(row["needs_login"])}) for row in rows]


def _record_blind_spell(connection: Connection, account_id: str, now: str) -> None:
    """Close the time since the last answered look, where it was too long; forget its failures."""
    failed, known = failed_looks.c, accounts.c
    before = connection.execute(
        select(known.last_look_at, failed.error)
        .outerjoin(failed_looks)
        .where(known.account_id == account_id, known.last_look_at.is_not(None))
    ).one_or_none()
    if before and times.from_text(now) - times.from_text(before.last_look_at) > BLIND_AFTER:
        spell = BlindSpell(account_id, before.last_look_at, now, before.error or NOBODY_LOOKED)
        # A clock that was set back may come by the same moment twice.
        connection.execute(sqlite_insert(blind_spells).values(vars(spell)).on_conflict_do_nothing())
    connection.execute(delete(failed_looks).where(failed.account_id == account_id))


def _block(connection: Connection, client_id: str, endpoint: str) -> Block | None:
    columns = [blocked_calls.c[name] for name in Block.__dataclass_fields__]
    query = select(*columns).where(
        blocked_calls.c.client_id == client_id, blocked_calls.c.endpoint == endpoint
    )
    row = connection.execute(query).one_or_none()
    return Block(**row._mapping) if row else None


def _forget_troubles(connection: Connection, account_id: str) -> None:
    connection.execute(delete(login_troubles).where(login_troubles.c.account_id == account_id))


def _account_of(identity: Identity, wanted: str | None, known: list[Account]) -> str:
    """The name under which this Spotify user's login belongs."""
    owner = next((account for account in known if is_same_user(account, identity)), None)
    if owner is not None:
        if wanted not in (None, owner.account_id):
            raise ValueError(
                f"You agreed as Spotify user {identity.spotify_id}, whose account here is called "
                f"{owner.account_id}. Run: spotify-assets login --account {owner.account_id}"
            )
        return owner.account_id
    name = wanted or identity.spotify_id
    taken = next((account for account in known if account.account_id == name), None)
    if taken is not None and taken.spotify_id is not None:
        raise ValueError(
            f"The account {name} belongs to Spotify user {taken.spotify_id}, and you agreed as "
            f"{identity.spotify_id}. Log out at open.spotify.com, or choose another --account."
        )
    return name


def is_same_user(account: Account, identity: Identity) -> bool:
    """Whether this Spotify user is the one behind an account."""
    # Spotify's account_id is the stable one, but came in May 2026 and may be missing.
    if account.spotify_account_id and identity.spotify_account_id:
        return account.spotify_account_id == identity.spotify_account_id
    return account.spotify_id == identity.spotify_id


def _page_id(page_before: str, account_id: str, landed_at: str, body: str) -> str:
    # Not a counter: a lost state.db must not number new pages like drained ones of the old. With
    # the page before it: a clock that was set back may come by the same page at the same moment.
    text = f"{page_before}\n{account_id}\n{landed_at}\n{body}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]
