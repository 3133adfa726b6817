"""What came in, by account: the sources, the imports, and the gaps between."""

from dataclasses import dataclass

from sqlalchemy import func, select

from spotify_assets.warehouse.tables import export_packages, loads, open_gaps
from spotify_assets.warehouse.warehouse import Warehouse


@dataclass(frozen=True)
class Source:
    """What one source brought. Times are UTC text.

    Attributes:
        source: recently_played or streaming_history.
        loads: of these brought rows; `rows` in all, `last` the newest of them.
    """

    account_id: str
    source: str
    loads: int
    rows: int
    last: str


@dataclass(frozen=True)
class Import:
    """A download of Spotify's that was imported whole; `at` is UTC text."""

    account_id: str
    package: str
    at: str


@dataclass(frozen=True)
class Gap:
    """A time in which plays may be missing, UTC text, and how many at most."""

    account_id: str
    since: str
    until: str
    max_lost_plays: int
    cause: str | None


def sources(warehouse: Warehouse) -> list[Source]:
    """What each source brought, by account."""
    columns = loads.c
    query = (
        select(
            columns.account_id,
            columns.source,
            func.count().label("loads"),
            func.sum(columns.rows_loaded).label("rows"),
            func.max(columns.loaded_at).label("last"),
        )
        .where(columns.rows_loaded > 0)
        .group_by(columns.account_id, columns.source)
        .order_by(columns.account_id, columns.source)
    )
    return [Source(**row._mapping) for row in warehouse.read(query)]


def imports(warehouse: Warehouse) -> list[Import]:
    """The downloads that were imported, the newest first."""
    query = (
        select(
            export_packages.c.account_id,
            export_packages.c.package,
            loads.c.loaded_at.label("at"),
        )
        .join(loads, loads.c.load_id == export_packages.c.load_id)
        .order_by(loads.c.load_id.desc())
    )
    return [Import(**row._mapping) for row in warehouse.read(query)]


def gaps(warehouse: Warehouse) -> list[Gap]:
    """Where plays may be missing, the newest first."""
    columns = open_gaps.c
    query = select(
        columns.account_id,
        columns.open_from.label("since"),
        columns.open_to.label("until"),
        columns.max_lost_plays,
        columns.cause,
    ).order_by(columns.open_from.desc())
    return [Gap(**row._mapping) for row in warehouse.read(query)]
