"""What its owner hides: artists, albums, tracks, podcasts and playlists.

The fact keeps every play; the marts are of what is not hidden.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Delete, delete, insert, select, text

from spotify_assets import times
from spotify_assets.settings import Settings
from spotify_assets.warehouse.backups.migrating import bring_up_to_date
from spotify_assets.warehouse.lock import writing
from spotify_assets.warehouse.pending import models
from spotify_assets.warehouse.tables import exclusions, model_watermarks
from spotify_assets.warehouse.warehouse import Warehouse

# The models that hold what is shown, but for the marts of the day, which all do.
SHOW = ("int_hidden_tracks", "fct_track_days", "fct_habit_days")
LINK = re.compile(r"https://open\.spotify\.com/(?:intl-[a-z]+/)?([a-z]+)/([0-9A-Za-z]+)")


class Hidden(StrEnum):
    """What can be hidden."""

    ARTIST = "artist"
    ALBUM = "album"
    TRACK = "track"
    PODCAST = "podcast"
    PLAYLIST = "playlist"


# Key, name and second line in dim_tracks, and of which content.
_COLUMNS = {
    Hidden.ARTIST: ("artist_key", "artist_name", "null", "track"),
    Hidden.ALBUM: ("album_key", "album_name", "album_artist_name", "track"),
    Hidden.TRACK: ("track_key", "track_name", "artist_name", "track"),
    Hidden.PODCAST: ("artist_key", "artist_name", "null", "episode"),
}


@dataclass(frozen=True)
class Candidate:
    """Something that can be hidden, by the key under which it is."""

    key: str
    name: str
    subtitle: str | None = None


@dataclass(frozen=True)
class Exclusion:
    """Something that is hidden.

    Attributes:
        account_id: whose plays of it; None for everybody's.
        hidden_at: UTC text.
    """

    exclusion_id: int
    account_id: str | None
    kind: str
    hidden_key: str
    name: str
    hidden_at: str


def hidden(warehouse: Warehouse) -> list[Exclusion]:
    """What is hidden, in the order in which it was."""
    if not warehouse.has_table(exclusions.name):
        return []
    rows = warehouse.read(select(exclusions).order_by(exclusions.c.exclusion_id))
    return [Exclusion(**row._mapping) for row in rows]


def candidates(warehouse: Warehouse, kind: Hidden, words: str) -> list[Candidate]:
    """What a name, a link, a URI or a key can mean, by key.

    A playlist has no name here: its link or URI is taken as it is.
    """
    link = LINK.match(words)
    key = f"spotify:{link[1]}:{link[2]}" if link else words
    if kind is Hidden.PLAYLIST:
        is_playlist = re.fullmatch(r"spotify:playlist:[0-9A-Za-z]+", key)
        return [Candidate(key, key)] if is_playlist else []
    if not warehouse.has_table("dim_tracks"):
        return []
    key_column, name, subtitle, content = _COLUMNS[kind]
    query = text(f"""
        select {key_column} as key, max({name}) as name, max({subtitle}) as subtitle
        from dim_tracks where content_type = :content and {key_column} <> 'unknown'
        group by {key_column} order by {key_column}
    """)  # noqa: S608 # names of columns
    # Compared here: SQLite takes letters beyond A to Z for different in the other case.
    return [
        Candidate(row.key, row.name or row.key, row.subtitle)
        for row in warehouse.read(query.bindparams(content=content))
        if row.key == key or (row.name or "").casefold() == words.casefold()
    ]


def hide(settings: Settings, kind: Hidden, what: Candidate, account_id: str | None) -> bool:
    """Hide something, of one account or of all; the next refresh makes the marts without it.

    Returns:
        Whether it was not hidden before.
    """
    with writing(settings.locks, "hiding something"):
        bring_up_to_date(settings)
        with Warehouse(settings.warehouse_path).writer().begin() as connection:
            same = select(exclusions.c.exclusion_id).where(
                exclusions.c.kind == kind,
                exclusions.c.hidden_key == what.key,
                exclusions.c.account_id.is_(None) | (exclusions.c.account_id == account_id),
            )
            if connection.execute(same).first():
                return False
            connection.execute(
                insert(exclusions).values(
                    account_id=account_id,
                    kind=kind.value,
                    hidden_key=what.key,
                    name=what.name,
                    hidden_at=times.now_text(),
                )
            )
            connection.execute(_make_anew())
    return True


def show(settings: Settings, exclusion_id: int) -> bool:
    """Hide something no more.

    Returns:
        Whether it was hidden.
    """
    with writing(settings.locks, "showing what was hidden"):
        bring_up_to_date(settings)
        with Warehouse(settings.warehouse_path).writer().begin() as connection:
            this = exclusions.c.exclusion_id == exclusion_id
            was_hidden = connection.execute(delete(exclusions).where(this)).rowcount > 0
            if was_hidden:
                connection.execute(_make_anew())
    return was_hidden


def _make_anew() -> Delete:
    """Forget that what is shown was built; a refresh builds all models while one of these lacks."""
    of_the_day = models() - models(of_a_refresh_only=True)
    return delete(model_watermarks).where(model_watermarks.c.model.in_([*SHOW, *of_the_day]))
