"""Which schema `spotify.db` has, and how it gets today's.

`tables` says what today's schema is, `migrations` how it came about, in revisions of Alembic. A
new database is created at once as it is today. Alembic is imported only to upgrade an old one:
it takes 0.15 s, and every command looks which revision it meets.
"""

from pathlib import Path

from sqlalchemy import (
    Column,
    Connection,
    MetaData,
    PrimaryKeyConstraint,
    ScalarResult,
    String,
    Table,
    insert,
    select,
)

from spotify_assets import database
from spotify_assets.warehouse.tables import metadata

# Oldest first; the same as in migrations/versions.
REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009")
HEAD = REVISIONS[-1]

# Versions before 0003 did not say which revision they wrote; these tables came with it.
_UNSAID = (("0002", "coverage_gaps"), ("0001", "loads"))

# As Alembic makes it.
_version = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


class SchemaError(Exception):
    """The schema of a database is not one that can be worked with here; says what to do."""


def revision(connection: Connection) -> str | None:
    """The schema revision of a database, or None where it has no table of this package yet.

    It may be one that is not in REVISIONS: that of a newer version.
    """
    query = "select name from sqlite_master where type = 'table'"
    tables: ScalarResult[str] = connection.exec_driver_sql(query).scalars()
    names = set(tables)
    if _version.name in names:
        return connection.execute(select(_version.c.version_num)).scalar_one()
    return next((revision for revision, table in _UNSAID if table in names), None)


def create(connection: Connection) -> None:
    """Create all tables and views of today, in the transaction of the caller."""
    metadata.create_all(connection)
    _version.create(connection)
    connection.execute(insert(_version).values(version_num=HEAD))


def require_head(path: Path, found: str) -> None:
    """Do nothing where the revision that was found in a database is today's.

    Raises:
        SchemaError: it is an older one, or one that this version does not know.
    """
    _require_known(path, found)
    if found != HEAD:
        raise SchemaError(
            f"{path} is of schema revision {found}, and this version of spotify-assets writes "
            f"{HEAD}. The next `spotify-assets refresh` migrates it."
        )


def upgrade(path: Path, to: str = HEAD) -> None:
    """Bring a database file to a schema revision, in one transaction; then check it as a whole.

    Only for a copy that nobody else has open, never for the live file: the revisions run with
    foreign keys unenforced, and a copy that failed its checks is thrown away. When this returns
    or raises, everything is in the file itself, nothing in a write-ahead log beside it.

    Raises:
        SchemaError: the revision is unknown, or the checks found damage; nothing was changed.
        sqlalchemy.exc.SQLAlchemyError: a revision failed; nothing was changed.
    """
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "spotify_assets.warehouse:migrations")
    with database.writer(path).connect() as connection:
        # SQLite changes this outside transactions only. Were it on, a revision that makes a table
        # anew could not drop the old one, to which rows of others refer.
        connection.connection.cursor().execute("pragma foreign_keys = off")
        with connection.begin():
            found = revision(connection)
            if found == to:
                return
            config.attributes["connection"] = connection
            if found is not None:
                _require_known(path, found)
                command.stamp(config, found)  # for a database that does not say it itself
            command.upgrade(config, to)
            _require_whole(path, connection)


def _require_known(path: Path, found: str) -> None:
    if found not in REVISIONS:
        raise SchemaError(
            f"{path} is of schema revision {found}, which this version of spotify-assets does "
            "not know. Upgrade spotify-assets."
        )


def _require_whole(path: Path, connection: Connection) -> None:
    orphans = connection.exec_driver_sql("pragma foreign_key_check")
    faults = [f"row {row} of {table} refers to no row of {to}" for table, row, to, _ in orphans]
    integrity: ScalarResult[str] = connection.exec_driver_sql("pragma integrity_check").scalars()
    faults += [fault for fault in integrity if fault != "ok"]
    if faults:
        raise SchemaError(
            f"{path} is damaged, so its schema stays as it is. Faults found: {len(faults)}; "
            f"the first: {faults[0]}."
        )
